// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Copies of packets of ports that are mirrored, and of flows that rules name a mirror for, into a ring that the process reads: what it does not read in time is lost. */
#pragma once

#include "note.h"

/* Octets of a packet that are copied at most; a power of two. */
#define MAX_COPY 16384

struct copy_room {
	struct copied head;
	__u8 octets[MAX_COPY];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct copy_room);
} copy_rooms SEC(".maps");

/* Bits of `enum observed`. */
static __always_inline __u32 observes(void)
{
	struct config *config = configuration();

	return config ? config->observes : 0;
}

/* Copies `length` octets at `at`, `snap` at most, behind what is written of them. */
static __always_inline void copy_octets(struct __sk_buff *skb, struct copy_room *room, __u32 at, __u32 length, __u32 snap)
{
	__u32 kept = length < snap ? length : snap;

	if (kept > MAX_COPY)
		kept = MAX_COPY;
	if (!kept || bpf_skb_load_bytes(skb, at, room->octets, COUNT_WITHIN(kept, MAX_COPY)) < 0)
		return;
	room->head.length = length;
	room->head.kept = kept;
	room->head.time = bpf_ktime_get_ns();
	/* Where nobody reads fast enough there is no copy. */
	bpf_ringbuf_output(&copies, room, sizeof(room->head) + COUNT_WITHIN(kept, MAX_COPY), 0);
}

/* Copies the packet at `at` if the port is mirrored in the direction: 0 what it sends, 1 what it gets. */
__noinline int copy_packet(struct __sk_buff *skb, __u32 port, __u32 direction, __u32 at, __u32 length)
{
	struct observed_key key = { .port = port, .direction = direction };
	__u32 *snap = bpf_map_lookup_elem(&observed, &key), zero = 0;
	struct copy_room *room = bpf_map_lookup_elem(&copy_rooms, &zero);

	if (!snap || !room)
		return 0;
	room->head.port = port;
	room->head.direction = direction;
	room->head.mirror = 0;
	copy_octets(skb, room, at, length, *snap);
	return 0;
}

/* Copies the packet in hand for the mirror of the rule that judged its flow. `direction`: as above */
__noinline int copy_judged(struct __sk_buff *skb, __u32 port, __u32 direction)
{
	struct work *work = current_work();
	__u32 zero = 0, mirror, *snap;
	struct copy_room *room = bpf_map_lookup_elem(&copy_rooms, &zero);

	if (!work || !room || !work->mirror)
		return 0;
	/* Decisions are remembered of flows that nobody copies. */
	work->is_mirrored = 1;
	note(work, NOTE_MIRROR, GOES_ON, work->mirror - 1, 0);
	mirror = work->mirror - 1;
	snap = bpf_map_lookup_elem(&snap_lengths, &mirror);
	if (!snap)
		return 0;
	room->head.port = port;
	room->head.direction = direction;
	room->head.mirror = work->mirror;
	copy_octets(skb, room, work->packet.at, work->packet.length, *snap);
	return 0;
}
