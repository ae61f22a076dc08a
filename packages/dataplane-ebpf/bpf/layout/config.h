// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What holds for the whole router, and the slots of the contract's lists. */
#pragma once

#include <linux/types.h>

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
	REASON_KERNEL_SOCKET,
	REASON_KERNEL_CHECKSUM,
	REASON_KERNEL_DEVICE,
	REASON_EGRESS_RATE,
	REASON_INGRESS_RATE,
};

/* Room for reasons that only a discard next hop of the tables names, and for those to come. */
#define MAX_REASONS 64

/* Slots of ENCAPSULATIONS. */
enum encapsulation { MPLS_UDP, MPLS_GRE, MPLS, VXLAN, MPLS_UDP_JOINT };

/* Beside the bits of `encapsulations`: there are VNIs. Without one, no VXLAN that comes in is ours. */
#define HAS_VNIS 0x80000000

/*
 * Bits of `avoided`; the third one between endpoints alone, the fourth on the way from tunnel to tunnel, the last one while the kernel joins what comes behind
 * joint labels, which is not to be sent on then.
 */
enum avoided { AVOID_DECAP_L3 = 1, AVOID_REDIRECT_PEER = 2, AVOID_LOCAL_REDIRECT_PEER = 4, AVOID_XDP_TX = 8, AVOID_JOINED = 16 };

/* Bits of `observes`: a port is mirrored; there are traces. */
enum observed { OBSERVES_PORTS = 1, OBSERVES_TRACES = 2 };

struct config {
	/* These two stay where they are: releases of other layouts look up what uplink this one had. */
	__u32 layout_version;
	__u32 uplink;
	__u64 generation;
	/* Octets of the largest packet that the underlay takes, and that the uplink ports of the tables take; outer headers included. */
	__u32 underlay_mtu;
	__u32 uplink_mtu;
	/* A bit a slot of ENCAPSULATIONS, and HAS_VNIS. */
	__u32 encapsulations;
	/* A bit a kernel feature to do without. */
	__u32 avoided;
	/* Whether there is a service or a pool. */
	__u32 translates;
	/* Changes with every change of a table: what was remembered of decisions holds no more. 0: nothing is remembered. */
	__u32 epoch;
	/* Bits of `observed`; while there are any, every packet takes the general way. */
	__u32 observes;
	/* How far the hash of a flow is shifted to tell its place: 0 as long as nobody has said it, when there is none. */
	__u32 place_shift;
	/* Counts of the transactions that changed policies, and services or pools. */
	__u32 policy_version;
	__u32 nat_version;
	/* Liveness objects that are down: as long as there is none, no program looks for one. */
	__u32 down;
	/* Counts changes of `watches`, which the process makes, and of `liveness`, which the keeper of BFD sessions makes. */
	__u32 watch_version;
	__u32 liveness_version;
	/* What the keeper is to do, and a number of what it is: its software, and the VRF of its sockets. */
	__u32 keeper_order;
	__u32 keeper_version;
	__u32 reserved;
};
