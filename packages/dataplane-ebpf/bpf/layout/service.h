// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Services and NAT pools, and the flows that they translate. */
#pragma once

#include <linux/types.h>

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
