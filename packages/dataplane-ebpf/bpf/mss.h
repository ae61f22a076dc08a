// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The MSS that a SYN announces is lowered to what its way takes (RFC 6691 §3). */
#pragma once

#include "packet.h"

#define TCP_HEADER 20
#define TCP_SYN 0x02
#define MAX_OPTIONS 40
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2
#define NO_OPTION 0

/* Octets from an option at `at` to the next; NO_OPTION when there is none before `end`. Looked at by itself, as in extension.h. */
__noinline __u32 option_size(struct __sk_buff *skb, __u32 at, __u32 end)
{
	__u8 octets[2] ALIGNED = {};

	if (at >= end || bpf_skb_load_bytes(skb, at, octets, 1) < 0 || octets[0] == OPTION_END)
		return NO_OPTION;
	if (octets[0] == OPTION_NOP)
		return 1;
	if (at + 2 > end || bpf_skb_load_bytes(skb, at, octets, 2) < 0 || octets[1] < 2 || at + octets[1] > end)
		return NO_OPTION;
	return octets[1];
}

/* Offset of the value of the MSS option; 0 without one. */
static __always_inline __u32 find_mss(struct __sk_buff *skb, __u32 at, __u32 end)
{
	for (int options = 0; options < MAX_OPTIONS; options++) {
		__u32 size = option_size(skb, at, end);
		__u8 kind = 0;

		if (size == NO_OPTION || bpf_skb_load_bytes(skb, at, &kind, 1) < 0)
			return 0;
		if (kind == OPTION_MSS)
			return size == 4 ? at + 2 : 0;
		at += size;
	}
	return 0;
}

/* Lowers the MSS of a SYN to what fits in packets of `mtu` octets. */
__noinline int clamp_mss(struct __sk_buff *skb, struct packet *packet, __u32 mtu)
{
	__u32 at, end, value, mss, before, headers;
	__u8 octets[4] ALIGNED;

	if (!packet || packet->protocol != PROTOCOL_TCP || packet->is_fragment)
		return 0;
	headers = (packet->family == 4 ? IPV4_HEADER : IPV6_HEADER) + TCP_HEADER;
	at = packet->at + packet->header;
	end = packet->at + packet->length;
	if (mtu <= headers || at + TCP_HEADER > end || bpf_skb_load_bytes(skb, at + 12, octets, 2) < 0 || !(octets[1] & TCP_SYN))
		return 0;
	mss = mtu - headers;
	if (at + (octets[0] >> 4) * 4 > end)
		return 0;
	value = find_mss(skb, at + TCP_HEADER, at + (octets[0] >> 4) * 4);
	if (!value || bpf_skb_load_bytes(skb, value, octets, 2) < 0)
		return 0;
	before = half_at(octets);
	if (before <= mss)
		return 0;
	put_half(octets, mss);
	bpf_skb_store_bytes(skb, value, octets, 2, 0);
	/* At an odd offset the value lies across two of the words that are summed; swapping its octets puts it where it counts (RFC 1071 §2 B). */
	if ((value - at) & 1)
		bpf_l4_csum_replace(skb, at + 16, before, mss, 2);
	else
		bpf_l4_csum_replace(skb, at + 16, bpf_htons(before), bpf_htons(mss), 2);
	return 0;
}
