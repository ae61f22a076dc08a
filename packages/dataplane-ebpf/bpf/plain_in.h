// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Plain packets from tunnels to ports: with one label over UDP, or by VXLAN, in outer headers of the packet's own family that are plain themselves.
 */
#pragma once

#include "label.h"
#include "plain.h"
#include "rate.h"

struct tunnel_key {
	__u32 source[4];
	__u32 local[4];
	/* The label's entry without traffic class and TTL; or the VNI and the MAC address that the frame was for. */
	__u32 id;
	__u32 mac[2];
	__u32 encapsulation;
} ALIGNED;

struct tunnelled {
	struct tunnel_key tunnel;
	/* As the label says. */
	__u32 ttl;
	__u32 outer_class;
};

/* What was decided about a flow. */
struct way_in {
	struct plain_key key;
	struct tunnel_key tunnel;
	/* Ticks of the kernel (`watch_until`). */
	__u64 until;
	/* Octets of the largest packet that the port takes. */
	__u32 mtu;
	__u32 label_slot;
	__u32 vrf_slot;
	__u32 next_hop_slot;
	__u32 port_slot;
	__u32 ifindex;
	__u32 is_local;
	__u32 openings;
	/* The port, if it has a link, whose endpoint may be heard from another address; NONE. */
	__u32 linked;
	__u8 addresses[12];
	/* The port, if it has a limit of what it gets; NONE. */
	__u32 limited;
	__u32 is_translated;
	struct translation translation;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, struct way_in);
} ways_in SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tunnelled);
} tunnelleds SEC(".maps");

static __always_inline struct tunnelled *current_tunnelled(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tunnelleds, &zero);
}

/* Reads outer IP and UDP; the destination port, or 0 for what is not plain. */
static __always_inline __u32 read_plain_outer(struct __sk_buff *skb, struct tunnelled *tunnelled, __u32 family)
{
	__u32 size = family == 4 ? IPV4_HEADER : IPV6_HEADER, length;
	__u8 *ip = octets_at(skb, ETHERNET, size + UDP_HEADER);

	if (!ip)
		return 0;
	if (family == 4) {
		if (ip[0] != 0x45 || ip[9] != PROTOCOL_UDP || (half_at(ip + 6) & 0x3fff) || raw_sum(ip, IPV4_HEADER) != 0xffff)
			return 0;
		length = counted_length(skb, half_at(ip + 2), skb->len - ETHERNET);
		tunnelled->outer_class = ip[1];
		tunnelled->tunnel.source[0] = word_at(ip + 12);
		tunnelled->tunnel.local[0] = word_at(ip + 16);
#pragma unroll
		for (int word = 1; word < 4; word++)
			tunnelled->tunnel.source[word] = tunnelled->tunnel.local[word] = 0;
	} else {
		if (ip[0] >> 4 != 6 || ip[6] != PROTOCOL_UDP)
			return 0;
		length = IPV6_HEADER + counted_length(skb, half_at(ip + 4), skb->len - ETHERNET - IPV6_HEADER);
		tunnelled->outer_class = (half_at(ip) >> 4) & 0xff;
#pragma unroll
		for (int word = 0; word < 4; word++) {
			tunnelled->tunnel.source[word] = word_at(ip + 8 + word * 4);
			tunnelled->tunnel.local[word] = word_at(ip + 24 + word * 4);
		}
	}
	/* Of a frame that is still to be cut, UDP's length is that of a segment, or was too large to say. */
	if (ETHERNET + length != skb->len || (!skb->gso_size && half_at(ip + size + 4) != length - size))
		return 0;
	return half_at(ip + size + 2);
}

/* Reads the label, a joint one before it, or VXLAN's header and the Ethernet header behind it; their octets, or 0 for what is not plain. */
static __always_inline __u32 read_plain_tunnel(struct __sk_buff *skb, struct tunnelled *tunnelled, __u32 port, __u32 at, __u32 ether_type)
{
	__u32 joint;
	__u8 *octets;

	tunnelled->tunnel.mac[0] = tunnelled->tunnel.mac[1] = 0;
	if (port == MPLS_UDP_PORT) {
		octets = octets_at(skb, at, LABEL_ENTRY);
		if (!octets)
			return 0;
		joint = joint_size(word_at(octets));
		octets = octets_at(skb, at + joint, LABEL_ENTRY);
		if (!octets || !(octets[2] & 1))
			return 0;
		/* The same flow with a joint label and without. */
		tunnelled->tunnel.encapsulation = MPLS_UDP;
		tunnelled->tunnel.id = word_at(octets) & 0xfffff100;
		tunnelled->ttl = octets[3];
		return joint + LABEL_ENTRY;
	}
	octets = octets_at(skb, at, VXLAN_HEADER + ETHERNET);
	if (port != VXLAN_PORT || !octets || !(octets[0] & 8) || half_at(octets + VXLAN_HEADER + 12) != ether_type)
		return 0;
	tunnelled->tunnel.encapsulation = VXLAN;
	tunnelled->tunnel.id = word_at(octets + 4) >> 8;
	tunnelled->tunnel.mac[0] = word_at(octets + VXLAN_HEADER);
	tunnelled->tunnel.mac[1] = half_at(octets + VXLAN_HEADER + 4);
	tunnelled->ttl = 255;
	return VXLAN_HEADER + ETHERNET;
}

/* Reads everything; whether all of it is plain. */
static __always_inline int read_tunnelled(struct __sk_buff *skb, struct tunnelled *tunnelled, struct plain *plain, __u32 family)
{
	const __u32 at = ETHERNET + (family == 4 ? IPV4_HEADER : IPV6_HEADER) + UDP_HEADER;
	__u32 port = read_plain_outer(skb, tunnelled, family);
	__u32 size = read_plain_tunnel(skb, tunnelled, port, at, family == 4 ? ETH_P_IP : ETH_P_IPV6);

	/* In words that the verifier follows: it is one of three. */
	return size && read_plain(skb, plain, (at + size) & 0x7f, family);
}

static __always_inline int deliver_plain(struct __sk_buff *skb, const struct config *config, struct way_in *way,
					 const struct plain *plain, const struct tunnelled *tunnelled)
{
	__u32 ttl = tunnelled->ttl < plain->ttl ? tunnelled->ttl : plain->ttl, at = (skb->len - plain->length) & 0x7f;
	__u32 linked = way->linked;
	struct link *link = linked == NONE ? 0 : link_of(&linked);
	int has_none = way->is_translated && has_no_sum(skb);
	__u8 *frame;

	if (write_plain_ttl(skb, at, plain->key.kind >> 8, plain->ttl, ttl - 1) < 0)
		return -1;
	if (bpf_skb_adjust_room(skb, -(__s32)(at - ETHERNET), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return -1;
	if (way->is_translated)
		translate_plain(skb, &way->translation, plain, has_none ? NO_SUM : FRAME_SUM);
	frame = octets_at(skb, 0, sizeof(way->addresses));
	if (!frame)
		return -1;
	copy_words(frame, way->addresses, sizeof(way->addresses));
	if (link)
		write_endpoint(frame, link);
	if (skb->pkt_type)
		bpf_skb_change_type(skb, 0);
	if (way->is_local || (config->avoided & AVOID_REDIRECT_PEER))
		return bpf_redirect(way->ifindex, 0);
	return bpf_redirect_peer(way->ifindex, 0);
}

/* As `deliver_known`, of a packet that was read. */
static __always_inline int deliver_if_known(struct __sk_buff *skb, const struct config *config, const struct tunnelled *tunnelled, struct plain *plain)
{
	__u32 place = plain->place;
	struct way_in *way;
	int verdict;

	way = bpf_map_lookup_elem(&ways_in, &place);
	if (!way || !is_of_flow(&way->key, &plain->key) || !is_same(&way->tunnel, &tunnelled->tunnel, sizeof(way->tunnel)))
		return GOES_ON;
	if (plain->segment > way->mtu || !still_holds(way->until, way->openings, plain))
		return GOES_ON;
	count_quickly(way->label_slot, plain->length);
	count_quickly(way->vrf_slot, plain->length);
	count_quickly(way->next_hop_slot, plain->length);
	if (way->limited != NONE && !is_within_rate(way->limited, DIRECTION_INGRESS, octets_cut(plain->length, plain->segment, skb->gso_size))) {
		count_drop(REASON_INGRESS_RATE);
		return VERDICT_DROP;
	}
	count_quickly(way->port_slot + SLOT_TX, plain->length);
	verdict = deliver_plain(skb, config, way, plain, tunnelled);
	if (verdict >= 0)
		return verdict;
	count_drop(REASON_QUEUE_FULL);
	return VERDICT_DROP;
}

/* Delivers a plain packet of a flow that is known: the verdict. GOES_ON for any other packet. */
__noinline int deliver_known(struct __sk_buff *skb)
{
	struct tunnelled room_of_tunnelled, *tunnelled = &room_of_tunnelled, *kept;
	struct plain room, *plain = &room;
	struct config *config;
	int verdict, is_plain;

	/* As in `send_known`. */
	OPAQUE(plain);
	OPAQUE(tunnelled);
	if (skb->protocol == bpf_htons(ETH_P_IP))
		is_plain = read_tunnelled(skb, tunnelled, plain, 4);
	else
		is_plain = skb->protocol == bpf_htons(ETH_P_IPV6) && read_tunnelled(skb, tunnelled, plain, 6);
	/* Marks of congestion that have to be passed on go the general way (RFC 6040 §4.2). */
	if (!is_plain || tunnelled->ttl <= 1 || (tunnelled->outer_class & 1))
		return keep_nothing();
	config = plain_tables(plain, skb->ifindex);
	if (!config)
		return keep_nothing();
	verdict = deliver_if_known(skb, config, tunnelled, plain);
	if (verdict != GOES_ON)
		return verdict;
	kept = current_tunnelled();
	if (kept)
		__builtin_memcpy(kept, tunnelled, sizeof(*tunnelled));
	return keep_plain(plain);
}

/* Remembers what was decided about the packet in hand, which a port took. */
__noinline int learn_in(struct work *work)
{
	struct tunnelled *tunnelled = current_tunnelled();
	struct plain *plain = current_plain();
	struct config *config = configuration();
	__u32 place, port_id, port_slot, is_labelled;
	struct port *port;
	struct link *link;
	struct way_in *way;

	if (!plain || !config || !plain->key.epoch || !tunnelled || !work || work->way != TO_PORT || work->lookups > 1 || work->is_mirrored)
		return 0;
	port_id = work->target;
	port = port_of(&port_id);
	link = link_of(&port_id);
	place = plain->place;
	way = bpf_map_lookup_elem(&ways_in, &place);
	port_slot = slot_in(&port_counters, port_id);
	/* What counts for no port goes the general way: behind NONE there are the slots of others. */
	if (!port || !link || !way || port_slot == NONE || work->popped.traffic_class != NONE)
		return 0;
	is_labelled = tunnelled->tunnel.encapsulation == MPLS_UDP;
	way->key.epoch = 0;
	way->until = watch_until(config, port);
	way->openings = plain->openings;
	way->mtu = port->mtu;
	way->label_slot = is_labelled ? slot_in(&label_counters, tunnelled->tunnel.id >> 12) : NONE;
	way->vrf_slot = work->lookups ? slot_in(&vrf_counters, work->packet.vrf) : NONE;
	way->next_hop_slot = work->lookups ? slot_in(&next_hop_counters, work->next_hop) : NONE;
	way->port_slot = port_slot;
	way->ifindex = link->ifindex;
	way->is_local = link->is_local;
	way->linked = port->has_link ? port_id : NONE;
	way->limited = port->limits >> DIRECTION_INGRESS & 1 ? port_id : NONE;
	write_link_addresses(way->addresses, port, link);
	way->is_translated = work->is_translated;
	if (work->is_translated)
		learn_translation(&way->translation, work);
	__builtin_memcpy(&way->tunnel, &tunnelled->tunnel, sizeof(way->tunnel));
	__builtin_memcpy(&way->key, &plain->key, sizeof(way->key));
	return 0;
}
