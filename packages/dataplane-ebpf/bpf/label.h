// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Second step from the underlay, label: explicit nulls are popped, the label is found in the incoming label map, and where it came from is checked;
 * for VXLAN the VNI stands for it.
 */
#pragma once

#include "nexthop.h"
#include "outer.h"

/* Labels below a swapped one that are passed over for the flow's hash. */
#define MAX_HASH_DEPTH 16

/* Offset of what the labels below a popped one carry; of these themselves where their bottom is not seen. */
static __always_inline __u32 behind_labels(struct __sk_buff *skb, __u32 at, __u32 end, __u32 is_bottom)
{
	__u8 entry[4] ALIGNED;

	if (is_bottom)
		return at;
	for (int depth = 0; depth < MAX_HASH_DEPTH; depth++) {
		__u32 next = at + (depth + 1) * LABEL_ENTRY;

		if (next > end || bpf_skb_load_bytes(skb, next - LABEL_ENTRY, entry, 4) < 0)
			break;
		if (entry[2] & 1)
			return next;
	}
	return at;
}

/* Version of the IP packet at `at`; 0 where there is nothing. */
static __always_inline __u32 version_at(struct __sk_buff *skb, __u32 at, __u32 end)
{
	__u8 first = 0;

	return at < end && bpf_skb_load_bytes(skb, at, &first, 1) == 0 ? first >> 4 : 0;
}

/*
 * Whether labels carry one IP packet to the end of the frame, which offload cuts behind all labels then. What is several datagrams in one, each with labels of
 * its own, it cuts between them: all but the first would go on with the labels that they came by.
 */
__noinline int is_one_packet(struct __sk_buff *skb, __u32 at, __u32 end, __u32 is_bottom)
{
	__u32 packet = behind_labels(skb, at, end, is_bottom);
	__u8 octets[8] ALIGNED;

	if ((packet == at && !is_bottom) || packet + IPV4_HEADER > end || bpf_skb_load_bytes(skb, packet, octets, sizeof(octets)) < 0)
		return 0;
	if (octets[0] >> 4 == 4)
		return counted_length(skb, half_at(octets + 2), end - packet) == end - packet;
	packet += IPV6_HEADER;
	return octets[0] >> 4 == 6 && packet <= end && counted_length(skb, half_at(octets + 4), end - packet) == end - packet;
}

/*
 * TTL of a joint label before a packet whose top label was popped and which gets `label_count` others: of an IP packet, by its version, if one entry is
 * between.
 */
static __always_inline __u32 joint_ttl_behind(struct __sk_buff *skb, __u32 at, __u32 end, __u32 is_bottom, __u32 label_count)
{
	__u8 octets[LABEL_ENTRY + 1] ALIGNED = {};

	if (is_bottom)
		return label_count == 1 && at < end && bpf_skb_load_bytes(skb, at, octets, 1) == 0 ? joint_ttl(octets[0] >> 4) : 0;
	if (label_count || at + LABEL_ENTRY >= end || bpf_skb_load_bytes(skb, at, octets, LABEL_ENTRY + 1) < 0 || !(octets[2] & 1))
		return 0;
	return joint_ttl(octets[LABEL_ENTRY] >> 4);
}

/*
 * Whether the kernel can cut the frame again behind the headers of the next hop; otherwise it would drop it. It goes by where the header before the packet was,
 * which no program can have it forget. Of what was joined in VXLAN that is the Ethernet header, and a label would put it before the tunnel's beginning. Of what
 * was joined behind a joint label it is nowhere: GRO of VXLAN-GPE tells no such place. What a router on the same machine has sent in one piece has one, but looks
 * alike: it goes on once nothing joins, but for GRE. And where the outer header becomes one of the other family, the kernel takes TCP in the first one for that
 * as well.
 *
 * `family`: of what is inside, 0 when labels are
 */
static __always_inline int may_go_on(struct __sk_buff *skb, const struct outer *outer, __u32 next_hop, __u32 family)
{
	struct config *config = configuration();
	struct next_hop *hop;

	if (!skb->gso_size || (outer->encapsulation != VXLAN && outer->encapsulation != MPLS_UDP_JOINT))
		return 1;
	hop = next_hop_of(&next_hop);
	if (outer->encapsulation == MPLS_UDP_JOINT) {
		if (hop && hop->encapsulation != MPLS_GRE && config && !(config->avoided & AVOID_JOINED))
			return 1;
		count_drop(DROPPED_JOINED_LABELS);
		return 0;
	}
	if (!hop || (hop->encapsulation == VXLAN && (hop->family == outer->family || family != outer->family)))
		return 1;
	count_drop(DROPPED_JOINED);
	return 0;
}

/*
 * Octets of the largest piece that is sent of labels and the packet behind them, which offload may be to cut: of the labels, the headers and as much as it leaves
 * in each.
 *
 * `payload`: where the packet is
 */
__noinline __u32 piece_of(struct __sk_buff *skb, __u32 at, __u32 payload, __u32 end)
{
	struct work *work = current_work();

	/* The one in hand is known by its labels alone. */
	if (!work || !skb->gso_size || parse(skb, &work->packet, payload, end) != GOES_ON)
		return end - at;
	return payload - at + work->packet.segment;
}

/* Sends on a packet whose top label, `word`, was popped: the labels of the next hop take its place. */
__noinline int transit(struct __sk_buff *skb, struct outer *outer, __u32 next_hop, __u32 word, __u32 ttl)
{
	struct config *config = configuration();
	struct next_hop *hop = next_hop_of(&next_hop);
	__u32 is_bottom = word >> 8 & 1, mtu, hash, payload;
	struct fill fill = {};
	__u8 exposed = 0;

	if (!config || !outer)
		return REASON_NO_NEXT_HOP;
	if (hop && hop->action == ACTION_DISCARD)
		return hop->target < MAX_REASONS ? hop->target : REASON_DISCARD;
	if (!hop || hop->action != ACTION_TUNNEL)
		return REASON_NO_NEXT_HOP;
	COUNT(next_hop_counters, next_hop, outer->end - outer->at);
	if (!(config->encapsulations >> hop->encapsulation & 1) || hop->encapsulation == VXLAN)
		return REASON_ENCAPSULATION_UNSUPPORTED;
	if (is_bottom && !hop->label_count)
		return REASON_LABEL_STACK;
	payload = behind_labels(skb, outer->at, outer->end, is_bottom);
	mtu = room_of(config, hop, version_at(skb, payload, outer->end), payload - outer->at);
	if (piece_of(skb, outer->at, payload, outer->end) + hop->size > mtu)
		return REASON_MTU_EXCEEDED;
	/* A label stack has no ECN field: that of the outer header goes on in the next one, or is lost with the packet (RFC 6040 §4.2). */
	if ((outer->traffic_class & CE) == CE && !hop->normal_ecn)
		return REASON_CONGESTION;
	if (!may_go_on(skb, outer, next_hop, 0))
		return REASON_ENCAPSULATION_UNSUPPORTED;
	/* The flow of what its labels carry. */
	hash = flow_hash(skb, payload, outer->end, word >> 12);
	/* A label that comes to the top never has a higher TTL than the one that hid it (RFC 3443 §3.1). */
	if (!hop->label_count && bpf_skb_load_bytes(skb, outer->at + 3, &exposed, 1) == 0 && ttl - 1 < exposed) {
		exposed = ttl - 1;
		bpf_skb_store_bytes(skb, outer->at + 3, &exposed, 1, BPF_F_RECOMPUTE_CSUM);
	}
	fill_from_label(&fill, hop, word, ttl, outer->traffic_class, hash, outer->end - outer->at);
	if (hop->encapsulation == MPLS_UDP_JOINT)
		fill.joint_ttl = joint_ttl_behind(skb, outer->at, outer->end, is_bottom, hop->label_count);
	return send(skb, hop, outer->at, outer->family, &fill);
}

/* A reason to drop what the labels carry. */
static __always_inline int refuse(const struct work *work, int reason)
{
	note(work, NOTE_INNER, reason, 0, 0);
	return reason;
}

static __always_inline int swap(struct __sk_buff *skb, struct work *work, __u32 word)
{
	struct popped *popped = &work->popped;
	__u32 octets = work->outer.end - work->outer.at;
	int result;

	note(work, NOTE_LABEL, GOES_ON, popped->id, LABEL_SWAP);
	if (work->is_traced)
		note_next_hop(NONE, popped->target);
	work->way = TO_TUNNEL;
	if (skb->gso_size && !is_one_packet(skb, work->outer.at, work->outer.end, word >> 8 & 1))
		result = REASON_OUTER_MALFORMED;
	else
		result = transit(skb, &work->outer, popped->target, word, popped->ttl);
	if (work->is_traced)
		note_tunnel(popped->target, result, octets);
	return result;
}

/* Last step, deliver: the way goes to the label's port, or into its VRF by the lookup that packets from endpoints use. */
static __always_inline int deliver_parsed(struct __sk_buff *skb, struct work *work)
{
	struct packet *packet = &work->packet;
	struct popped *popped = &work->popped;
	struct outer *outer = &work->outer;
	int result;

	/* Datagrams that a sender on the same machine leaves to be cut: no program can take them apart. */
	if (skb->gso_size && packet->at + packet->length < outer->end)
		return refuse(work, REASON_OUTER_MALFORMED);
	if (popped->family && popped->family != packet->family)
		return refuse(work, REASON_INNER_MALFORMED);
	if (popped->ttl < packet->ttl)
		packet->ttl = popped->ttl;
	if (popped->traffic_class != NONE && packet->traffic_class >> 5 != popped->traffic_class)
		write_traffic_class(skb, packet, popped->traffic_class << 5 | (packet->traffic_class & CE));
	if (pass_congestion(skb, packet, outer->traffic_class) != GOES_ON)
		return refuse(work, REASON_CONGESTION);
	note(work, NOTE_FLOW, GOES_ON, 1, 1);
	result = serve(skb, work, packet->vrf);
	note_service(work, result);
	if (result != GOES_ON)
		return result;
	if (popped->action == LABEL_LOOKUP || work->inside_vrf != NONE) {
		/* What came back to a pool is another port's than the label's. */
		packet->port = NONE;
		return forward(skb, work, packet->vrf);
	}
	if (!is_forwardable(packet->family, packet->destination))
		return REASON_DESTINATION_INVALID;
	work->target = popped->target;
	return TO_PORT;
}

/* The VRF that the packet is in, and its port if the label names it. */
static __always_inline void place(struct packet *packet, const struct popped *popped)
{
	__u32 port_id = popped->target;
	struct port *port;

	if (popped->action == LABEL_LOOKUP) {
		packet->vrf = popped->target;
		return;
	}
	port = port_of(&port_id);
	if (!port)
		return;
	packet->vrf = port->vrf;
	packet->port = popped->target;
}

__noinline int deliver_inner(struct __sk_buff *skb, struct work *work)
{
	struct packet *packet;
	struct popped *popped;
	int result;

	if (!work)
		return REASON_INNER_MALFORMED;
	packet = &work->packet;
	popped = &work->popped;
	result = parse(skb, packet, work->outer.at, work->outer.end);
	if (result == GOES_ON)
		place(packet, popped);
	if (popped->is_expired || result != GOES_ON)
		return refuse(work, popped->is_expired ? REASON_TTL_EXPIRED : result);
	return deliver_parsed(skb, work);
}

/* Pops labels to the bottom of the stack, or to one that is swapped. */
__noinline int pop_labels(struct __sk_buff *skb, struct work *work)
{
	__u32 has_entry = 0, has_class = 0;
	struct popped *popped;
	struct outer *outer;

	if (!work)
		return REASON_LABEL_STACK;
	popped = &work->popped;
	outer = &work->outer;
	for (int depth = 0; depth < MAX_DEPTH; depth++) {
		__u32 word, label, is_bottom;
		__u8 octets[4] ALIGNED;

		if (outer->at + LABEL_ENTRY > outer->end || bpf_skb_load_bytes(skb, outer->at, octets, 4) < 0)
			return REASON_LABEL_STACK;
		word = word_at(octets);
		label = word >> 12;
		popped->id = label;
		is_bottom = word >> 8 & 1;
		if ((word & 0xff) < popped->ttl)
			popped->ttl = word & 0xff;
		outer->at += LABEL_ENTRY;
		if (label == 0 || label == 2) {
			popped->family = is_bottom ? (label == 0 ? 4 : 6) : 0;
		} else if (label < 16) {
			return REASON_LABEL_SPECIAL;
		} else if (has_entry) {
			return REASON_LABEL_STACK;
		} else {
			struct label *entry = label_of(&label);

			if (!entry)
				return REASON_LABEL_UNKNOWN;
			if (!is_source(entry->sources, outer))
				return REASON_TUNNEL_SOURCE;
			has_entry = 1;
			popped->action = entry->action;
			popped->target = entry->target;
			has_class = entry->uniform_class;
			if (popped->ttl <= 1) {
				if (!is_bottom || popped->action == LABEL_SWAP)
					return REASON_TTL_EXPIRED;
				popped->is_expired = 1;
				return GOES_ON;
			}
			COUNT(label_counters, label, outer->end - outer->at);
			if (popped->action == LABEL_SWAP)
				return swap(skb, work, word);
		}
		if (!is_bottom)
			continue;
		if (!has_entry)
			return REASON_LABEL_SPECIAL;
		if (has_class)
			popped->traffic_class = word >> 9 & 7;
		return GOES_ON;
	}
	return REASON_LABEL_STACK;
}

/* VXLAN between routers (RFC 9135 §4.1). */
__noinline int read_vxlan(struct __sk_buff *skb, struct work *work)
{
	__u8 octets[VXLAN_HEADER + ETHERNET] ALIGNED;
	__u32 id, ether_type;
	struct popped *popped;
	struct outer *outer;
	struct vni *entry;
	int differs = 0;

	if (!work)
		return REASON_OUTER_MALFORMED;
	popped = &work->popped;
	outer = &work->outer;
	if (outer->at + sizeof(octets) > outer->end || bpf_skb_load_bytes(skb, outer->at, octets, sizeof(octets)) < 0 || !(octets[0] & 8))
		return REASON_OUTER_MALFORMED;
	id = word_at(octets + 4) >> 8;
	popped->id = id;
	entry = vni_of(&id);
	if (!entry)
		return REASON_VNI_UNKNOWN;
	if (!is_source(entry->sources, outer))
		return REASON_TUNNEL_SOURCE;
#pragma unroll
	for (int octet = 0; octet < 6; octet++)
		differs |= octets[VXLAN_HEADER + octet] ^ entry->router_mac[octet];
	if (differs)
		return REASON_DESTINATION_INVALID;
	ether_type = half_at(octets + VXLAN_HEADER + 12);
	if (ether_type != ETH_P_IP && ether_type != ETH_P_IPV6)
		return REASON_FAMILY_UNSUPPORTED;
	popped->family = ether_type == ETH_P_IP ? 4 : 6;
	popped->action = LABEL_LOOKUP;
	popped->target = entry->vrf;
	outer->at += sizeof(octets);
	return GOES_ON;
}
