// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writes new ends into a packet, its checksums kept right without reading the rest (RFC 1624). What was wrong with them stays wrong, and what the device
 * has yet to fill in stays so.
 */
#pragma once

#include "tuple.h"

/* What other addresses add to a sum, as one of halves. */
static __always_inline __u32 added_by(struct tuple *to, struct tuple *found)
{
	const __u32 size = sizeof(to->source) + sizeof(to->destination);

	return folded((__u32)bpf_csum_diff((__be32 *)found->source, size, (__be32 *)to->source, size, 0));
}

/* Where the checksum stands that covers the ports; 0 when there is none to keep. A quoted packet may be cut off before it. */
static __always_inline __u32 checksum_place(const struct tuple *found, __u32 end)
{
	__u32 place = found->transport;

	if (found->protocol == PROTOCOL_TCP)
		place += 16;
	else if (found->protocol == PROTOCOL_UDP)
		place += 6;
	else if (found->protocol == PROTOCOL_ICMP || found->protocol == PROTOCOL_ICMPV6)
		place += 2;
	else
		return 0;
	return place + 2 <= end ? place : 0;
}

/* Writes the addresses, and the checksum of an IPv4 header, in which they make no difference to a sum of the frame. `sum`: what has changed */
static __always_inline void write_addresses(struct __sk_buff *skb, __u32 at, const struct tuple *to, __u32 sum)
{
	__u8 octets[32] ALIGNED;

	if (to->family == 4) {
		if (bpf_skb_load_bytes(skb, at + 10, octets + 2, 2) < 0)
			return;
		put_half(octets + 2, ~folded((~half_at(octets + 2) & 0xffff) + sum));
		put_word(octets + 4, to->source[0]);
		put_word(octets + 8, to->destination[0]);
		bpf_skb_store_bytes(skb, at + 10, octets + 2, 10, 0);
		return;
	}
#pragma unroll
	for (int word = 0; word < 4; word++) {
		put_word(octets + word * 4, to->source[word]);
		put_word(octets + 16 + word * 4, to->destination[word]);
	}
	bpf_skb_store_bytes(skb, at + 8, octets, 32, BPF_F_RECOMPUTE_CSUM);
}

/* Ports, or the identifier of an echo. `place`: of their checksum, 0 without */
static __always_inline void write_ports(struct __sk_buff *skb, const struct tuple *found, const struct tuple *to, __u32 place, __u64 flags)
{
	__u32 before = found->source_port << 16 | found->destination_port, after = to->source_port << 16 | to->destination_port;
	__u8 octets[4] ALIGNED;

	if (found->protocol == PROTOCOL_ICMP || found->protocol == PROTOCOL_ICMPV6) {
		if (found->source_port == to->source_port)
			return;
		put_half(octets, to->source_port);
		bpf_skb_store_bytes(skb, found->transport + 4, octets, 2, 0);
		if (place)
			bpf_l4_csum_replace(skb, place, bpf_htons(found->source_port), bpf_htons(to->source_port), 2);
		return;
	}
	if (before == after)
		return;
	put_word(octets, after);
	bpf_skb_store_bytes(skb, found->transport, octets, 4, 0);
	if (place)
		bpf_l4_csum_replace(skb, place, bpf_htonl(before), bpf_htonl(after), flags | 4);
}

/*
 * Gives the packet whose IP header is at `at`, and which says `found`, the ends of `to`.
 *
 * `end`: of the packet; 0: it has no transport header, as a fragment other than the first
 */
__noinline int rewrite_ends(struct __sk_buff *skb, __u32 at, __u32 end, struct tuple *found, struct tuple *to)
{
	__u32 place, sum;
	__u64 flags;

	if (!found || !to)
		return 0;
	to->family = found->family;
	place = end ? checksum_place(found, end) : 0;
	/* A UDP checksum of zero says that there is none (RFC 768). */
	flags = found->protocol == PROTOCOL_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	if (!is_same_address(found->source, to->source) || !is_same_address(found->destination, to->destination)) {
		sum = added_by(to, found);
		write_addresses(skb, at, to, sum);
		if (place && found->protocol != PROTOCOL_ICMP)
			bpf_l4_csum_replace(skb, place, 0, bpf_htons(sum), flags | BPF_F_PSEUDO_HDR);
	}
	if (end)
		write_ports(skb, found, to, place, flags);
	return 0;
}
