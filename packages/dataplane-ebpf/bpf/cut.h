// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Cuts IPv4 packets that are too large for their way into fragments (RFC 791 §3.2). A program has but one packet to give away: the parts are clones, which come
 * to the uplink's program as if they had come from the underlay. Each has a mark that nothing from the underlay has, and, where its Ethernet addresses will
 * be, its way, which has been found.
 */
#pragma once

#include "deliver.h"
#include "tuple.h"

/* What `cut` returns when the parts went. */
#define CUT (-6)

/* Mark of a part on its way to the uplink's program: "part". */
#define PART_MARK 0x70617274
#define MAX_PARTS 128
#define IP_HEADER_MOST 60
#define DONT_FRAGMENT 0x4000
#define MORE_FRAGMENTS 0x2000
/* Parts but the last carry multiples of this. */
#define UNIT 8
#define OPTION_COPIED 0x80

/* Way of a part, in the place of its Ethernet addresses. */
struct part_way {
	__s32 way;
	__u32 target;
	__u32 hash;
};

static __always_inline struct tail *tail(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tails, &zero);
}

/* Takes the next octet of the options over, if it belongs to one that every fragment has. */
static long copy_octet(struct bpf_map *map, __u32 *turn, __u32 *value, void *context)
{
	struct work *work = current_work();
	struct cutting *cutting;
	__u32 from = IPV4_HEADER + *turn;
	__u8 octet;

	if (!work)
		return 1;
	cutting = &work->cutting;
	if (from >= cutting->header)
		return 1;
	octet = cutting->first[from & 63];
	if (!cutting->option_left) {
		__u32 size = octet == OPTION_NOP ? 1 : from + 1 < cutting->header ? cutting->first[(from + 1) & 63] : 2;

		if (octet != OPTION_NOP && size < 2)
			size = 2;
		if (octet == OPTION_END || from + size > cutting->header)
			return 1;
		cutting->option_left = size;
		cutting->is_copied = octet & OPTION_COPIED;
	}
	if (cutting->is_copied)
		cutting->later[cutting->later_header++ & 63] = octet;
	cutting->option_left--;
	return 0;
}

/* Leaves in the header of the later parts only the options that every fragment has, padded to a multiple of four octets. */
static __always_inline void copy_header(struct cutting *cutting)
{
	__builtin_memset(cutting->later, 0, sizeof(cutting->later));
	__builtin_memcpy(cutting->later, cutting->first, IPV4_HEADER);
	cutting->later_header = IPV4_HEADER;
	cutting->option_left = 0;
	if (cutting->header > IPV4_HEADER)
		bpf_for_each_map_elem(&turns, copy_octet, 0, 0);
	cutting->later_header = (cutting->later_header + 3) & 0x3c;
}

/* Sends the next part; 0 when it could not be. */
__noinline int cut_part(struct __sk_buff *skb)
{
	struct config *config = configuration();
	struct work *work = current_work();
	struct tail *data = tail();
	struct cutting *cutting;
	__u32 header, left, size, next;
	__u8 *octets;
	int is_last;

	if (!config || !work || !data)
		return 0;
	cutting = &work->cutting;
	next = cutting->next;
	octets = next ? cutting->later : cutting->first;
	header = next ? cutting->later_header : cutting->header;
	left = cutting->end - next;
	/* The kernel shortens no packet to less than the headers that it has seen in it: options are filled up with what ends them. */
	if (header + left < cutting->header)
		header = cutting->header;
	octets[0] = 0x40 | header >> 2;
	is_last = left <= cutting->mtu - header;
	size = is_last ? left : (cutting->mtu - header) & ~(UNIT - 1U);
	put_half(octets + 2, header + size);
	put_half(octets + 6, (is_last && !cutting->has_more ? 0 : MORE_FRAGMENTS) | (cutting->base + next / UNIT));
	*(half *)(octets + 10) = 0;
	*(half *)(octets + 10) = ~raw_sum(octets, IP_HEADER_MOST);
	if (bpf_skb_change_tail(skb, ETHERNET + header + size, 0) < 0)
		return 0;
	if (bpf_skb_store_bytes(skb, ETHERNET, octets, COUNT_WITHIN(header, 64), BPF_F_RECOMPUTE_CSUM) < 0)
		return 0;
	if (bpf_skb_store_bytes(skb, ETHERNET + header, data->octets + (next & (MAX_DATA - 1)), COUNT_WITHIN(size, MAX_DATA), BPF_F_RECOMPUTE_CSUM) < 0)
		return 0;
	skb->mark = PART_MARK;
	/* More than zero where the uplink is down, or has no room for what comes in. */
	if (bpf_clone_redirect(skb, config->uplink, BPF_F_INGRESS) != 0)
		return 0;
	cutting->next = next + size;
	return 1;
}

/* Takes down what is to be cut; 0 when it may not be, or cannot be. */
static __always_inline int begin_to_cut(struct __sk_buff *skb, struct work *work)
{
	struct cutting *cutting = &work->cutting;
	struct packet *packet = &work->packet;
	__u32 header = packet->header, size = packet->length - header, field;
	struct tail *data = tail();
	__u8 octets[2] ALIGNED;

	if (!data || packet->family != 4 || packet->segment != packet->length || bpf_skb_load_bytes(skb, packet->at + 6, octets, 2) < 0)
		return 0;
	field = half_at(octets);
	if ((field & DONT_FRAGMENT) || packet->mtu < header + UNIT || header > IP_HEADER_MOST || size == 0 || size > MAX_DATA)
		return 0;
	/* The device would sum up a part. Such a packet comes from an endpoint's own stack, which cuts by itself when it is told. */
	if (size / ((packet->mtu - header) & ~(UNIT - 1U)) >= MAX_PARTS - 1 || leaves_checksum(skb))
		return 0;
	write_ttl(skb, packet, packet->ttl);
	if (packet->clamp != NONE)
		clamp_mss(skb, packet, packet->clamp < packet->mtu ? packet->clamp : packet->mtu);
	__builtin_memset(cutting->first, 0, sizeof(cutting->first));
	if (bpf_skb_load_bytes(skb, packet->at, cutting->first, COUNT_WITHIN(header, 64)) < 0)
		return 0;
	if (bpf_skb_load_bytes(skb, packet->at + header, data->octets, COUNT_WITHIN(size, MAX_DATA)) < 0)
		return 0;
	cutting->header = header;
	cutting->mtu = packet->mtu;
	cutting->next = 0;
	cutting->end = size;
	cutting->base = field & OFFSET;
	cutting->has_more = (field & MORE_FRAGMENTS) != 0;
	copy_header(cutting);
	return 1;
}

/* Cuts the packet in hand, which is larger than its way takes, and sends the parts that way. `outer`: family of the header it came behind, 0 without */
__noinline int cut(struct __sk_buff *skb, int way, __u32 outer)
{
	struct work *work = current_work();
	struct part_way part = {};

	if (!work || !begin_to_cut(skb, work))
		return REASON_MTU_EXCEEDED;
	part.way = way;
	part.target = work->target;
	part.hash = work->hash;
	if (outer && strip(skb, &work->packet, outer) < 0)
		return REASON_QUEUE_FULL;
	if (bpf_skb_store_bytes(skb, 0, &part, sizeof(part), 0) < 0)
		return REASON_QUEUE_FULL;
	for (__u64 parts = 0; parts < MAX_PARTS; parts++) {
		if (work->cutting.next >= work->cutting.end)
			break;
		if (!cut_part(skb))
			return REASON_QUEUE_FULL;
	}
	return CUT;
}
