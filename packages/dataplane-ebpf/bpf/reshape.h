// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Room before the network header of a frame. */
#pragma once

#include "packet.h"

static __always_inline int make_more(struct __sk_buff *skb, __s32 room)
{
	return room ? bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) : 0;
}

/*
 * Makes `room` octets more, or less, before the network header, and turns the frame from one family into another. The kernel does so by putting 20 octets
 * before the header, or by taking the first 20 away: only octets that are to be written anew may stand there.
 */
__noinline int reshape(struct __sk_buff *skb, __s32 room, __u32 from, __u32 to)
{
	const __s32 more = IPV6_HEADER - IPV4_HEADER;

	if (from == to)
		return make_more(skb, room);
	if (to == 6)
		return bpf_skb_change_proto(skb, bpf_htons(ETH_P_IPV6), 0) < 0 ? -1 : make_more(skb, room - more);
	return make_more(skb, room + more) < 0 ? -1 : bpf_skb_change_proto(skb, bpf_htons(ETH_P_IP), 0);
}
