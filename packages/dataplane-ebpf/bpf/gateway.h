// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The router of the underlay that packets of a flow go to first, so that the kernel looks no route up for each: asked of its routes, and believed for a few
 * milliseconds. Who has that address on the link is looked up, and asked for, by the kernel for every packet as ever.
 */
#pragma once

#include "neighbour.h"

/* Ticks of the kernel, which has 100 to 1,000 a second. */
#define BELIEVED_TICKS 3

struct gateway {
	/* Ticks of the kernel. */
	__u64 believed_until;
	/* Its family is 0 while the kernel's routes do not tell: they are looked up for each packet then. */
	struct bpf_redir_neigh next;
	/* That was asked for, since rules of the host may go by it; without ECN. */
	__u32 traffic_class;
};

/* Traffic class and flow label in the first word of IPv6. */
#define FLOW_INFORMATION 0x0fffffff

__noinline int ask_gateway(struct __sk_buff *skb, struct gateway *gateway, const struct next_hop *hop)
{
	struct bpf_fib_lookup question = {};
	struct config *config = configuration();

	if (!gateway || !hop || !config)
		return 0;
	gateway->next.nh_family = 0;
	/* As the headers say, by which the kernel would look up the packet. */
	if (hop->family == 4)
		question.tos = hop->headers[1];
	else
		question.flowinfo = *(const word *)hop->headers & bpf_htonl(FLOW_INFORMATION);
	if (!ask_routes(skb, config->uplink, hop, &question))
		return 0;
	/* The kernel wrote the gateway in the place of the destination, and its family, which may be another one. */
	__builtin_memcpy(gateway->next.ipv6_nh, question.ipv6_dst, sizeof(question.ipv6_dst));
	gateway->next.nh_family = question.family;
	return 0;
}

/* Redirects a packet that has its headers to the neighbour that routes and neighbours of the kernel name. */
static __always_inline int redirect_by(struct __sk_buff *skb, __u32 uplink, struct gateway *gateway, const struct next_hop *hop,
					__u32 outer_class)
{
	__u64 now = bpf_jiffies64();
	__u32 traffic_class = outer_class & DSCP;

	if (now >= gateway->believed_until || gateway->traffic_class != traffic_class) {
		gateway->believed_until = now + BELIEVED_TICKS;
		gateway->traffic_class = traffic_class;
		ask_gateway(skb, gateway, hop);
	}
	/* What rules of the host say of a mark, older kernels cannot be asked. */
	if (!gateway->next.nh_family || skb->mark)
		return bpf_redirect_neigh(uplink, 0, 0, 0);
	return bpf_redirect_neigh(uplink, &gateway->next, sizeof(gateway->next), 0);
}
