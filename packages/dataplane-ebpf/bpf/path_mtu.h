// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a tunnel may carry: as much as the underlay takes, and the path to its far end. Routers on the way tell what was too large for the next link (RFC 1191 §4,
 * RFC 8201 §4). The kernel tells that its sockets, and tunnels have none here: it is noted for the process, which knows whose far ends there are.
 */
#pragma once

#include "outer.h"

#define ICMP_UNREACHABLE 3
#define ICMP_NEEDS_FRAGMENTS 4
#define ICMPV6_TOO_BIG 2

/*
 * Largest packet that a tunnel may make, outer headers included. Whatever is believed of a path, IPv6 gets its least MTU inside: senders that are told of less do
 * not believe it, and all that they send would be dropped here.
 *
 * `family`: of the packet inside, 0 when it is none of IP. `between`: octets between the tunnel's headers and that packet, labels of others
 */
static __always_inline __u32 room_of(const struct config *config, const struct next_hop *hop, __u32 family, __u32 between)
{
	__u32 mtu = config->underlay_mtu < config->uplink_mtu ? config->underlay_mtu : config->uplink_mtu;
	__u32 path = hop->path_mtu, least = family == 6 ? hop->size + between + LEAST_MTU_IPV6 : 0;

	if (!path)
		return mtu;
	if (path < least)
		path = least;
	return path < mtu ? path : mtu;
}

/* Offset of the message in an ICMP error to the host about a packet that was too large; 0 for any other packet. */
static __always_inline __u32 too_large_at(struct __sk_buff *skb, __u32 is_ipv6)
{
	__u8 octets[ICMP_HEADER] ALIGNED;
	__u32 header = IPV6_HEADER, at;
	__u8 first = 0, protocol = 0;

	if (bpf_skb_load_bytes(skb, ETHERNET, &first, 1) < 0 || bpf_skb_load_bytes(skb, ETHERNET + (is_ipv6 ? 6 : 9), &protocol, 1) < 0)
		return 0;
	if (!is_ipv6)
		header = (first & 15) * 4;
	at = ETHERNET + header;
	if (header < IPV4_HEADER || protocol != (is_ipv6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP) || bpf_skb_load_bytes(skb, at, octets, 2) < 0)
		return 0;
	if (is_ipv6 ? octets[0] == ICMPV6_TOO_BIG : octets[0] == ICMP_UNREACHABLE && octets[1] == ICMP_NEEDS_FRAGMENTS)
		return at;
	return 0;
}

/* Notes what the host is told of a path by an ICMP error: a packet of this router's is quoted, which was larger than what it says. */
__noinline int hear_of_path(struct __sk_buff *skb)
{
	__u32 is_ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6), at, mtu, length;
	struct local_key local = {}, remote = {};
	__u8 octets[ICMP_HEADER + IPV6_HEADER] ALIGNED;
	__u8 *quoted = octets + ICMP_HEADER;

	if (!is_ipv6 && skb->protocol != bpf_htons(ETH_P_IP))
		return 0;
	at = too_large_at(skb, is_ipv6);
	if (!at || bpf_skb_load_bytes(skb, at, octets, ICMP_HEADER + IPV4_HEADER) < 0)
		return 0;
	if (is_ipv6) {
		if (bpf_skb_load_bytes(skb, at, octets, sizeof(octets)) < 0)
			return 0;
		mtu = word_at(octets + 4);
		length = IPV6_HEADER + half_at(quoted + 4);
		local.family = remote.family = 6;
#pragma unroll
		for (int word = 0; word < 4; word++) {
			local.address[word] = word_at(quoted + 8 + word * 4);
			remote.address[word] = word_at(quoted + 24 + word * 4);
		}
	} else {
		mtu = half_at(octets + 6);
		length = half_at(quoted + 2);
		local.family = remote.family = 4;
		local.address[0] = word_at(quoted + 12);
		remote.address[0] = word_at(quoted + 16);
	}
	if (mtu < length && is_local(local.family, local.address))
		map_update(&told_paths, &remote, &mtu, BPF_ANY);
	return 0;
}
