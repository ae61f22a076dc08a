// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How whoever sent a dropped packet is told. */
#pragma once

#include "icmp_error.h"
#include "nexthop.h"

/* The sender is behind the port that the packet came from. */
static __always_inline int tell_sender(struct __sk_buff *skb, __u32 port_id, struct work *work, int is_too_big)
{
	untranslate(skb, work);
	if (!become_error(skb, &work->packet, 0, is_too_big))
		return 0;
	return hand_over(skb, port_id, work->packet.length) == SENT;
}

/*
 * The packet came through a tunnel: the error is a packet of its VRF, and finds its way as any other. About what came back to a pool that is the VRF that it
 * came from, whose routers know no address inside but the pool's: this router speaks from that.
 */
static __always_inline int tell_through_vrf(struct __sk_buff *skb, struct work *work, int is_too_big)
{
	if (work->inside_vrf != NONE) {
		work->packet.vrf = work->nat_vrf;
		work->packet.port = NONE;
	}
	untranslate(skb, work);
	if (!become_error(skb, &work->packet, work->outer.family, is_too_big))
		return 0;
	work->has_tuple = work->has_quoted = 0;
	work->inside_vrf = work->nat_vrf = NONE;
	return carry_out(skb, work, forward(skb, work, work->packet.vrf), 0) == SENT;
}
