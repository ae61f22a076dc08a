// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the steps of a packet that is traced leave of themselves: for each one what it came to and by which objects, in figures; the process makes text of
 * it. Of all other packets each step asks one question, whose answer lies beside what it reads anyway.
 */
#pragma once

#include "packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traced);
} traced_rooms SEC(".maps");

static __always_inline struct traced *current_traced(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&traced_rooms, &zero);
}

/* Room for one more note, with an address that the kind of step has; 0 when there is none. */
static __always_inline struct note *new_note(enum note_kind kind, int result, __u32 first, __u32 second)
{
	struct traced *traced = current_traced();
	struct note *note;
	__u32 place;

	if (!traced)
		return 0;
	place = traced->noted;
	if (place >= MAX_NOTES)
		return 0;
	note = &traced->notes[place];
	traced->noted = place + 1;
	note->kind = kind;
	note->result = result;
	note->first = first;
	note->second = second;
	return note;
}

/* Writes a note with the address that its kind has: where the packet is for, or comes from, as it is now. */
__noinline int note_step(enum note_kind kind, int result, __u32 first, __u32 second)
{
	struct work *work = current_work();
	struct note *note = work ? new_note(kind, result, first, second) : 0;

	if (!note)
		return 0;
	note->family = kind == NOTE_OUTER ? work->outer.family : work->packet.family;
	if (kind == NOTE_OUTER)
		__builtin_memcpy(note->address, work->outer.source, sizeof(note->address));
	else if (kind == NOTE_PARSE || kind == NOTE_PORT || kind == NOTE_SOURCE || kind == NOTE_POOL)
		__builtin_memcpy(note->address, work->packet.source, sizeof(note->address));
	else
		__builtin_memcpy(note->address, work->packet.destination, sizeof(note->address));
	return 0;
}

/* Notes the next hop that a group led to; NONE: a label. */
__noinline int note_next_hop(__u32 group, __u32 next_hop)
{
	struct next_hop *hop = next_hop_of(&next_hop);

	return note_step(NOTE_NEXT_HOP, hop ? hop->action : NONE, group, next_hop);
}

/* Notes where a tunnel took the packet in hand, or why it did not. */
__noinline int note_tunnel(__u32 next_hop, int result, __u32 octets)
{
	struct next_hop *hop = next_hop_of(&next_hop);
	struct note *note;

	if (!hop || hop->action != ACTION_TUNNEL)
		return 0;
	note = new_note(NOTE_ENCAP, result, 0, octets);
	if (!note)
		return 0;
	note->first = hop->encapsulation | hop->label_count << 8;
	note->label = hop->vni != NONE ? hop->vni : hop->labels[0];
	note->family = hop->family;
	__builtin_memcpy(note->address, hop->remote, sizeof(note->address));
	return 0;
}

static __always_inline void note(const struct work *work, enum note_kind kind, int result, __u32 first, __u32 second)
{
	if (work->is_traced)
		note_step(kind, result, first, second);
}
