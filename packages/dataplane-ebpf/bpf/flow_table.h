// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Keys of what is remembered, and how long it is remembered without a packet. */
#pragma once

#include "tuple.h"

/* Milliseconds. RFC 5382 §5, REQ-5: established connections, and those that open or close. */
#define TCP_ESTABLISHED 7440000
#define TCP_TRANSITORY 240000
/* RFC 4787 §4.3, REQ-5. */
#define UDP_LIFETIME 300000
/* RFC 5508 §3.2, REQ-2. */
#define ICMP_LIFETIME 60000
#define OTHER_LIFETIME 600000
/* As long as a host waits for fragments (RFC 1122 §3.3.2). */
#define FRAGMENT_LIFETIME 60000
/* Of a port with more than half of its flows, what may well have ended is remembered for a sixteenth of its lifetime: all but connections that are established. */
#define CROWDED_SHIFT 4
/* For how long a count is believed, in `count_time`: six times as long as from one to the next. */
#define COUNT_LIFETIME 60

#define TCP_FIN_OR_RST 0x05
#define TCP_SYN_AND_ACK 0x12
#define TCP_SYN_ALONE 0x02

/* Bits of a flow's state: it was answered; it is closing; the lower end opened it; it was opened from the endpoint. */
#define FLOW_REPLIED 1
#define FLOW_CLOSING 2
#define FLOW_BY_LOWER 4
#define FLOW_OUT 8

static __always_inline __u64 milliseconds(void)
{
	return bpf_ktime_get_coarse_ns() / 1000000;
}

/* Time of counts, in 2^30 nanoseconds. */
static __always_inline __u32 count_time(void)
{
	return bpf_ktime_get_coarse_ns() >> 30;
}

/* Whether what was seen then is too old. Another CPU may have seen it since the clock was read: what is newer than now is not. */
static __always_inline int is_over(__u64 seen, __u64 lifetime)
{
	return seen + lifetime <= milliseconds();
}

/* Whether the source is the lower end, by address and then by port. */
static __always_inline int is_from_lower(const struct tuple *tuple)
{
#pragma unroll
	for (int word = 0; word < 4; word++)
		if (tuple->source[word] != tuple->destination[word])
			return tuple->source[word] < tuple->destination[word];
	return tuple->source_port <= tuple->destination_port;
}

/* Key of a flow in one direction: that of the packet, or the other one. */
static __always_inline void write_key(struct flow_key *key, __u32 zone, const struct tuple *tuple, int is_forward)
{
	key->zone = zone;
	key->protocol = tuple->protocol;
	key->family = tuple->family;
#pragma unroll
	for (int word = 0; word < 4; word++) {
		key->low[word] = is_forward ? tuple->source[word] : tuple->destination[word];
		key->high[word] = is_forward ? tuple->destination[word] : tuple->source[word];
	}
	key->ports = is_forward ? tuple->source_port << 16 | tuple->destination_port : tuple->destination_port << 16 | tuple->source_port;
}

/* Place of a flow in tables without searches. */
static __always_inline __u32 flow_place(const struct config *config, __u32 ports, const __u32 *source, const __u32 *destination)
{
	__u32 sum = ports ^ source[0] ^ source[1] ^ source[2] ^ source[3];

	sum = sum * 0x9e3779b1 + (destination[0] ^ destination[1] ^ destination[2] ^ destination[3]);
	return sum * 0x85ebca6b >> (config->place_shift & 31);
}

/* Key of the datagram that a fragment is a part of. */
static __always_inline void write_datagram_key(struct flow_key *key, __u32 zone, const struct tuple *tuple)
{
	write_key(key, zone, tuple, 1);
	key->protocol = tuple->carries;
	key->ports = tuple->identification;
}

/* What the packet says of its connection: one that its opener begins where another one has ended is as young as any. */
static __always_inline __u32 next_state(__u32 state, const struct tuple *tuple, int is_reply)
{
	if (!is_reply && tuple->protocol == PROTOCOL_TCP && (state & FLOW_CLOSING) && (tuple->flags & TCP_SYN_AND_ACK) == TCP_SYN_ALONE)
		return state & ~(FLOW_REPLIED | FLOW_CLOSING);
	if (is_reply)
		state |= FLOW_REPLIED;
	if (tuple->protocol == PROTOCOL_TCP && (tuple->flags & TCP_FIN_OR_RST))
		state |= FLOW_CLOSING;
	return state;
}

/*
 * Has a state that another CPU may change meanwhile, for a packet the other way, go from `before` to `next`: what is new is added to what is there. Only a
 * connection that begins anew takes something away. Returns what it is then.
 */
static __always_inline __u32 bring_state(__u32 *state, __u32 before, __u32 next)
{
	if (before & ~next)
		*(volatile __u32 *)state = next;
	else if (next & ~before)
		__sync_fetch_and_or(state, next);
	return *(volatile __u32 *)state;
}

static __always_inline __u32 lifetime_of(__u32 state, __u32 protocol)
{
	if (protocol == PROTOCOL_TCP)
		return (state & (FLOW_REPLIED | FLOW_CLOSING)) == FLOW_REPLIED ? TCP_ESTABLISHED : TCP_TRANSITORY;
	if (protocol == PROTOCOL_UDP)
		return UDP_LIFETIME;
	return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6 ? ICMP_LIFETIME : OTHER_LIFETIME;
}
