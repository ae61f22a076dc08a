// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The ends of the packet in hand, and what becomes of them. */
#pragma once

#include "nat_table.h"
#include "rewrite.h"

/* Source ports that are tried for a flow before it is given up. */
#define TRIES 128

static __always_inline int is_translating(void)
{
	struct config *config = configuration();

	return config && config->translates;
}

static __always_inline void copy_ends(struct tuple *to, const struct tuple *from)
{
	__builtin_memcpy(to->source, from->source, sizeof(to->source));
	__builtin_memcpy(to->destination, from->destination, sizeof(to->destination));
	to->source_port = from->source_port;
	to->destination_port = from->destination_port;
}

/* The ends that a packet of the flow gets. */
static __always_inline void read_target(struct tuple *target, const struct nat_flow *flow)
{
	__builtin_memcpy(target->source, flow->source, sizeof(target->source));
	__builtin_memcpy(target->destination, flow->destination, sizeof(target->destination));
	target->source_port = flow->ports >> 16;
	target->destination_port = flow->ports & 0xffff;
}

/* Keeps the ends that the packet came with: an error about it shows them. */
static __always_inline void keep_ends(struct work *work, const struct tuple *ends)
{
	if (work->is_translated)
		return;
	work->is_translated = 1;
	__builtin_memcpy(&work->before, ends, TO_ENDS);
}

/* The packet in hand has other addresses now. */
static __always_inline void take_addresses(struct __sk_buff *skb, struct packet *packet, const struct tuple *ends)
{
	__u8 octets[2] ALIGNED;

	__builtin_memcpy(packet->source, ends->source, sizeof(packet->source));
	__builtin_memcpy(packet->destination, ends->destination, sizeof(packet->destination));
	if (packet->family == 4 && bpf_skb_load_bytes(skb, packet->at + 10, octets, 2) == 0)
		packet->checksum = half_at(octets);
}

/* Gives the packet in hand the ends back that it came with. */
static __always_inline void untranslate(struct __sk_buff *skb, struct work *work)
{
	struct packet *packet = &work->packet;
	__u32 end = packet->at + packet->length;

	if (!work->is_translated)
		return;
	read_tuple(skb, &work->tuple, packet->at, end);
	rewrite_ends(skb, packet->at, end, &work->tuple, &work->before);
	take_addresses(skb, packet, &work->before);
	work->is_translated = work->has_tuple = 0;
}

/* What comes back to a pool; policies outside know its flow by the pool's address, both ways. */
static __always_inline int is_pools(__u32 service)
{
	return (service & POOL_ZONE) != 0;
}

/* What comes back to a pool goes on in the VRF that the pool hides: outside, its address there may be another machine's. GOES_ON or a drop reason. */
__noinline int enter_inside(__u32 state, __u32 service)
{
	struct work *work = current_work();
	__u32 id = service & ~POOL_ZONE;
	struct nat_pool *pool;

	if (state & NAT_OPENS || !is_pools(service))
		return GOES_ON;
	pool = nat_pool_of(&id);
	if (!pool || !work)
		return REASON_NAT_EXHAUSTED;
	work->inside_vrf = pool->vrf;
	return GOES_ON;
}

/* How the other fragments of a datagram follow its first. */
static __always_inline void remember_nat_datagram(struct work *work, __u32 zone, const struct tuple *tuple, const struct nat_flow *flow)
{
	struct config *config = configuration();
	struct nat_fragment fragment = {
		.seen = milliseconds(),
		.version = config ? config->nat_version : 0,
		.state = flow->state,
		.service = flow->service,
	};

	__builtin_memcpy(fragment.source, flow->source, sizeof(fragment.source));
	__builtin_memcpy(fragment.destination, flow->destination, sizeof(fragment.destination));
	__builtin_memcpy(fragment.client, flow->client, sizeof(fragment.client));
	write_datagram_key(&work->peer_key, zone, tuple);
	map_update(&nat_fragments, &work->peer_key, &fragment, BPF_ANY);
}

/* How the datagram of a fragment is translated; 0 when its first one is not known, or was translated by other tables. */
static __always_inline struct nat_fragment *find_nat_datagram(struct work *work, __u32 zone, const struct tuple *tuple)
{
	struct config *config = configuration();
	struct nat_fragment *found;

	write_datagram_key(&work->peer_key, zone, tuple);
	found = bpf_map_lookup_elem(&nat_fragments, &work->peer_key);
	return found && config && found->version == config->nat_version && !is_over(found->seen, FRAGMENT_LIFETIME) ? found : 0;
}

/* Gives the packet in hand, which `tuple` tells, the ends of the flow that it belongs to, whose key is the one in hand. A function of its own, as in extension.h. */
__noinline int follow_flow(struct __sk_buff *skb, struct nat_flow *flow, struct tuple *tuple, __u32 zone)
{
	struct work *work = current_work();
	struct packet *packet;

	if (!work || !flow || !tuple)
		return 0;
	packet = &work->packet;
	read_target(&work->ends, flow);
	keep_ends(work, tuple);
	rewrite_ends(skb, packet->at, packet->at + packet->length, tuple, &work->ends);
	take_addresses(skb, packet, &work->ends);
	if (tuple->is_fragment)
		remember_nat_datagram(work, zone, tuple, flow);
	touch_nat(work, flow, tuple);
	return 0;
}

/* Gives a fragment other than the first the addresses of its datagram. */
static __always_inline void rewrite_part(struct __sk_buff *skb, struct work *work, struct tuple *tuple, const struct nat_fragment *fragment)
{
	__builtin_memcpy(work->ends.source, fragment->source, sizeof(work->ends.source));
	__builtin_memcpy(work->ends.destination, fragment->destination, sizeof(work->ends.destination));
	rewrite_ends(skb, work->packet.at, 0, tuple, &work->ends);
	take_addresses(skb, &work->packet, &work->ends);
}
