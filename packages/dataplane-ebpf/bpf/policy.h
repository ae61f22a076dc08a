// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Step 5, policy: passes what belongs to a flow that was allowed, judges the first packet of any other, and remembers a flow that is allowed. */
#pragma once

#include "copy.h"
#include "flow_table.h"
#include "rules.h"

static __always_inline void forget(const struct flow_key *key)
{
	__u32 zone = key->zone;
	struct flow_count *count = bpf_map_lookup_elem(&flow_counts, &zone);

	if (map_delete(&flows, key) == 0 && count)
		__sync_fetch_and_add(&count->count, -1);
}

/* The flow as its first packet told it. */
static __always_inline void read_opener(struct tuple *opener, const struct flow_key *key, const struct flow *flow)
{
	int is_lower = (flow->state & FLOW_BY_LOWER) != 0;

	opener->kind = flow->kind;
	opener->family = key->family;
	opener->protocol = key->protocol;
	opener->icmp_type = flow->icmp_type;
	opener->icmp_code = flow->icmp_code;
#pragma unroll
	for (int word = 0; word < 4; word++) {
		opener->source[word] = is_lower ? key->low[word] : key->high[word];
		opener->destination[word] = is_lower ? key->high[word] : key->low[word];
	}
	opener->source_port = is_lower ? key->ports >> 16 : key->ports & 0xffff;
	opener->destination_port = is_lower ? key->ports & 0xffff : key->ports >> 16;
}

/*
 * The flow of the key that was allowed and still is: one that was judged by an earlier policy is judged by today's, as its first packet would be. Its mirror
 * is that of the packet in hand then.
 */
__noinline int is_allowed_flow(struct port *port)
{
	struct work *work = current_work();
	struct flow *flow = work ? bpf_map_lookup_elem(&flows, &work->key) : 0;
	int is_out;

	if (!port || !flow || !work)
		return 0;
	/* Of policies that the port does not have any more: it is in no count. */
	if (flow->version < port->policy_since) {
		map_delete(&flows, &work->key);
		return 0;
	}
	if (!is_over(flow->seen, flow->lifetime)) {
		work->mirror = flow->mirror;
		if (flow->version == port->policy_version)
			return 1;
		is_out = (flow->state & FLOW_OUT) != 0;
		read_opener(&work->opener, &work->key, flow);
		if (allows(&port->policies[is_out ? DIRECTION_EGRESS : DIRECTION_INGRESS], &work->opener, is_out)) {
			flow->mirror = work->mirror;
			flow->version = port->policy_version;
			return 1;
		}
	}
	forget(&work->key);
	return 0;
}

/*
 * Whether the port has as many flows as it may. A pass that counts them does not see those that are opened behind it: as these end, the count goes below zero.
 * Once the process is gone nobody takes away what has ended: then there is no limit, or a port would open no flow any more.
 */
static __always_inline int has_all_flows(const struct port *port, const struct flow_count *count)
{
	__u32 counted = count->recount;

	if ((__s64)(__s32)count->count < (__s64)port->max_flows)
		return 0;
	return !(counted & COUNTED) || ((count_time() - counted) & ~COUNTED) <= COUNT_LIFETIME;
}

/* Remembers a flow that was just allowed; a drop reason when the port has as many as it may. */
static __always_inline int remember(const struct port *port, __u32 port_id, struct work *work, int is_lower, int is_out)
{
	struct flow_count *count = port->max_flows == NONE ? 0 : bpf_map_lookup_elem(&flow_counts, &port_id);
	const struct tuple *tuple = &work->tuple;
	struct flow flow = {
		.version = port->policy_version,
		.kind = tuple->kind,
		.icmp_type = tuple->icmp_type,
		.icmp_code = tuple->icmp_code,
		.mirror = work->mirror,
		.state = (is_lower ? FLOW_BY_LOWER : 0) | (is_out ? FLOW_OUT : 0),
	};

	if (count && has_all_flows(port, count))
		return REASON_FLOW_LIMIT;
	flow.state = next_state(flow.state, tuple, 0);
	flow.seen = milliseconds();
	flow.lifetime = lifetime_of(flow.state, tuple->protocol);
	if (map_update(&flows, &work->key, &flow, BPF_NOEXIST) == 0 && count)
		__sync_fetch_and_add(&count->count, 1);
	return GOES_ON;
}

static __always_inline void age(const struct flow_key *key, const struct tuple *tuple, int is_lower)
{
	struct flow *flow = bpf_map_lookup_elem(&flows, key);
	__u32 state;

	if (!flow)
		return;
	state = flow->state;
	state = bring_state(&flow->state, state, next_state(state, tuple, is_lower != ((state & FLOW_BY_LOWER) != 0)));
	flow->lifetime = lifetime_of(state, tuple->protocol);
	flow->seen = milliseconds();
}

/* Whether the packet that an error quotes belongs to a flow that was allowed. */
static __always_inline int is_related(struct __sk_buff *skb, struct work *work, struct port *port, __u32 port_id)
{
	if (!work->has_quoted && !read_quoted(skb, work, work->packet.at + work->packet.length))
		return 0;
	write_key(&work->key, port_id, &work->quoted, is_from_lower(&work->quoted));
	return is_allowed_flow(port);
}

/* Fragments follow the first one of their datagram. */
static __always_inline int follow(const struct port *port, struct work *work, __u32 zone)
{
	struct fragmented *found;

	work->mirror = 0;
	write_datagram_key(&work->key, zone, &work->tuple);
	found = bpf_map_lookup_elem(&fragments, &work->key);
	if (!found || found->since != port->policy_since || is_over(found->seen, FRAGMENT_LIFETIME))
		return REASON_FRAGMENT;
	work->mirror = found->mirror;
	return GOES_ON;
}

static __always_inline void remember_datagram(const struct port *port, struct work *work, __u32 zone)
{
	struct fragmented fragmented = { .seen = milliseconds(), .since = port->policy_since, .mirror = work->mirror };

	write_datagram_key(&work->key, zone, &work->tuple);
	map_update(&fragments, &work->key, &fragmented, BPF_ANY);
}

/* What the port's policies say of the packet in hand, whose tuple was read; the mirror that is to get a copy is in `work` then. */
static __always_inline int judge(struct __sk_buff *skb, struct work *work, struct port *port, __u32 port_id, int is_out)
{
	struct tuple *tuple = &work->tuple;
	int is_lower, is_tracked, result;

	work->judge = JUDGED_FOLLOWS;
	if (tuple->kind == TUPLE_LATER)
		return follow(port, work, port_id << 1 | is_out);
	work->judge = JUDGED_RELATED;
	if (tuple->kind == TUPLE_ERROR && is_related(skb, work, port, port_id))
		return GOES_ON;
	/* Errors, and ICMP that is no echo, have no flow of their own: they are judged one by one. */
	is_tracked = tuple->kind == TUPLE_FLOW || tuple->icmp_type == NONE;
	is_lower = is_from_lower(tuple);
	write_key(&work->key, port_id, tuple, is_lower);
	if (is_tracked && is_allowed_flow(port)) {
		work->judge = JUDGED_BEFORE;
		age(&work->key, tuple, is_lower);
	} else {
		if (!allows(&port->policies[is_out ? DIRECTION_EGRESS : DIRECTION_INGRESS], tuple, is_out))
			return REASON_POLICY;
		result = is_tracked ? remember(port, port_id, work, is_lower, is_out) : GOES_ON;
		if (result != GOES_ON)
			return result;
	}
	if (tuple->is_fragment)
		remember_datagram(port, work, port_id << 1 | is_out);
	return GOES_ON;
}

/* Judges the packet in hand at a port that has policies. `is_out`: it leaves the endpoint */
__noinline int pass_policy(struct __sk_buff *skb, __u32 port_id, int is_out)
{
	struct port *port = port_of(&port_id);
	struct work *work = current_work();
	int result;

	if (!port || !work)
		return REASON_POLICY;
	need_tuple(skb, work);
	work->mirror = 0;
	work->judge = JUDGED_BROKEN;
	result = work->tuple.kind == TUPLE_BROKEN ? REASON_FRAGMENT : judge(skb, work, port, port_id, is_out);
	note(work, NOTE_POLICY, result, port_id << 1 | is_out, work->judge);
	if (work->mirror)
		copy_judged(skb, port_id, is_out ? 0 : 1);
	return result;
}
