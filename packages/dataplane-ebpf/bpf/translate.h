// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Step 4, service: sends a new flow to a virtual address on to a backend, and translates what belongs to a flow that was. The tuple in hand then tells the
 * flow as its client and its backend see it, which is what policies judge.
 */
#pragma once

#include "open_flow.h"
#include "translate_error.h"

static __always_inline int is_virtual(__u32 vrf, const struct tuple *tuple)
{
	struct virtual_key key = { .vrf = vrf, .family = tuple->family };

	__builtin_memcpy(key.address, tuple->destination, sizeof(key.address));
	return bpf_map_lookup_elem(&virtual_addresses, &key) != 0;
}

/* Takes the service that the packet in hand is for in hand; 0 when it is for none. */
static __always_inline int find_service(struct work *work, __u32 vrf)
{
	struct service_key key = {
		.vrf = vrf,
		.family = work->tuple.family,
		.protocol = work->tuple.protocol,
		.port = work->tuple.destination_port,
	};
	struct service *service;

	__builtin_memcpy(key.address, work->tuple.destination, sizeof(key.address));
	service = service_of(&key);
	if (!service)
		return 0;
	__builtin_memcpy(&work->service, service, sizeof(*service));
	return 1;
}

/* A part of a datagram other than the first: it has addresses alone, and follows the part that had the ports. */
static __always_inline int translate_part(struct __sk_buff *skb, struct work *work, __u32 vrf)
{
	struct nat_fragment *fragment = find_nat_datagram(work, vrf, &work->tuple);
	int result;

	if (!fragment)
		return is_virtual(vrf, &work->tuple) ? REASON_FRAGMENT : GOES_ON;
	result = enter_inside(fragment->state, fragment->service);
	if (result != GOES_ON)
		return result;
	rewrite_part(skb, work, &work->tuple, fragment);
	if (fragment->state & NAT_OPENS) {
		__builtin_memcpy(work->tuple.destination, work->ends.destination, sizeof(work->tuple.destination));
		return GOES_ON;
	}
	if (!is_pools(fragment->service))
		__builtin_memcpy(work->tuple.destination, fragment->client, sizeof(work->tuple.destination));
	return GOES_ON;
}

/* What policies judge is the flow between the client, whatever source NAT made of it, and the backend. */
static __always_inline void show_flow(struct work *work, const struct nat_flow *flow)
{
	struct tuple *tuple = &work->tuple;

	if (flow->state & NAT_OPENS) {
		__builtin_memcpy(tuple->destination, work->ends.destination, sizeof(tuple->destination));
		tuple->destination_port = work->ends.destination_port;
		return;
	}
	if (is_pools(flow->service))
		return;
	__builtin_memcpy(tuple->destination, flow->client, sizeof(tuple->destination));
	tuple->destination_port = flow->client_port;
}

/* Whether the packet is a reply that leaves its destination as it is. */
static __always_inline int is_plain_reply(const struct tuple *tuple, const struct nat_flow *flow)
{
	return !(flow->state & NAT_OPENS) && is_same_address(flow->destination, tuple->destination) &&
	       (flow->ports & 0xffff) == tuple->destination_port;
}

/*
 * Translates the packet in hand. GOES_ON or a drop reason.
 *
 * `vrf`: whose addresses it has. `replies_only`: its way has been found, only what leaves its destination as it is may be done
 */
__noinline int translate(struct __sk_buff *skb, __u32 vrf, int replies_only)
{
	struct work *work = current_work();
	struct nat_flow *flow;
	struct tuple *tuple;
	int result;

	if (!work)
		return GOES_ON;
	tuple = &work->tuple;
	read_tuple(skb, tuple, work->packet.at, work->packet.at + work->packet.length);
	work->has_tuple = 1;
	/* What an error quotes is what the packet says now, as the flow was seen here. */
	if (replies_only)
		work->has_quoted = 0;
	if (replies_only && tuple->kind != TUPLE_FLOW)
		return GOES_ON;
	if (tuple->kind == TUPLE_LATER)
		return translate_part(skb, work, vrf);
	if (tuple->kind == TUPLE_ERROR)
		return translate_error(skb, vrf);
	if (tuple->kind != TUPLE_FLOW)
		return tuple->kind == TUPLE_BROKEN && is_virtual(vrf, tuple) ? REASON_FRAGMENT : GOES_ON;
	write_key(&work->key, vrf, tuple, 1);
	flow = find_nat(&work->key);
	if (replies_only && (!flow || !is_plain_reply(tuple, flow)))
		return GOES_ON;
	if (!flow) {
		if (!find_service(work, vrf))
			return GOES_ON;
		forget_if_over(&work->key);
		result = open_flow(vrf);
		flow = find_nat(&work->key);
		if (result != GOES_ON || !flow)
			return result != GOES_ON ? result : REASON_NAT_EXHAUSTED;
	}
	result = enter_inside(flow->state, flow->service);
	if (result != GOES_ON)
		return result;
	follow_flow(skb, flow, tuple, vrf);
	show_flow(work, flow);
	return GOES_ON;
}

/* `translate`, where there are services, once for each VRF that a packet comes through. */
static __always_inline int serve(struct __sk_buff *skb, struct work *work, __u32 vrf)
{
	if (vrf == NONE || work->nat_vrf == vrf || !is_translating())
		return GOES_ON;
	work->nat_vrf = vrf;
	return translate(skb, vrf, 0);
}

/* Notes what services made of the packet in hand: the ends that it has now, if they are others. */
static __always_inline void note_service(const struct work *work, int result)
{
	__u32 ends = work->ends.source_port << 16 | work->ends.destination_port;

	if (!work->is_traced)
		return;
	note_step(NOTE_SERVICE, result, work->is_translated, ends);
	if (result == GOES_ON && work->is_translated)
		note_step(NOTE_SOURCE, result, work->is_translated, ends);
}

/* A reply that is delivered in another VRF than it came from: the client's VRF is where its flow was translated. */
static __always_inline void serve_reply(struct __sk_buff *skb, struct work *work, __u32 vrf)
{
	if (vrf != NONE && work->nat_vrf != vrf && is_translating())
		translate(skb, vrf, 1);
}
