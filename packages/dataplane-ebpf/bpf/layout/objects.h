// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* VRFs, ports and their devices, labels and VNIs, and the tunnel sources that those name. */
#pragma once

#include <linux/types.h>

#include "address.h"
#include "policy.h"

#define MAX_ALLOWED_SOURCES 16
#define MAX_GATEWAYS 8
#define MAX_NAME 120
#define MAX_REQUEST 4000

enum port_kind { PORT_ENDPOINT, PORT_UPLINK, PORT_HOST };

struct vrf {
	/* See lookup.h; 0: the family has no routes. */
	__u32 root4;
	__u32 root6;
	__u32 name_length;
	__u8 name[MAX_NAME];
};

struct port {
	__u32 kind;
	__u32 vrf;
	/* Octets of the largest packet. */
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
	/* Whether its device carries frames of an Ethernet on which this router has an address. */
	__u32 has_link;
	__u8 link_mac[8];
	/* Directions in which it has a rate limit; see rate.h. */
	__u32 limits;
};

enum label_action { LABEL_PORT, LABEL_LOOKUP, LABEL_SWAP };

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
	__u32 reserved;
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
	/* 1 when the endpoint looks for its neighbours. */
	__u32 resolves;
	__u32 reserved;
	__u8 mac[8];
	__u8 peer_mac[8];
	/* Where an endpoint on Ethernet was last heard from, which programs write; read and written as one word. */
	__u8 endpoint_mac[8];
};

/* What `attachPort` was asked for, as JSON. */
struct request {
	__u32 length;
	__u8 text[MAX_REQUEST];
};
