// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A packet that a lookup takes from one VRF into another one gets the address of the pool between them, and a port. */
#pragma once

#include "open_flow.h"
#include "translate_error.h"

/* The search of a port of a pool. */
struct pool_search {
	__u32 zone;
	__u32 outside;
	__u32 first;
	__u32 size;
	__u32 start;
	enum claim result;
};

static long try_pool_port(struct bpf_map *map, __u32 *turn, __u32 *value, struct pool_search *search)
{
	struct work *work = current_work();
	__u32 attempt = *turn, candidate;

	/* SCTP keeps its port, and no port is tried twice but the flow's own. */
	if (!work || attempt >= TRIES || attempt > (work->hidden.protocol == PROTOCOL_SCTP ? 0 : search->size))
		return 1;
	/* The flow's own port first, where it lies in the range. */
	candidate = attempt ? search->first + ((__u64)search->start + attempt) % search->size : work->hidden.source_port;
	if (candidate - search->first >= search->size)
		return 0;
	work->ends.source_port = candidate;
	/* Both sides of an echo have its identifier. */
	if (work->hidden.icmp_type != NONE)
		work->ends.destination_port = candidate;
	write_nat(work, &work->hidden, search->zone, search->outside);
	search->result = claim();
	return search->result != TAKEN;
}

/* Finds a port of the pool that no other flow to the same end has; 0 when there is none. */
static __always_inline int choose_port(struct work *work, const struct nat_pool *pool, __u32 zone)
{
	struct tuple *hidden = &work->hidden;
	__u32 size = pool->last - pool->first + 1;
	struct pool_search search = {
		.zone = zone,
		.outside = pool->outside,
		.first = pool->first,
		.size = size,
		.start = scattered(hidden, hidden->source_port),
		.result = TAKEN,
	};

	copy_ends(&work->ends, hidden);
	__builtin_memcpy(work->ends.source, pool->address, sizeof(work->ends.source));
	bpf_for_each_map_elem(&turns, try_pool_port, &search, 0);
	return search.result != TAKEN;
}

static __always_inline int hide_part(struct __sk_buff *skb, struct work *work, __u32 zone)
{
	struct nat_fragment *fragment = find_nat_datagram(work, zone, &work->hidden);

	if (!fragment)
		return REASON_FRAGMENT;
	rewrite_part(skb, work, &work->hidden, fragment);
	return GOES_ON;
}

/* What `hide` says of an ICMP error: its caller goes on by `hide_error`, which needs the stack that `hide` has. */
#define HIDES_ERROR (-7)

/* An error about a packet that came through the pool of the zone in `work->key`, from whoever inside. What is about nothing known would show an address that is hidden. */
static __always_inline int hide_error(struct __sk_buff *skb, struct work *work)
{
	struct packet *packet = &work->packet;
	int result;

	read_tuple(skb, &work->tuple, packet->at, packet->at + packet->length);
	work->has_quoted = 0;
	result = translate_error(skb, work->key.zone);
	return result != GOES_ON || work->has_quoted ? result : REASON_NAT_EXHAUSTED;
}

/* Hides the packet in hand, which a lookup takes from `vrf` to `outside`, where a pool stands between them. GOES_ON, HIDES_ERROR or a drop reason. */
__noinline int hide(struct __sk_buff *skb, __u32 vrf, __u32 outside)
{
	struct work *work = current_work();
	struct pool_key between = { .vrf = vrf, .outside = outside };
	struct tuple *hidden;
	struct nat_pool *pool;
	struct nat_flow *flow;
	__u32 *found, id, zone;

	if (!work)
		return REASON_NAT_EXHAUSTED;
	between.family = work->packet.family;
	found = bpf_map_lookup_elem(&pools_between, &between);
	if (!found)
		return GOES_ON;
	id = *(volatile __u32 *)found;
	pool = nat_pool_of(&id);
	/* What was found may be the number of a pool that stands elsewhere by now. */
	if (!pool || pool->vrf != vrf || pool->outside != outside || pool->family != between.family)
		return REASON_NAT_EXHAUSTED;
	zone = POOL_ZONE | id;
	hidden = &work->hidden;
	read_tuple(skb, hidden, work->packet.at, work->packet.at + work->packet.length);
	if (hidden->kind == TUPLE_ERROR) {
		work->key.zone = zone;
		return HIDES_ERROR;
	}
	if (hidden->kind == TUPLE_LATER)
		return hide_part(skb, work, zone);
	if (hidden->kind != TUPLE_FLOW)
		return REASON_NAT_EXHAUSTED;
	write_key(&work->key, zone, hidden, 1);
	flow = find_nat(&work->key);
	if (!flow) {
		forget_if_over(&work->key);
		if (!choose_port(work, pool, zone))
			return REASON_NAT_EXHAUSTED;
		flow = find_nat(&work->key);
		if (!flow)
			return REASON_NAT_EXHAUSTED;
	}
	follow_flow(skb, flow, hidden, zone);
	return GOES_ON;
}
