// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The neighbour on the way to another router, for a program that the kernel's own resolution does not follow: asked of the kernel's routes, and believed for a
 * few milliseconds, as long as a packet takes that is already on its way.
 */
#pragma once

#include "maps.h"

#define NEIGHBOURS 1024

/* Nanoseconds. */
#define BELIEVED 10000000ULL
/*
 * After which a packet goes by the kernel's own output: only what does has the kernel ask a neighbour whether it is still there (RFC 4861 §7.3.1), and learn
 * that another machine has its address now.
 */
#define CONFIRMED 5000000000ULL

#define ADDRESS_IPV4 2
#define ADDRESS_IPV6 10

/* Of a traffic class, without ECN: rules of the host may go by it. */
#define DSCP 0xfc

struct neighbour {
	__u32 local[4];
	__u32 remote[4];
	/* Nanoseconds of the coarse clock. */
	__u64 believed_until;
	__u64 confirmed_until;
	/* Of the neighbour and of the uplink, as they begin a frame. */
	__u8 addresses[12];
	/* Of the key: each class may have another neighbour, which has to be confirmed by a packet of that class. */
	__u32 traffic_class;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NEIGHBOURS);
	__type(key, __u32);
	__type(value, struct neighbour);
} neighbours SEC(".maps");

static __always_inline int is_neighbour_to(const struct neighbour *neighbour, const struct next_hop *hop, __u32 traffic_class)
{
	__u32 differs = neighbour->traffic_class ^ traffic_class;

#pragma unroll
	for (int word = 0; word < 4; word++)
		differs |= (neighbour->local[word] ^ hop->local[word]) | (neighbour->remote[word] ^ hop->remote[word]);
	return !differs;
}

/* Asks the kernel's routes for the neighbour; 0 while they do not know, or the host forwards nothing that comes in by the uplink. `context`: of the program */
static __always_inline int ask_routes(void *context, __u32 uplink, const struct next_hop *hop, struct bpf_fib_lookup *question)
{
	question->ifindex = uplink;
	question->family = hop->family == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
	question->l4_protocol = hop->encapsulation == MPLS_GRE ? PROTOCOL_GRE : PROTOCOL_UDP;
	/* An IPv4 address is the first word, of both. */
#pragma unroll
	for (int word = 0; word < 4; word++) {
		question->ipv6_src[word] = bpf_htonl(hop->local[word]);
		question->ipv6_dst[word] = bpf_htonl(hop->remote[word]);
	}
	return bpf_fib_lookup(context, question, sizeof(*question), BPF_FIB_LOOKUP_OUTPUT) == BPF_FIB_LKUP_RET_SUCCESS && question->ifindex == uplink;
}

/*
 * What is known of the neighbour to a far end for a traffic class, at one of its two places; 0 while both are those of others, which keep them as long as they
 * were confirmed for: of many that have their places in common two go by XDP, instead of none because each takes the other's.
 */
static __always_inline struct neighbour *known_neighbour(const struct next_hop *hop, __u32 traffic_class, __u64 now)
{
	__u32 sum = hop->remote[0] ^ hop->remote[1] ^ hop->remote[2] ^ hop->remote[3] ^ hop->local[0] ^ hop->local[3] ^ traffic_class << 24;
	__u32 place = (sum * 0x9e3779b1) >> 22, other = place ^ 1;
	struct neighbour *neighbour = bpf_map_lookup_elem(&neighbours, &place), *second = bpf_map_lookup_elem(&neighbours, &other);

	if (!neighbour || !second || is_neighbour_to(neighbour, hop, traffic_class))
		return neighbour;
	if (is_neighbour_to(second, hop, traffic_class))
		return second;
	if (now < neighbour->confirmed_until)
		neighbour = second;
	if (now < neighbour->confirmed_until)
		return 0;
	__builtin_memcpy(neighbour->local, hop->local, sizeof(hop->local));
	__builtin_memcpy(neighbour->remote, hop->remote, sizeof(hop->remote));
	neighbour->traffic_class = traffic_class;
	return neighbour;
}

/*
 * The neighbour on the way to the far end of a tunnel; 0 when the packet had better go by the kernel's own output. `outer_class`: traffic class of the header
 * that the packet gets
 */
static __always_inline struct neighbour *neighbour_to(struct xdp_md *xdp, __u32 uplink, const struct next_hop *hop, __u32 outer_class)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 traffic_class = outer_class & DSCP;
	struct neighbour *neighbour = known_neighbour(hop, traffic_class, now);
	struct bpf_fib_lookup question = {};

	if (!neighbour)
		return 0;
	if (now >= neighbour->confirmed_until) {
		neighbour->believed_until = 0;
		neighbour->confirmed_until = now + CONFIRMED;
		return 0;
	}
	if (now < neighbour->believed_until)
		return neighbour;
	if (hop->family == 4)
		question.tos = traffic_class;
	else
		question.flowinfo = bpf_htonl(traffic_class << 20);
	if (!ask_routes(xdp, uplink, hop, &question))
		return 0;
	__builtin_memcpy(neighbour->addresses, question.dmac, 6);
	__builtin_memcpy(neighbour->addresses + 6, question.smac, 6);
	neighbour->believed_until = now + BELIEVED;
	return neighbour;
}
