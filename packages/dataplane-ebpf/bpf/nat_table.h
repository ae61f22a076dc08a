// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The flows whose ends are translated: two entries each, one a direction, that are made together and told of each other. */
#pragma once

#include "flow_table.h"

/* Bit of an entry's state above those of its age: it is of the direction in which the flow was opened. */
#define NAT_OPENS 4
#define NAT_AGE (FLOW_REPLIED | FLOW_CLOSING)
/* How long a direction may go on before the other one is told, milliseconds: little beside any lifetime. */
#define TELL_INTERVAL 1000
/* How long the first direction of a flow may be alone, milliseconds: a CPU that makes both may stand still between them, as those of virtual machines do. */
#define CLAIM_TIME (TELL_INTERVAL * 4)

/* What comes of making a flow. */
enum claim { CLAIMED, TAKEN, RACED };

static __always_inline __u32 swapped(__u32 ports)
{
	return ports << 16 | ports >> 16;
}

static __always_inline struct nat_flow *find_nat(const struct flow_key *key)
{
	struct nat_flow *flow = bpf_map_lookup_elem(&nat_flows, key);

	return flow && !is_over(flow->seen, flow->lifetime) ? flow : 0;
}

/* The key of the other direction of a flow. */
static __always_inline void write_peer_key(struct flow_key *peer, const struct flow_key *key, const struct nat_flow *flow)
{
	peer->zone = flow->peer_zone;
	peer->protocol = key->protocol;
	peer->family = key->family;
	__builtin_memcpy(peer->low, flow->destination, sizeof(peer->low));
	__builtin_memcpy(peer->high, flow->source, sizeof(peer->high));
	peer->ports = swapped(flow->ports);
}

/* The other direction of the flow in hand. */
__noinline int write_peer(void)
{
	struct work *work = current_work();
	struct nat_flow *peer;

	if (!work)
		return 0;
	peer = &work->peer;

	write_peer_key(&work->peer_key, &work->key, &work->nat);
	__builtin_memcpy(peer, &work->nat, sizeof(*peer));
	peer->state ^= NAT_OPENS;
	__builtin_memcpy(peer->source, work->key.high, sizeof(peer->source));
	__builtin_memcpy(peer->destination, work->key.low, sizeof(peer->destination));
	peer->ports = swapped(work->key.ports);
	peer->peer_zone = work->key.zone;
	return 0;
}

/* Describes the flow in hand, from the ends of `from`, which its first packet came with, to those of `target`. */
static __always_inline void write_nat(struct work *work, const struct tuple *from, __u32 service, __u32 back_zone)
{
	struct nat_flow *nat = &work->nat;

	nat->seen = nat->told = milliseconds();
	nat->state = NAT_OPENS;
	nat->lifetime = lifetime_of(0, from->protocol);
	__builtin_memcpy(nat->source, work->ends.source, sizeof(nat->source));
	__builtin_memcpy(nat->destination, work->ends.destination, sizeof(nat->destination));
	nat->ports = work->ends.source_port << 16 | work->ends.destination_port;
	nat->service = service;
	nat->peer_zone = back_zone;
	__builtin_memcpy(nat->client, from->source, sizeof(nat->client));
	nat->client_port = from->source_port;
}

static __always_inline void forget_if_over(const struct flow_key *key)
{
	struct nat_flow *flow = bpf_map_lookup_elem(&nat_flows, key);

	if (flow && is_over(flow->seen, flow->lifetime))
		map_delete(&nat_flows, key);
}

/* What was decided about packets with these ends is forgotten. */
static __always_inline void disavow(__u32 ports, const __u32 *source, const __u32 *destination)
{
	struct config *config = configuration();
	__u32 place = config ? flow_place(config, ports, source, destination) : NONE, *count = bpf_map_lookup_elem(&openings, &place);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* As `disavow`, of packets that come as the one in hand did: its flow gets other ends, or none. */
__noinline int disavow_arrived(void)
{
	struct work *work = current_work();
	struct tuple *before;

	if (!work)
		return 0;
	before = &work->before;
	if (work->is_translated)
		disavow(before->source_port << 16 | before->destination_port, before->source, before->destination);
	else
		disavow(work->key.ports, work->key.low, work->key.high);
	return 0;
}

/*
 * Remembers the flow in hand under its key, and its other direction, unless that is another flow's: replies are claimed first, so that of two CPUs that
 * want the same ends one gets them.
 */
__noinline int claim(void)
{
	struct work *work = current_work();

	if (!work)
		return TAKEN;
	write_peer();
	forget_if_over(&work->peer_key);
	if (map_update(&nat_flows, &work->peer_key, &work->peer, BPF_NOEXIST) < 0)
		return TAKEN;
	if (map_update(&nat_flows, &work->key, &work->nat, BPF_NOEXIST) == 0) {
		disavow(work->peer_key.ports, work->peer_key.low, work->peer_key.high);
		disavow_arrived();
		return CLAIMED;
	}
	map_delete(&nat_flows, &work->peer_key);
	return RACED;
}

/*
 * Tells the other direction of the flow in hand; one that a full table forgot is made anew. 0 when its ends are another flow's by now.
 *
 * `begins`: a connection that has ended is opened anew
 */
static __always_inline int tell_peer(struct work *work, int begins)
{
	struct nat_flow *peer;
	__u32 state;

	write_peer();
	peer = bpf_map_lookup_elem(&nat_flows, &work->peer_key);
	if (!peer)
		return map_update(&nat_flows, &work->peer_key, &work->peer, BPF_NOEXIST) == 0;
	if (peer->ports != work->peer.ports || peer->peer_zone != work->peer.peer_zone || !is_same_address(peer->destination, work->peer.destination) ||
	    !is_same_address(peer->source, work->peer.source))
		return 0;
	state = bring_state(&peer->state, begins ? NAT_AGE : 0, work->peer.state);
	peer->lifetime = lifetime_of(state & NAT_AGE, work->key.protocol);
	peer->seen = work->peer.seen;
	return 1;
}

/* A packet of the flow under the key in hand was seen. */
static __always_inline void touch_nat(struct work *work, struct nat_flow *flow, const struct tuple *tuple)
{
	__u32 before = flow->state, state = next_state(before, tuple, !(before & NAT_OPENS));
	int has_news = state != before, begins = (before & ~state) != 0;
	__u64 now = milliseconds();

	state = bring_state(&flow->state, before, state);
	flow->lifetime = lifetime_of(state & NAT_AGE, tuple->protocol);
	flow->seen = now;
	if (!has_news && now - flow->told < TELL_INTERVAL)
		return;
	flow->told = now;
	__builtin_memcpy(&work->nat, flow, sizeof(work->nat));
	if (!tell_peer(work, begins)) {
		map_delete(&nat_flows, &work->key);
		disavow_arrived();
	}
}
