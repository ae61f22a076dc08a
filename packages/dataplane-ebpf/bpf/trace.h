// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets that a trace tells of: the filters are asked when a packet comes, what it came to is told when that is known, as one record of a ring for all
 * traces that it fits. What the process does not read in time is lost, and shows as a gap.
 */
#pragma once

#include "note.h"
#include "parse.h"
#include "rules.h"

/* Packets a second of all traces together. */
#define TRACED_PER_SECOND 1000
#define SECOND 1000000000ULL
/* Labels passed over on the way to the packet inside. */
#define MAX_TRACED_DEPTH 16

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} traced_packets SEC(".maps");

/* How many were told in the second at hand. */
struct told_count {
	__u64 second;
	__u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct told_count);
} told_counts SEC(".maps");

static __always_inline int has_end(const struct prefix *end, const struct tuple *tuple)
{
	return is_covered(end, tuple->family, tuple->source) || is_covered(end, tuple->family, tuple->destination);
}

/* Whether the packet, which `work->opener` tells, is what the filter takes, as far as shows when it comes. */
static __always_inline int fits_filter(const struct trace_filter *filter, const struct work *work, const struct traced *traced)
{
	const struct tuple *tuple = &work->opener;

	if (!traced->is_read)
		return (filter->end_count == NONE || !filter->end_count) && filter->protocol == NONE && filter->port == NONE;
	if (filter->protocol != NONE && filter->protocol != tuple->protocol)
		return 0;
	if (filter->port != NONE &&
	    (tuple->icmp_type != NONE || (filter->port != tuple->source_port && filter->port != tuple->destination_port)))
		return 0;
#pragma unroll
	for (__u32 index = 0; index < MAX_TRACE_ENDS; index++)
		if (filter->end_count != NONE && index < filter->end_count && !has_end(&filter->ends[index], tuple))
			return 0;
	return 1;
}

static long try_filter(struct bpf_map *map, __u32 *index, struct trace_filter *filter, void *context)
{
	struct traced *traced = current_traced();
	struct work *work = current_work();

	if (traced && work && filter->is_there && fits_filter(filter, work, traced))
		traced->fitting |= 1U << (*index & 31);
	return 0;
}

/* Where the packet inside the tunnel begins; 0 when its labels have no end. */
static __always_inline __u32 inner_of(struct __sk_buff *skb, const struct outer *outer)
{
	__u8 octets[4] ALIGNED;

	if (outer->encapsulation == VXLAN)
		return outer->at + VXLAN_HEADER + ETHERNET;
	for (int depth = 0; depth < MAX_TRACED_DEPTH; depth++) {
		__u32 next = outer->at + (depth + 1) * LABEL_ENTRY;

		if (next > outer->end || bpf_skb_load_bytes(skb, next - LABEL_ENTRY, octets, 4) < 0)
			return 0;
		if (octets[2] & 1)
			return next;
	}
	return 0;
}

static __always_inline int keep_octets(struct __sk_buff *skb, struct traced *traced, __u32 at, __u32 end)
{
	traced->length = end > at ? end - at : 0;
	traced->kept = traced->length < MAX_TRACED ? traced->length : MAX_TRACED;
	if (traced->kept && bpf_skb_load_bytes(skb, at, traced->packet, COUNT_WITHIN(traced->kept, MAX_TRACED)) < 0)
		traced->kept = 0;
	return 0;
}

/*
 * Asks the traces about the packet in hand before any step has seen it.
 *
 * `port`, `vrf`: those it came from; NONE for what came from the underlay, whose outer headers were read
 */
__noinline int begin_trace(struct __sk_buff *skb, __u32 port, __u32 vrf)
{
	struct traced *traced = current_traced();
	struct work *work = current_work();
	__u32 at = ETHERNET, end = skb->len, inner = ETHERNET;

	if (!traced || !work)
		return 0;
	traced->port = port;
	traced->vrf = vrf;
	traced->fitting = traced->noted = 0;
	if (port == NONE) {
		at = work->outer.at;
		end = work->outer.end;
		inner = inner_of(skb, &work->outer);
		traced->encapsulation = work->outer.encapsulation;
		traced->family = work->outer.family;
		__builtin_memcpy(traced->source, work->outer.source, sizeof(traced->source));
	}
	/* The steps read it anew. */
	traced->is_read = inner && parse(skb, &work->packet, inner, end) == GOES_ON;
	if (traced->is_read)
		read_tuple(skb, &work->opener, inner, inner + work->packet.length);
	bpf_for_each_map_elem(&trace_filters, try_filter, 0, 0);
	if (!traced->fitting)
		return 0;
	keep_octets(skb, traced, at, end);
	work->is_traced = 1;
	return 0;
}

/* Of a trace that the packet fitted when it came: whether it still does, now that all is known. */
static long tell_trace(struct bpf_map *map, __u32 *index, struct trace_filter *filter, void *context)
{
	struct traced *traced = current_traced();
	struct work *work = current_work();
	__u32 place;

	if (!traced || !work || !filter->is_there || !(traced->fitting >> (*index & 31) & 1))
		return 0;
	if (filter->vrf != NONE && filter->vrf != (traced->vrf != NONE ? traced->vrf : work->packet.vrf))
		return 0;
	if (filter->dropped == 1 && traced->outcome != OUTCOME_DROP)
		return 0;
	place = traced->told_count;
	if (place >= MAX_TRACES)
		return 1;
	traced->told[place].trace = filter->trace;
	traced->told[place].sequence = __sync_fetch_and_add(&filter->sequence, 1);
	traced->told_count = place + 1;
	return 0;
}

static __always_inline int may_be_told(__u64 now)
{
	__u32 zero = 0;
	struct told_count *told = bpf_map_lookup_elem(&told_counts, &zero);

	if (!told)
		return 0;
	if (told->second != now / SECOND) {
		told->second = now / SECOND;
		told->count = 0;
	}
	return __sync_fetch_and_add(&told->count, 1) < TRACED_PER_SECOND;
}

/* Tells what became of the packet in hand. `result`: of its last step */
__noinline int end_trace(int result)
{
	struct traced *traced = current_traced();
	struct work *work = current_work();

	if (!traced || !work)
		return 0;
	work->is_traced = 0;
	traced->outcome = result == SENT ? (work->way == TO_TUNNEL ? OUTCOME_SEND : OUTCOME_DELIVER) : result == CUT ? OUTCOME_CUT : OUTCOME_DROP;
	traced->reason = result < 0 || result >= MAX_REASONS ? REASON_NO_NEXT_HOP : result;
	traced->told_count = 0;
	bpf_for_each_map_elem(&trace_filters, tell_trace, 0, 0);
	if (!traced->told_count)
		return 0;
	traced->time = bpf_ktime_get_ns();
	if (may_be_told(traced->time))
		bpf_ringbuf_output(&traced_packets, traced, sizeof(*traced), 0);
	return 0;
}
