// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Next hops, groups of them, and the routes that lead there. */
#pragma once

#include <linux/types.h>

#include "config.h"

#define MAX_LABELS 16
#define MAX_MEMBERS 64
/* Buckets that the flows of a group are spread over. */
#define BUCKETS 256
/* The longest headers: outer IPv6, UDP, a joint label and 16 others are 116 octets. */
#define MAX_HEADERS 128

enum action { ACTION_PORT, ACTION_TUNNEL, ACTION_LOOKUP, ACTION_LOCAL, ACTION_DISCARD };

struct next_hop {
	__u32 action;
	/* Port, VRF or drop reason. */
	__u32 target;
	__u32 has_reason;
	enum encapsulation encapsulation;
	__u32 family;
	__u32 uniform_ttl;
	__u32 uniform_class;
	/* Whether the outer header shows the ECN field (RFC 6040 §4.1). */
	__u32 normal_ecn;
	/* Octets of `headers`, and that the tunnel adds: the same, as long as there is an outer IP header. */
	__u32 size;
	__u32 label_count;
	/* Offset of the label stack in `headers`, behind a joint label. */
	__u32 stack;
	__u32 labels[MAX_LABELS];
	__u32 local[4];
	__u32 remote[4];
	/* NONE without. */
	__u32 vni;
	__u32 says_default;
	__u32 has_router_mac;
	/* Key of `liveness`, NONE without. */
	__u32 liveness;
	/* Largest packet that the path takes, outer headers included; 0: as large as the underlay takes. */
	__u32 path_mtu;
	__u8 router_mac[8];
	/* What is written before a packet, zeros where it depends on the packet. */
	__u8 headers[MAX_HEADERS] __attribute__((aligned(8)));
};

struct member {
	__u32 next_hop;
	__u32 weight;
};

struct group {
	__u32 seed;
	__u32 count;
	struct member members[MAX_MEMBERS];
	/* Flow to member. */
	__u8 buckets[BUCKETS];
};

/* A route as it was programmed; programs read the trie that is made of these. */
struct route_row {
	__u32 vrf;
	/* family << 8 | length; 0: the row is free. */
	__u32 prefix;
	__u32 address[4];
	__u32 group;
	__u32 reserved;
};
