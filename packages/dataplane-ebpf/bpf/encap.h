// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Step 8, encap: the headers of a tunnel, which lie ready in its next hop, are filled in and take their place between the Ethernet header and the
 * packet. UDP checksums are zero: over IPv4 that is RFC 7510's default, over IPv6 it is what RFC 6935 §5 allows tunnels, since no checksum can be
 * computed here of a payload whose own checksums are left to the device.
 */
#pragma once

#include "congestion.h"
#include "reshape.h"

/* What the headers say of one packet. */
struct fill {
	/* Of the labels, and of the deepest if it is another's heir. */
	__u32 ttl;
	__u32 traffic_class;
	__u32 inherits;
	__u32 bottom_ttl;
	__u32 is_bottom;
	/* Traffic class octet of the outer header. */
	__u32 outer_class;
	__u32 hash;
	/* Family of what is carried; 0: labelled packets. */
	__u32 inner_family;
	/* TTL of a joint label. */
	__u32 joint_ttl;
	/* Octets behind the headers. */
	__u32 length;
};

/* TTL of a joint label: what is behind the entry that follows it, if that is the bottom of the stack; GRO takes it for the next protocol of VXLAN-GPE. */
static __always_inline __u32 joint_ttl(__u32 family)
{
	return family == 4 ? 1 : family == 6 ? 2 : 0;
}

/* What they say of an IP packet: its TTL and traffic class as they count, its hash and octets. */
static __always_inline void fill_from_packet(struct fill *fill, const struct next_hop *hop, __u32 ttl, __u32 traffic_class, __u32 hash,
					     __u32 family, __u32 length)
{
	fill->ttl = hop->uniform_ttl ? ttl - 1 : 255;
	fill->traffic_class = hop->uniform_class ? traffic_class >> 5 : 0;
	fill->outer_class = (hop->uniform_class ? traffic_class & 0xfc : 0) | pushed_ecn(hop, traffic_class);
	fill->hash = hash;
	fill->inner_family = family;
	fill->joint_ttl = hop->label_count == 1 ? joint_ttl(family) : 0;
	fill->length = length;
}

/* What they say of a packet whose top label, `word`, was popped with that TTL. `outer_class`: traffic class of the IP header it came behind */
static __always_inline void fill_from_label(struct fill *fill, const struct next_hop *hop, __u32 word, __u32 ttl, __u32 outer_class, __u32 hash,
					    __u32 length)
{
	fill->ttl = hop->uniform_ttl ? ttl - 1 : 255;
	fill->traffic_class = word >> 9 & 7;
	fill->inherits = 1;
	fill->bottom_ttl = ttl - 1;
	fill->is_bottom = word >> 8 & 1;
	fill->outer_class = (hop->uniform_class ? fill->traffic_class << 5 : 0) | pushed_ecn(hop, outer_class);
	fill->hash = hash;
	fill->length = length;
}

/*
 * What a length field says. A frame that is still to be cut may be longer than it can say, and its segments get their own: zero is what kernels take for the
 * length of such a frame (`counted_length`).
 */
static __always_inline __u32 said_length(__u32 length)
{
	return length > MOST_SAID ? 0 : length;
}

static __always_inline void fill_ipv4(__u8 *headers, const struct fill *fill, __u32 length)
{
	headers[1] = fill->outer_class;
	put_half(headers + 10, 0);
	put_half(headers + 2, said_length(length));
	*(half *)(headers + 10) = ~raw_sum(headers, IPV4_HEADER);
}

static __always_inline void fill_ipv6(__u8 *headers, const struct fill *fill, __u32 length)
{
	put_word(headers, 6U << 28 | (fill->outer_class & 0xff) << 20 | (fill->hash & 0xfffff));
	put_half(headers + 4, said_length(length));
}

static __always_inline void fill_udp(__u8 *headers, const struct fill *fill, __u32 length)
{
	put_half(headers, 49152 + (fill->hash >> 18));
	put_half(headers + 4, said_length(length));
}

static __always_inline void fill_labels(__u8 *headers, const struct next_hop *hop, const struct fill *fill)
{
	if (hop->encapsulation == MPLS_UDP_JOINT)
		headers[(hop->stack - 1) & (MAX_HEADERS - 1)] = fill->joint_ttl;
	for (__u32 index = 0; index < MAX_LABELS; index++) {
		__u32 entry = (hop->stack + index * LABEL_ENTRY) & (MAX_HEADERS - 1) & ~3U;
		__u32 is_deepest = index + 1 == hop->label_count;

		if (index >= hop->label_count)
			break;
		headers[entry + 2] = (headers[entry + 2] & 0xf1) | fill->traffic_class << 1;
		headers[entry + 3] = fill->ttl;
		if (is_deepest && fill->inherits) {
			headers[entry + 3] = fill->bottom_ttl;
			if (!fill->is_bottom)
				headers[entry + 2] &= 0xfe;
		}
	}
}

/* Completes the headers of a next hop for a packet; those that were another packet's as well. */
static __always_inline void complete_headers(__u8 *headers, const struct next_hop *hop, const struct fill *fill)
{
	__u32 length = hop->size + fill->length;
	__u32 has_udp = hop->encapsulation != MPLS_GRE;

	if (hop->family == 4) {
		fill_ipv4(headers, fill, length);
		if (has_udp)
			fill_udp(headers + IPV4_HEADER, fill, length - IPV4_HEADER);
	} else {
		fill_ipv6(headers, fill, length - IPV6_HEADER);
		if (has_udp)
			fill_udp(headers + IPV6_HEADER, fill, length - IPV6_HEADER);
	}
	if (hop->encapsulation == VXLAN)
		put_half(headers + ((hop->size - 2) & (MAX_HEADERS - 2)), fill->inner_family == 4 ? ETH_P_IP : ETH_P_IPV6);
	else
		fill_labels(headers, hop, fill);
}

/* Writes the headers into `headers`. */
static __always_inline void fill_headers(__u8 *headers, const struct next_hop *hop, const struct fill *fill)
{
	__builtin_memcpy(__builtin_assume_aligned(headers, 8), hop->headers, MAX_HEADERS);
	complete_headers(headers, hop, fill);
}

/*
 * Makes room for the headers before a packet from an endpoint, such that segmentation offload goes on behind them: labels are an opaque link-layer
 * header between a UDP tunnel and IP, so that no kernel needs to know MPLS.
 */
static __always_inline int make_room(struct __sk_buff *skb, const struct next_hop *hop, __u32 inner_family)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	int result;

	flags |= hop->family == 4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;
	flags |= hop->encapsulation == MPLS_GRE ? BPF_F_ADJ_ROOM_ENCAP_L4_GRE : BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (hop->encapsulation == VXLAN)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L2(ETHERNET) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH;
	else
		flags |= BPF_F_ADJ_ROOM_ENCAP_L2(((__u64)hop->label_count + (hop->encapsulation == MPLS_UDP_JOINT)) * LABEL_ENTRY);
	result = bpf_skb_adjust_room(skb, hop->size, BPF_ADJ_ROOM_MAC, flags);
	/* The endpoint tunnels by itself. One packet needs no offload; a frame that is still to be cut cannot be told of two tunnels. */
	if (result == ALREADY && !skb->gso_size)
		result = reshape(skb, hop->size, inner_family, hop->family);
	return result;
}
