// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What lies in the maps. `src/layout/` has the same in TypeScript, and a test compares the two by the type information of the object file.
 * Numbers are little-endian, addresses are words with the most significant first, MAC addresses are octets. No structure has padding of the
 * compiler's making.
 */
#pragma once

#include <linux/types.h>

/* Changes with every change of this file, and of structures elsewhere that lie in maps: an older dataplane's pinned maps are not adopted. */
#define LAYOUT_VERSION 11

#define MAX_ALLOWED_SOURCES 16
#define MAX_GATEWAYS 8
#define MAX_LABELS 16
#define MAX_MEMBERS 64
#define MAX_NAME 120
#define MAX_REQUEST 4000
/* Buckets that the flows of a group are spread over. */
#define BUCKETS 256
/* The longest headers: outer IPv6, UDP and 16 labels are 112 octets. */
#define MAX_HEADERS 128
#define NONE 0xffffffff

/* Slots of DROP_REASONS. */
enum drop_reason {
	REASON_OUTER_MALFORMED,
	REASON_INNER_MALFORMED,
	REASON_LABEL_UNKNOWN,
	REASON_LABEL_SPECIAL,
	REASON_LABEL_STACK,
	REASON_TUNNEL_SOURCE,
	REASON_VNI_UNKNOWN,
	REASON_NO_ROUTE,
	REASON_DISCARD,
	REASON_NO_NEXT_HOP,
	REASON_SOURCE_ADDRESS,
	REASON_TTL_EXPIRED,
	REASON_MTU_EXCEEDED,
	REASON_FAMILY_UNSUPPORTED,
	REASON_DESTINATION_INVALID,
	REASON_LOOKUP_LOOP,
	REASON_ENCAPSULATION_UNSUPPORTED,
	REASON_QUEUE_FULL,
	REASON_PORT_DOWN,
	REASON_CONGESTION,
	REASON_POLICY,
	REASON_FLOW_LIMIT,
	REASON_FRAGMENT,
	REASON_NO_BACKEND,
	REASON_NAT_EXHAUSTED,
};

/* Room for reasons that only a discard next hop of the tables names, and for those to come. */
#define MAX_REASONS 64

/* Slots of ENCAPSULATIONS. */
enum encapsulation { MPLS_UDP, MPLS_GRE, MPLS, VXLAN };

enum action { ACTION_PORT, ACTION_TUNNEL, ACTION_LOOKUP, ACTION_LOCAL, ACTION_DISCARD };

enum label_action { LABEL_PORT, LABEL_LOOKUP, LABEL_SWAP };

enum port_kind { PORT_ENDPOINT, PORT_UPLINK, PORT_HOST };

/* Bits of `avoided`. */
enum avoided { AVOID_DECAP_L3 = 1, AVOID_REDIRECT_PEER = 2 };

/* Bits of `observes`: a port is mirrored; there are traces. */
enum observed { OBSERVES_PORTS = 1, OBSERVES_TRACES = 2 };

struct config {
	__u32 layout_version;
	__u32 uplink;
	__u64 generation;
	/* Largest packet that the underlay takes, and that the uplink ports of the tables take; outer headers included. */
	__u32 underlay_mtu;
	__u32 uplink_mtu;
	/* A bit a slot of ENCAPSULATIONS. */
	__u32 encapsulations;
	/* Counts the transactions that changed policies. */
	__u32 policy_version;
	/* A bit a kernel feature to do without. */
	__u32 avoided;
	/* Whether there is a service or a pool, and a count of the transactions that changed some. */
	__u32 translates;
	__u32 nat_version;
	/* Changes with every change of a table: what was remembered of decisions holds no more. 0: nothing is remembered. */
	__u32 epoch;
	/* Liveness objects that are down: as long as there is none, no program looks for one. */
	__u32 down;
	/* Counts changes of `watches`, which the process makes, and of `liveness`, which the keeper of BFD sessions makes. */
	__u32 watch_version;
	__u32 liveness_version;
	/* What the keeper is to do, and a number of the software that it is. */
	__u32 keeper_order;
	__u32 keeper_version;
	/* Bits of `observed`; while there are any, every packet takes the general way. */
	__u32 observes;
};

struct vrf {
	/* See lookup.h; 0: the family has no routes. */
	__u32 root4;
	__u32 root6;
	__u32 name_length;
	__u8 name[MAX_NAME];
};

struct prefix {
	__u32 family;
	__u32 length;
	__u32 address[4];
	__u32 mask[4];
};

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

struct port {
	__u32 kind;
	__u32 vrf;
	__u32 mtu;
	/* Families it carries: bit 0 IPv4, bit 1 IPv6. */
	__u32 carries;
	/* Whether TCP segments are clamped. */
	__u32 clamps;
	/* Whether the object said what is so anyhow: that segments are not clamped. Likewise below. */
	__u32 says_default;
	__u32 allowed_count;
	__u32 gateway_count;
	struct prefix allowed[MAX_ALLOWED_SOURCES];
	struct prefix gateways[MAX_GATEWAYS];
	struct port_policy policies[2];
	/* Version of the policies, and of the first that the port had in a row: flows that were judged before are nothing any more. 0: no policies. */
	__u32 policy_version;
	__u32 policy_since;
	/* NONE: as many as there is room for. */
	__u32 max_flows;
};

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
	/* Offset of the label stack in `headers`. */
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
	__u32 reserved;
	__u8 router_mac[8];
	/* What is written before a packet, zeros where it depends on the packet. */
	__u8 headers[MAX_HEADERS] __attribute__((aligned(8)));
};

/* A path that is watched by BFD. */
struct watch {
	__u32 family;
	__u32 is_multihop;
	__u32 local[4];
	__u32 remote[4];
	__u32 desired_min_tx;
	__u32 required_min_rx;
	__u32 multiplier;
};

/* Slots of BFD_STATES. */
enum bfd_state { BFD_ADMIN_DOWN, BFD_DOWN, BFD_INIT, BFD_UP };

/* What a session came to: for programs whether it is down, the rest for whoever goes on with it. */
struct liveness {
	__u32 is_down;
	__u32 is_known;
	/* Times that it went down. */
	__u32 downs;
	enum bfd_state state;
	__u32 diagnostic;
	enum bfd_state remote_state;
	__u32 discriminator;
	__u32 remote_discriminator;
	__u32 remote_min_rx;
	__u32 remote_desired_min_tx;
	__u32 remote_multiplier;
	__u32 remote_demand;
	__u32 polling;
	__u32 active_min_tx;
	__u32 active_min_rx;
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

struct label {
	__u32 action;
	/* Port, VRF or next hop. */
	__u32 target;
	__u32 sources;
	/* Whether the traffic class becomes that of the packet (RFC 3270 §2.6). */
	__u32 uniform_class;
	__u32 says_default;
};

struct vni {
	__u32 vrf;
	__u32 sources;
	__u8 router_mac[8];
};

/* Of a set of tunnel sources; its prefixes are entries of their own, each with its place in the list. */
struct source_set {
	__u32 count;
};

struct source_host_key {
	__u32 set;
	__u32 family;
	__u32 address[4];
};

/* Big-endian, as the kernel's tries compare. */
struct source_net_key {
	__u32 length;
	__u32 set;
	__u32 family;
	__u32 address[4];
};

struct local_key {
	__u32 family;
	__u32 address[4];
};

/* The device of a port: the end that this router holds, and the addresses of both ends. */
struct link {
	__u32 ifindex;
	__u32 peer_ifindex;
	__u32 peer_mtu;
	/* 1 when the endpoint's end is in the router's own namespace. */
	__u32 is_local;
	__u8 mac[8];
	__u8 peer_mac[8];
};

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

/* What `attachPort` was asked for, as JSON. */
struct request {
	__u32 length;
	__u8 text[MAX_REQUEST];
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

struct object_counters {
	__u64 packets;
	__u64 octets;
};

#define COUNTS 1024

/* A block of counters, which objects have slots of. */
struct counts {
	struct object_counters slots[COUNTS];
};

/* Slots of a port: what came from it, what went to it, and of what came from it, that which was dropped. */
enum port_slot { SLOT_RX, SLOT_TX, SLOT_DROPS };

/* The slots of an object, one behind the other, and what had been counted in them before it. */
struct counted {
	__u32 slot;
	__u32 reserved;
	struct object_counters before[3];
};

struct flow_key {
	__u32 zone;
	__u32 protocol;
	__u32 family;
	__u32 low[4];
	__u32 high[4];
	__u32 ports;
};

/* Where a service stands. */
struct service_key {
	__u32 vrf;
	__u32 family;
	__u32 address[4];
	__u32 protocol;
	__u32 port;
};

struct service {
	/* Milliseconds for which a client that was quiet comes to the same backend; 0: each flow is spread for itself. */
	__u64 affinity;
	__u32 id;
	__u32 seed;
	/* Whether clients are hidden behind the virtual address. */
	__u32 hides;
	__u32 says_default;
	/* Place of the backends in their map. */
	__u32 backend;
	__u32 backend_count;
	/* Whether all backends that take flows have the same weight. */
	__u32 is_even;
	__u32 reserved;
};

enum backend_state { BACKEND_READY, BACKEND_SAID_READY, BACKEND_DRAINING };

struct backend {
	__u32 address[4];
	__u32 port;
	__u32 weight;
	__u32 state;
	__u32 reserved;
};

/* An address that some service has; the value counts them. */
struct virtual_key {
	__u32 vrf;
	__u32 family;
	__u32 address[4];
};

struct nat_pool {
	__u32 vrf;
	__u32 outside;
	__u32 family;
	__u32 address[4];
	__u32 first;
	__u32 last;
};

/* Between which VRFs a pool stands. */
struct pool_key {
	__u32 vrf;
	__u32 outside;
	__u32 family;
};

/* Zones of pools, above those of VRFs: a flow is known by the pool on its way out, and by the outside VRF on its way back. */
#define POOL_ZONE 0x80000000

/* One direction of a flow whose ends are translated. Times are milliseconds of the kernel's clock. */
struct nat_flow {
	__u64 seen;
	/* When the other direction was last told. */
	__u64 told;
	__u32 lifetime;
	__u32 state;
	/* Ends that a packet of this direction gets. */
	__u32 source[4];
	__u32 destination[4];
	__u32 ports;
	/* Service, or POOL_ZONE and pool. */
	__u32 service;
	/* Zone of the other direction. */
	__u32 peer_zone;
	/* Who opened it, before any translation: what policies see. */
	__u32 client[4];
	__u32 client_port;
};

/* How the fragments of a datagram are translated. */
struct nat_fragment {
	__u64 seen;
	__u32 version;
	__u32 state;
	__u32 source[4];
	__u32 destination[4];
	__u32 client[4];
	__u32 service;
	__u32 reserved;
};

struct affinity_key {
	__u32 service;
	__u32 family;
	__u32 client[4];
};

/* The backend that a client came to. */
struct affinity {
	__u64 seen;
	__u64 lifetime;
	__u32 address[4];
	__u32 port;
	__u32 reserved;
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

/* Flows of a port that has a limit: now, and as far as they have been counted anew. */
struct flow_count {
	__u32 count;
	__u32 recount;
};
