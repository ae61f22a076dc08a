// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Steps 6 to 9 for both directions: the route, a member of its group by the flow's hash, and what that asks for. */
#pragma once

#include "congestion.h"
#include "cut.h"
#include "flow.h"
#include "group.h"
#include "hide.h"
#include "lookup.h"
#include "parse.h"
#include "path_mtu.h"
#include "policy.h"
#include "rate.h"
#include "send.h"
#include "translate.h"

/* Lookups in a row after which a packet is taken for looping. */
#define MAX_LOOKUPS 8

__noinline int tunnel(struct __sk_buff *skb, struct packet *packet, __u32 next_hop, __u32 hash, __u32 outer)
{
	struct next_hop *hop = next_hop_of(&next_hop);
	struct config *config = configuration();
	struct fill fill = {};
	__u32 mtu;

	if (!hop || !packet)
		return REASON_NO_NEXT_HOP;
	if (!config || !(config->encapsulations >> hop->encapsulation & 1))
		return REASON_ENCAPSULATION_UNSUPPORTED;
	if (!hop->label_count && hop->encapsulation != VXLAN)
		return REASON_LABEL_STACK;
	if (packet->ttl <= 1)
		return REASON_TTL_EXPIRED;
	mtu = room_of(config, hop, packet->family, 0);
	/* Where Linux says the length of a super-frame in an extension header, it takes that out from behind the tunnel's headers, and spoils the frame. */
	if (packet->segment + hop->size > mtu || (packet->length > MOST_SAID && packet->protocol == HOP_BY_HOP)) {
		packet->mtu = mtu - hop->size;
		return REASON_MTU_EXCEEDED;
	}
	write_ttl(skb, packet, packet->ttl - 1);
	mtu -= hop->size;
	if (packet->clamp != NONE)
		clamp_mss(skb, packet, packet->clamp < mtu ? packet->clamp : mtu);
	fill_from_packet(&fill, hop, packet->ttl, packet->traffic_class, hash, packet->family, packet->length);
	return send(skb, hop, packet->at, outer, &fill);
}

/* Hides the packet where a pool stands between two VRFs. */
static __always_inline int hide_between(struct __sk_buff *skb, struct work *work, __u32 vrf_id, __u32 outside)
{
	int result;

	/* Read where a pool stands there. */
	work->hidden.family = 0;
	result = hide(skb, vrf_id, outside);
	if (result == HIDES_ERROR)
		result = hide_error(skb, work);
	if (result != GOES_ON || work->hidden.family)
		note(work, NOTE_POOL, result, vrf_id, outside);
	return result;
}

/* Finds the way of the packet in a VRF. */
__noinline int forward(struct __sk_buff *skb, struct work *work, __u32 vrf_id)
{
	struct packet *packet;

	if (!work)
		return REASON_NO_ROUTE;
	packet = &work->packet;
	if (!is_forwardable(packet->family, packet->destination)) {
		note(work, NOTE_LOOKUP, REASON_DESTINATION_INVALID, vrf_id, NONE);
		return REASON_DESTINATION_INVALID;
	}
	if (work->inside_vrf != NONE)
		vrf_id = work->inside_vrf;
	packet->vrf = vrf_id;
	work->hash = packet_hash(skb, packet);
	/* As wide as a slot of the stack: of a narrower one that was put there, the verifier forgets what it counts. */
	for (__u64 lookups = 0; lookups < MAX_LOOKUPS; lookups++) {
		struct vrf *vrf = vrf_of(&vrf_id);
		struct next_hop *hop;
		__u32 group, next_hop, target;
		int hidden;

		if (!vrf)
			group = NO_MATCH;
		else if (packet->family == 4)
			group = lookup4(vrf->root4, packet->destination[0]);
		else
			group = lookup6(vrf->root6, (__u64)packet->destination[0] << 32 | packet->destination[1],
					(__u64)packet->destination[2] << 32 | packet->destination[3]);
		note(work, NOTE_LOOKUP, group == NO_MATCH ? REASON_NO_ROUTE : GOES_ON, vrf_id, group);
		if (group == NO_MATCH)
			return REASON_NO_ROUTE;
		COUNT(vrf_counters, vrf_id, packet->length);
		next_hop = choose(configuration(), group, group_of(&group), work->hash);
		hop = next_hop_of(&next_hop);
		if (work->is_traced)
			note_next_hop(group, next_hop);
		if (!hop)
			return REASON_NO_NEXT_HOP;
		COUNT(next_hop_counters, next_hop, packet->length);
		work->lookups = lookups + 1;
		work->next_hop = next_hop;
		target = hop->target;
		switch (hop->action) {
		case ACTION_LOOKUP:
			hidden = is_translating() ? hide_between(skb, work, vrf_id, target) : GOES_ON;
			if (hidden != GOES_ON)
				return hidden;
			vrf_id = target;
			continue;
		case ACTION_DISCARD:
			return target < MAX_REASONS ? target : REASON_DISCARD;
		case ACTION_LOCAL:
			work->target = host_of(vrf_id);
			return TO_PORT;
		case ACTION_PORT:
			work->target = target;
			return TO_PORT;
		case ACTION_TUNNEL:
			work->target = next_hop;
			return TO_TUNNEL;
		default:
			return REASON_NO_NEXT_HOP;
		}
	}
	note(work, NOTE_LOOKUP, REASON_LOOKUP_LOOP, vrf_id, NONE);
	return REASON_LOOKUP_LOOP;
}

static __always_inline int may_come_to(struct __sk_buff *skb, const struct port *port, __u32 port_id, const struct packet *packet)
{
	if (!(port->limits >> DIRECTION_INGRESS & 1))
		return 1;
	return is_within_rate(port_id, DIRECTION_INGRESS, octets_cut(packet->length, packet->segment, skb->gso_size));
}

/* Takes the packet to a port. `outer`: family of the header it came behind, 0 without */
static __always_inline int carry_to_port(struct __sk_buff *skb, struct work *work, __u32 port_id, __u32 outer)
{
	struct port *port = port_of(&port_id);
	struct link *link;
	int result;

	if (!port) {
		note(work, NOTE_DELIVER, REASON_NO_NEXT_HOP, port_id, 0);
		return REASON_NO_NEXT_HOP;
	}
	link = link_of(&port_id);
	result = may_deliver(port, link, &work->packet, port_id);
	if (result == GOES_ON && !work->is_part && !may_come_to(skb, port, port_id, &work->packet))
		result = REASON_INGRESS_RATE;
	if (result == GOES_ON && !work->is_part) {
		serve_reply(skb, work, port->vrf);
		if (port->policy_version)
			result = pass_policy(skb, port_id, 0);
		else if (outer)
			note(work, NOTE_POLICY, GOES_ON, port_id << 1, JUDGED_UNFILTERED);
		if (result != GOES_ON)
			return result;
	}
	if (result == GOES_ON && link)
		result = deliver(skb, port, link, &work->packet, port_id, outer);
	note(work, NOTE_DELIVER, result, port_id, result == REASON_MTU_EXCEEDED ? port->mtu : work->packet.ttl);
	return result;
}

static __always_inline int carry_whole(struct __sk_buff *skb, struct work *work, int way, __u32 outer)
{
	int result;

	work->way = way;
	if (way == TO_PORT)
		return carry_to_port(skb, work, work->target, outer);
	if (way != TO_TUNNEL)
		return way;
	result = tunnel(skb, &work->packet, work->target, work->hash, outer);
	if (work->is_traced)
		note_tunnel(work->target, result, work->packet.length);
	return result;
}

/* Takes the packet where `way` says, in parts if it must be. `outer`: family of the header it came behind, 0 without. */
__noinline int carry_out(struct __sk_buff *skb, struct work *work, int way, __u32 outer)
{
	int result;

	if (!work)
		return REASON_NO_NEXT_HOP;
	result = carry_whole(skb, work, way, outer);
	if (result != REASON_MTU_EXCEEDED || work->is_part || (way != TO_PORT && way != TO_TUNNEL))
		return result;
	result = cut(skb, way, outer);
	if (result == CUT)
		note(work, NOTE_CUT, result, way == TO_PORT, work->packet.mtu);
	return result;
}

/* Takes up a part of a packet that was cut; returns its way. */
static __always_inline int take_part(struct __sk_buff *skb, struct work *work)
{
	struct part_way part, none = {};
	int result;

	skb->mark = 0;
	/* An address of a group, as which the way may pass, is not replaced by a neighbour's. */
	if (bpf_skb_load_bytes(skb, 0, &part, sizeof(part)) < 0 || bpf_skb_store_bytes(skb, 0, &none, sizeof(none), 0) < 0)
		return REASON_INNER_MALFORMED;
	work->is_part = 1;
	work->target = part.target;
	work->hash = part.hash;
	result = parse(skb, &work->packet, ETHERNET, skb->len);
	return result == GOES_ON ? part.way : result;
}
