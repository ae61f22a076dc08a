// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The way of a packet from the underlay, on the uplink:
 *
 *   1. parse outer  IP, UDP or GRE; what is no tunnel to this router is the host's       outer.h
 *   2. label        the incoming label map or the VNIs, and the tunnel sources           label.h
 *   3. flow         nothing is remembered of a flow
 *   4. service      no address is translated
 *   5. policy       nothing is filtered
 *   6. deliver      to a port, by the label or by a lookup; or on to the next router     deliver.h, nexthop.h
 */
#include "label.h"

SEC("classifier")
int ingress(struct __sk_buff *skb)
{
	struct outer outer = {};
	int result;

	result = parse_outer(skb, &outer);
	if (result == NOT_OURS)
		return VERDICT_NEXT;
	if (result == GOES_ON)
		result = outer.encapsulation == VXLAN ? from_vxlan(skb, &outer) : from_labels(skb, &outer);
	if (result == SENT)
		return TC_ACT_REDIRECT;
	if (result < 0 || result >= MAX_REASONS)
		result = REASON_NO_NEXT_HOP;
	count_drop(result);
	return VERDICT_DROP;
}
