// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Copies of packets of ports that are mirrored, into a ring that the process reads: what it does not read in time is lost. */
#pragma once

#include "maps.h"

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

static __always_inline int observes(void)
{
	struct config *config = configuration();

	return config && config->observes;
}

/* Copies the packet at `at` if the port is mirrored in the direction: 0 what it sends, 1 what it gets. */
__noinline int copy_packet(struct __sk_buff *skb, __u32 port, __u32 direction, __u32 at, __u32 length)
{
	struct observed_key key = { .port = port, .direction = direction };
	__u32 *snap = bpf_map_lookup_elem(&observed, &key), zero = 0, kept;
	struct copy_room *room = bpf_map_lookup_elem(&copy_rooms, &zero);

	if (!snap || !room)
		return 0;
	kept = length < *snap ? length : *snap;
	if (kept > MAX_COPY)
		kept = MAX_COPY;
	if (!kept || bpf_skb_load_bytes(skb, at, room->octets, COUNT_WITHIN(kept, MAX_COPY)) < 0)
		return 0;
	room->head.port = port;
	room->head.direction = direction;
	room->head.length = length;
	room->head.kept = kept;
	room->head.time = bpf_ktime_get_ns();
	return bpf_ringbuf_output(&copies, room, sizeof(room->head) + COUNT_WITHIN(kept, MAX_COPY), 0) < 0;
}
