// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The inner packet on its way: where it lies in the frame, and the fields that the steps need. */
#pragma once

#include "kernel.h"
#include "maps.h"

/* What a step returns for a packet that may go on; everything else is a drop reason, or a verdict that is final. */
#define GOES_ON (-1)

struct packet {
	/* Offset of the IP header in the frame. */
	__u32 at;
	/* Octets of the IP packet, as its header says. */
	__u32 length;
	/* Octets of the largest IP packet after segmentation offload has cut this one. */
	__u32 segment;
	__u32 family;
	__u32 header;
	__u32 protocol;
	/* As it counts, and as it stands in the header. */
	__u32 ttl;
	__u32 ttl_written;
	__u32 traffic_class;
	__u32 is_fragment;
	__u32 source[4];
	__u32 destination[4];
	/* Largest packet that would have passed, for mtu-exceeded. */
	__u32 mtu;
};

__noinline int count_drop(enum drop_reason reason)
{
	__u32 slot = reason;
	__u64 *count = bpf_map_lookup_elem(&drops, &slot);

	if (count)
		(*count)++;
	return 0;
}

/* Whether a router may forward to the address, or take a packet from it (RFC 1812 §5.3.7, RFC 4291 §2.5–2.7). */
static __always_inline int is_forwardable(__u32 family, const __u32 *words)
{
	__u32 first = words[0] >> 24;

	if (family == 4)
		return first != 0 && first != 127 && first < 224 && words[0] >> 16 != 0xa9fe;
	if (first == 0xff || words[0] >> 22 == 0x3fa)
		return 0;
	return words[0] != 0 || words[1] != 0 || words[2] != 0 || words[3] > 1;
}

/* Cuts off what follows the packet. */
static __always_inline int trim(struct __sk_buff *skb, __u32 end)
{
	if (skb->len <= end || skb->gso_size)
		return 0;
	return bpf_skb_change_tail(skb, end, 0);
}

/* Writes the TTL into the header of the packet. */
static __always_inline void write_ttl(struct __sk_buff *skb, const struct packet *packet, __u32 ttl)
{
	__u8 octet = ttl;

	if (packet->family == 4) {
		bpf_l3_csum_replace(skb, packet->at + 10, bpf_htons(packet->ttl_written << 8), bpf_htons(ttl << 8), 2);
		bpf_skb_store_bytes(skb, packet->at + 8, &octet, 1, 0);
	} else {
		bpf_skb_store_bytes(skb, packet->at + 7, &octet, 1, BPF_F_RECOMPUTE_CSUM);
	}
}
