// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Policies, and the flows that they allowed. */
#pragma once

#include <linux/types.h>

#include "address.h"

/*
 * Rules of a policy, one atom behind the other: an ATOM_RULE, and the alternatives of its conditions. A rule fits when of each kind of condition that
 * it has an alternative does.
 */
enum atom_kind { ATOM_RULE, ATOM_PEER, ATOM_LOCAL, ATOM_PORTS, ATOM_SOURCE_PORTS, ATOM_ICMP };

struct atom {
	__u32 kind;
	/* Of ATOM_RULE: the verdict, the protocol or NONE, and a bit for each kind of condition that it has. Otherwise first and last, or type and code. */
	__u32 first;
	__u32 second;
	__u32 conditions;
	struct prefix prefix;
	/* Of ATOM_RULE: the mirror that gets copies, plus one; 0: none. Likewise below. */
	__u32 mirror;
	__u32 reserved;
};

struct policy {
	__u32 port;
	__u32 direction;
	__u32 allows;
	/* Place of the atoms in their map. */
	__u32 atom;
	__u32 atom_count;
};

/* Of a port, in one direction. */
struct port_policy {
	__u32 is_there;
	/* What is said of a flow that no rule fits. */
	__u32 allows;
	__u32 atom;
	__u32 atom_count;
};

/* Of a policy, and of a port's policies. */
enum direction { DIRECTION_INGRESS, DIRECTION_EGRESS };

struct flow_key {
	__u32 zone;
	__u32 protocol;
	__u32 family;
	__u32 low[4];
	__u32 high[4];
	__u32 ports;
};

/* A flow that policies have allowed, remembered for both directions. Times are milliseconds of the kernel's clock. */
struct flow {
	__u64 seen;
	__u32 lifetime;
	__u32 state;
	/* Version of the policies that judged it. */
	__u32 version;
	/* Of the packet that opened it. */
	__u32 kind;
	__u32 icmp_type;
	__u32 icmp_code;
	/* Of the rule that judged, as in its atom. */
	__u32 mirror;
	__u32 reserved;
};

/* A datagram whose first fragment passed. */
struct fragmented {
	__u64 seen;
	/* `policy_since` of the port. */
	__u32 since;
	__u32 mirror;
};

/* Set in `recount` while nobody counts: the rest of it is when that was done last, in `count_time`. */
#define COUNTED 0x80000000

/* Flows of a port that has a limit: now, below zero where more have ended than were counted, and as far as they have been counted anew. */
struct flow_count {
	__u32 count;
	__u32 recount;
};
