// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* First step from the underlay, parse outer: IP, UDP or GRE of a packet to one of this router's addresses. */
#pragma once

#include "parse.h"
#include "sum.h"

/* What `parse_outer` returns for a packet that is none of ours. */
#define NOT_OURS (-3)

/* Of the tag of a frame. */
#define VLAN_ID 0xfff

/* Labels looked at before a stack is taken for bottomless. */
#define MAX_DEPTH 16

static __always_inline int is_local(__u32 family, const __u32 *words)
{
	struct local_key key = { .family = family };

	__builtin_memcpy(key.address, words, sizeof(key.address));
	return bpf_map_lookup_elem(&locals, &key) != 0;
}

static __always_inline int is_source(__u32 set, const struct outer *outer)
{
	struct source_host_key host = { .set = set, .family = outer->family };
	struct source_net_key net = { .length = 64 + 128, .set = bpf_htonl(set), .family = bpf_htonl(outer->family) };

	__builtin_memcpy(host.address, outer->source, sizeof(host.address));
	if (bpf_map_lookup_elem(&source_hosts, &host))
		return 1;
#pragma unroll
	for (int word = 0; word < 4; word++)
		net.address[word] = bpf_htonl(outer->source[word]);
	return bpf_map_lookup_elem(&source_nets, &net) != 0;
}

/* GRE of MPLS (RFC 4023): checksum, key and sequence number are passed over, any other flag is refused. GRE of anything else is the host's. */
static __always_inline int parse_gre(struct __sk_buff *skb, struct outer *outer)
{
	__u32 at = outer->at, length = 4;
	__u8 header[4] ALIGNED;

	if (at + length > outer->end || bpf_skb_load_bytes(skb, at, header, 4) < 0)
		return REASON_OUTER_MALFORMED;
	if (half_at(header + 2) != GRE_MPLS)
		return NOT_OURS;
	if ((header[0] & 0x4c) || (header[1] & 7))
		return REASON_OUTER_MALFORMED;
	length += (header[0] & 0x80 ? 4 : 0) + (header[0] & 0x20 ? 4 : 0) + (header[0] & 0x10 ? 4 : 0);
	if (at + length > outer->end)
		return REASON_OUTER_MALFORMED;
	if ((header[0] & 0x80) && folded(sum_of(skb, at, outer->end)) != 0xffff)
		return REASON_OUTER_MALFORMED;
	outer->at = at + length;
	return GOES_ON;
}

/* The stack begins behind a joint label; what that says of the packet is for GRO, and not believed. */
static __always_inline void pass_joint_label(struct __sk_buff *skb, struct outer *outer)
{
	__u8 octets[LABEL_ENTRY] ALIGNED;

	if (outer->at + LABEL_ENTRY > outer->end || bpf_skb_load_bytes(skb, outer->at, octets, LABEL_ENTRY) < 0 || !joint_size(word_at(octets)))
		return;
	outer->encapsulation = MPLS_UDP_JOINT;
	outer->at += LABEL_ENTRY;
}

/*
 * Whether there is, below explicit nulls, a label that is taken from this source. The former port of MPLS over UDP is one of those that Linux gives out by itself:
 * whatever else comes to it is for the socket that has it.
 */
__noinline int begins_with_label(struct __sk_buff *skb, struct outer *outer)
{
	__u8 octets[LABEL_ENTRY] ALIGNED;

	if (!outer)
		return 0;
	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		__u32 at = outer->at + depth * LABEL_ENTRY, word, label;

		if (at + LABEL_ENTRY > outer->end || bpf_skb_load_bytes(skb, at, octets, LABEL_ENTRY) < 0)
			return 0;
		word = word_at(octets);
		label = word >> 12;
		if (label != 0 && label != 2) {
			struct label *entry = label_of(&label);

			return entry && is_source(entry->sources, outer);
		}
		if (word >> 8 & 1)
			return 0;
	}
	return 0;
}

/* The UDP checksum is not verified: a device has done so, or it covers a payload whose own checksums do. */
static __always_inline int parse_udp(struct __sk_buff *skb, const struct config *config, struct outer *outer)
{
	__u32 at = outer->at, port, length;
	__u8 header[UDP_HEADER] ALIGNED;

	if (at + UDP_HEADER > outer->end || bpf_skb_load_bytes(skb, at, header, UDP_HEADER) < 0)
		return NOT_OURS;
	port = half_at(header + 2);
	if (port == MPLS_UDP_PORT || port == MPLS_UDP_LEGACY_PORT)
		outer->encapsulation = MPLS_UDP;
	else if (port == VXLAN_PORT)
		outer->encapsulation = VXLAN;
	else
		return NOT_OURS;
	if (!(config->encapsulations >> outer->encapsulation & 1))
		return NOT_OURS;
	if (port == VXLAN_PORT && !(config->encapsulations & HAS_VNIS))
		return NOT_OURS;
	length = half_at(header + 4);
	if (!skb->gso_size) {
		if (length < UDP_HEADER || at + length > outer->end)
			return REASON_OUTER_MALFORMED;
		outer->end = at + length;
	}
	outer->at = at + UDP_HEADER;
	if (outer->encapsulation == MPLS_UDP)
		pass_joint_label(skb, outer);
	if (port == MPLS_UDP_LEGACY_PORT && !begins_with_label(skb, outer))
		return NOT_OURS;
	return GOES_ON;
}

__noinline int parse_outer(struct __sk_buff *skb, struct outer *outer)
{
	struct config *config = configuration();
	__u8 octets[IPV6_HEADER] ALIGNED;
	__u32 destination[4] = {}, protocol, header, length;

	if (!config || !outer || skb->len < ETHERNET + IPV4_HEADER || bpf_skb_load_bytes(skb, ETHERNET, octets, IPV4_HEADER) < 0)
		return NOT_OURS;
	if (octets[0] >> 4 == 4 && skb->protocol == bpf_htons(ETH_P_IP)) {
		outer->family = 4;
		header = (octets[0] & 15) * 4;
		length = counted_length(skb, half_at(octets + 2), skb->len - ETHERNET);
		protocol = octets[9];
		outer->traffic_class = octets[1];
		outer->source[0] = word_at(octets + 12);
		destination[0] = word_at(octets + 16);
		/* Fragments are left to the host. */
		if (half_at(octets + 6) & 0x3fff)
			return NOT_OURS;
	} else if (octets[0] >> 4 == 6 && skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, ETHERNET, octets, IPV6_HEADER) < 0)
			return NOT_OURS;
		outer->family = 6;
		header = IPV6_HEADER;
		length = IPV6_HEADER + half_at(octets + 4);
		protocol = octets[6];
		outer->traffic_class = (half_at(octets) >> 4) & 0xff;
#pragma unroll
		for (int word = 0; word < 4; word++) {
			outer->source[word] = word_at(octets + 8 + word * 4);
			destination[word] = word_at(octets + 24 + word * 4);
		}
	} else {
		return NOT_OURS;
	}
	if (protocol != PROTOCOL_UDP && !(protocol == PROTOCOL_GRE && (config->encapsulations >> MPLS_GRE & 1)))
		return NOT_OURS;
	if (!is_local(outer->family, destination))
		return NOT_OURS;
	outer->at = ETHERNET + header;
	outer->end = skb->gso_size ? skb->len : ETHERNET + length;
	if (header < IPV4_HEADER || header > length || outer->end > skb->len)
		return REASON_OUTER_MALFORMED;
	if (outer->family == 4 && !(header == IPV4_HEADER ? sums_up(octets) : header_sums_up(skb, ETHERNET, header)))
		return REASON_OUTER_MALFORMED;
	if (protocol == PROTOCOL_UDP)
		return parse_udp(skb, config, outer);
	outer->encapsulation = MPLS_GRE;
	return parse_gre(skb, outer);
}
