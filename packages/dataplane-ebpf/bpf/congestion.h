// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the ECN field of an outer header says to the one inside, and the other way round (RFC 6040). */
#pragma once

#include "packet.h"

#define NOT_ECT 0
#define ECT_1 1
#define ECT_0 2
#define CE 3

/* ECN field of the header that is put before a packet with the field `inner` (§4.1). */
static __always_inline __u32 pushed_ecn(const struct next_hop *hop, __u32 inner)
{
	return hop->normal_ecn ? inner & CE : NOT_ECT;
}

/* Passes the ECN field of the outer header on to the packet (§4.2). A mark that its sender does not understand is a loss. */
static __always_inline int pass_congestion(struct __sk_buff *skb, struct packet *packet, __u32 outer_class)
{
	__u32 outer = outer_class & CE, inner = packet->traffic_class & CE;

	if (outer == CE && inner == NOT_ECT)
		return REASON_CONGESTION;
	if (outer == CE || (outer == ECT_1 && inner == ECT_0))
		inner = outer;
	write_traffic_class(skb, packet, (packet->traffic_class & ~CE) | inner);
	return GOES_ON;
}
