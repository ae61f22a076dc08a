// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Mirrors and traces. */
#pragma once

#include <linux/types.h>

#include "address.h"

/* A port of which packets are copied, by direction; the value is how many octets at most. */
struct observed_key {
	__u32 port;
	__u32 direction;
};

/* What stands before a copy. */
struct copied {
	__u32 port;
	__u32 direction;
	/* That a rule named, plus one; 0: the port is mirrored. */
	__u32 mirror;
	__u32 reserved;
	/* Octets of the packet, and of those that are here. */
	__u32 length;
	__u32 kept;
	/* Nanoseconds of the monotonic clock. */
	__u64 time;
};

#define MAX_TRACES 16
#define MAX_TRACE_ENDS 4
/* Octets of a packet that are told, and steps. */
#define MAX_TRACED 128
#define MAX_NOTES 32

/* What a packet must be for a trace to tell of it; NONE: anything. */
struct trace_filter {
	__u32 is_there;
	__u32 trace;
	__u32 vrf;
	__u32 protocol;
	__u32 port;
	/* 1: only what is dropped. NONE: nothing was said. */
	__u32 dropped;
	__u32 end_count;
	/* Packets that fitted. */
	__u32 sequence;
	struct prefix ends[MAX_TRACE_ENDS];
};

enum outcome { OUTCOME_DELIVER, OUTCOME_SEND, OUTCOME_CUT, OUTCOME_DROP };

/* What a step tells; src/observe/trace-steps.ts makes text of it, and says there what `first` and `second` are. */
enum note_kind {
	NOTE_PARSE,
	NOTE_PORT,
	NOTE_FLOW,
	NOTE_SERVICE,
	NOTE_SOURCE,
	NOTE_POLICY,
	NOTE_MIRROR,
	NOTE_LOOKUP,
	NOTE_NEXT_HOP,
	NOTE_POOL,
	NOTE_ENCAP,
	NOTE_DELIVER,
	NOTE_CUT,
	NOTE_OUTER,
	NOTE_LABEL,
	NOTE_VNI,
	NOTE_INNER,
};

/* By what a policy judged, in the place of a rule's number. */
enum judge { JUDGED_BY_DEFAULT = 0xffff, JUDGED_BEFORE, JUDGED_RELATED, JUDGED_FOLLOWS, JUDGED_BROKEN, JUDGED_UNFILTERED };

struct note {
	__u32 kind;
	/* GOES_ON, SENT, CUT, or a drop reason. */
	__u32 result;
	__u32 first;
	__u32 second;
	__u32 label;
	__u32 family;
	__u32 address[4];
};

struct told {
	__u32 trace;
	__u32 sequence;
};

/* A packet, and what became of it. */
struct traced {
	__u64 time;
	/* NONE: it came from the underlay, by the encapsulation and from the source that follow. */
	__u32 port;
	__u32 encapsulation;
	__u32 family;
	__u32 source[4];
	/* That of its port, or NONE. */
	__u32 vrf;
	__u32 outcome;
	__u32 reason;
	/* Octets of the packet, and of those that are here. */
	__u32 length;
	__u32 kept;
	/* Whether there was an IP packet for filters to look at, and the filters that it fitted, a bit each. */
	__u32 is_read;
	__u32 fitting;
	__u32 told_count;
	__u32 noted;
	__u8 packet[MAX_TRACED];
	struct told told[MAX_TRACES];
	struct note notes[MAX_NOTES];
};
