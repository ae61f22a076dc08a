// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Plain packets from endpoints into tunnels. */
#pragma once

#include "ethernet.h"
#include "gateway.h"
#include "nexthop.h"
#include "plain.h"
#include "rate.h"

/* What was decided about a flow, its epoch being that of the tables it was decided by. */
struct way_out {
	struct plain_key key;
	/* Ticks of the kernel (`watch_until`). */
	__u64 until;
	/* Octets of the largest packet that the port takes. */
	__u32 mtu;
	__u32 hash;
	__u32 port_slot;
	__u32 vrf_slot;
	__u32 next_hop_slot;
	__u32 openings;
	/* The port, if it has a link, and the router's address there; NONE. */
	__u32 linked;
	__u8 link_mac[8];
	/* The port, if it has a limit of what it sends; NONE. */
	__u32 limited;
	__u32 is_translated;
	struct translation translation;
	struct gateway gateway;
	/* Whose headers are those of the last packet. */
	struct next_hop hop;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, struct way_out);
} ways_out SEC(".maps");

/* Least place of a checksum in a plain packet behind an Ethernet header. */
static __always_inline __u32 least_in(const struct plain *plain)
{
	return ETHERNET + (plain->key.kind >> 8 == 4 ? IPV4_HEADER : IPV6_HEADER) + kept_octets(plain->key.kind & 0xff);
}

/* Most octets of headers that are written without a call, which is all but long stacks of labels. */
#define WRITTEN_AT_ONCE 64

/* Writes the headers of `hop`, for which there is room. A sum of the whole frame has them as well. */
static __always_inline int put_headers(struct __sk_buff *skb, const struct next_hop *hop, enum frame_sum known)
{
	__u8 *octets = (__u8 *)(long)skb->data + ETHERNET, *end = (__u8 *)(long)skb->data_end;
	__u32 size = hop->size, last = (size - 8) & (WRITTEN_AT_ONCE - 1);

	if (known == FRAME_SUM || size < 8 || size > WRITTEN_AT_ONCE)
		return bpf_skb_store_bytes(skb, ETHERNET, hop->headers, COUNT_WITHIN(size, MAX_HEADERS), BPF_F_RECOMPUTE_CSUM);
	/* Headers have 28 octets at least, and so has what of the packet can be reached: what is looked for is there. */
#pragma unroll
	for (__u32 at = 0; at < WRITTEN_AT_ONCE - 8; at += 8) {
		if (octets + at + 8 > end)
			return -1;
		if (at < last)
			copy_words(octets + at, hop->headers + at, 8);
	}
	/* The last begin where the ones before may not have ended. */
	octets += last;
	if (octets + 8 > end)
		return -1;
	copy_words(octets, hop->headers + last, 8);
	return 0;
}

static __always_inline int send_plain(struct __sk_buff *skb, const struct config *config, struct way_out *way, const struct plain *plain,
				      __u32 family, enum frame_sum known)
{
	struct next_hop *hop = &way->hop;
	__u8 ether_type[2] ALIGNED;
	struct fill fill = {};

	fill_from_packet(&fill, hop, plain->ttl, plain->traffic_class, way->hash, family, plain->length);
	complete_headers(hop->headers, hop, &fill);
	if (way->is_translated)
		translate_plain(skb, &way->translation, plain, known);
	if (write_plain_ttl(skb, ETHERNET, family, plain->ttl, plain->ttl - 1) < 0 || make_room(skb, hop, family) < 0)
		return -1;
	if (put_headers(skb, hop, known) < 0)
		return -1;
	if (hop->family != family) {
		put_half(ether_type, hop->family == 4 ? ETH_P_IP : ETH_P_IPV6);
		bpf_skb_store_bytes(skb, 12, ether_type, 2, 0);
	}
	return redirect_by(skb, config->uplink, &way->gateway, hop, fill.outer_class);
}

static __always_inline int drop_known(__u32 port_slot, enum drop_reason reason)
{
	count_drop(reason);
	count_in(port_slot + SLOT_DROPS, 0);
	return VERDICT_DROP;
}

/* As `send_known`, of a packet that was read. */
static __always_inline int send_if_known(struct __sk_buff *skb, const struct config *config, struct plain *plain, __u32 family)
{
	__u32 place = plain->place;
	struct way_out *way;
	enum frame_sum known = NO_SUM;
	int verdict;

	way = bpf_map_lookup_elem(&ways_out, &place);
	if (!way || !is_of_flow(&way->key, &plain->key) || !still_holds(way->until, way->openings, plain))
		return GOES_ON;
	if (way->linked != NONE && !is_from_known(skb, way->linked, way->link_mac))
		return GOES_ON;
	if (plain->segment > way->mtu || plain->segment + way->hop.size > room_of(config, &way->hop, family, 0))
		return GOES_ON;
	if (!is_cut_as_by_stacks(plain->key.kind & 0xff, plain->length, plain->segment, skb->gso_size))
		return GOES_ON;
	if (!has_no_sum(skb)) {
		if (!sums_behind(skb, least_in(plain)))
			return GOES_ON;
		known = is_summed_up(skb) ? FRAME_SUM : LEFT_SUM;
	}
	count_quickly(way->port_slot + SLOT_RX, skb->len - ETHERNET);
	if (way->limited != NONE && !is_within_rate(way->limited, DIRECTION_EGRESS, octets_cut(plain->length, plain->segment, skb->gso_size)))
		return drop_known(way->port_slot, REASON_EGRESS_RATE);
	count_quickly(way->vrf_slot, plain->length);
	count_quickly(way->next_hop_slot, plain->length);
	verdict = send_plain(skb, config, way, plain, family, known);
	if (verdict >= 0)
		return verdict;
	return drop_known(way->port_slot, REASON_QUEUE_FULL);
}

/* Sends a plain packet of a flow that is known: the verdict. GOES_ON for any other packet. */
__noinline int send_known(struct __sk_buff *skb)
{
	__u32 family = skb->protocol == bpf_htons(ETH_P_IP) ? 4 : skb->protocol == bpf_htons(ETH_P_IPV6) ? 6 : 0;
	struct plain room, *plain = &room;
	struct config *config;
	int verdict;

	/* It stays whole: of what a compiler keeps in registers, some would be read that no packet of the other family has written. */
	OPAQUE(plain);
	if (!family || !(family == 4 ? read_plain(skb, plain, ETHERNET, 4) : read_plain(skb, plain, ETHERNET, 6)))
		return keep_nothing();
	config = plain_tables(plain, skb->ifindex);
	if (!config)
		return keep_nothing();
	verdict = send_if_known(skb, config, plain, family);
	return verdict == GOES_ON ? keep_plain(plain) : verdict;
}

/* Remembers what was decided about the packet in hand, which a tunnel took. */
__noinline int learn_out(struct __sk_buff *skb, struct port *port, struct work *work)
{
	struct plain *plain = current_plain();
	struct config *config = configuration();
	struct next_hop *hop;
	struct way_out *way;
	__u32 place, port_slot, id;

	if (!plain || !config || !plain->key.epoch || !port || !work || work->way != TO_TUNNEL || work->lookups != 1 || work->is_mirrored)
		return 0;
	id = work->target;
	hop = next_hop_of(&id);
	place = plain->place;
	way = bpf_map_lookup_elem(&ways_out, &place);
	port_slot = slot_in(&port_counters, work->packet.port);
	/* As in `learn_in`. */
	if (!hop || !way || port_slot == NONE || hop->action != ACTION_TUNNEL)
		return 0;
	learn_places(skb, hop->size + least_in(plain));
	way->key.epoch = 0;
	way->until = watch_until(config, port);
	way->openings = plain->openings;
	way->mtu = port->mtu;
	way->hash = work->hash;
	way->port_slot = port_slot;
	way->vrf_slot = slot_in(&vrf_counters, work->packet.vrf);
	way->next_hop_slot = slot_in(&next_hop_counters, id);
	way->linked = port->has_link ? work->packet.port : NONE;
	way->limited = port->limits >> DIRECTION_EGRESS & 1 ? work->packet.port : NONE;
	way->gateway.believed_until = 0;
	way->is_translated = work->is_translated;
	if (work->is_translated)
		learn_translation(&way->translation, work);
	__builtin_memcpy(way->link_mac, port->link_mac, sizeof(way->link_mac));
	__builtin_memcpy(&way->hop, hop, sizeof(way->hop));
	__builtin_memcpy(&way->key, &plain->key, sizeof(way->key));
	return 0;
}
