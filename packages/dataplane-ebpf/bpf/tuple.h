// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Step 3, flow: what flow a packet belongs to, where policies or services want to know. */
#pragma once

#include "extension.h"

#define MORE_OR_OFFSET 0x3fff
#define OFFSET 0x1fff
/* A first fragment of TCP must reach behind the flags, and none may begin there (RFC 1858 §3.2, RFC 3128). */
#define TINY_TCP 16

static __always_inline int is_same_address(const __u32 *a, const __u32 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline int is_echo(__u32 family, __u32 type)
{
	return family == 4 ? type == 0 || type == 8 : type == 128 || type == 129;
}

static __always_inline int is_icmp_error(__u32 family, __u32 type)
{
	return family == 4 ? type == 3 || type == 4 || type == 5 || type == 11 || type == 12 : type < 128;
}

/* Reads what stands behind the IP headers. `offset`: octets of the datagram before this fragment */
static __always_inline void read_transport(struct __sk_buff *skb, struct tuple *tuple, __u32 at, __u32 end, __u32 offset)
{
	__u32 protocol = tuple->protocol;
	__u8 octets[16] ALIGNED = {};

	tuple->transport = at;
	if (offset) {
		tuple->kind = protocol == PROTOCOL_TCP && offset < TINY_TCP ? TUPLE_BROKEN : TUPLE_LATER;
		return;
	}
	if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP) {
		/* Of a quoted TCP header only the first 8 octets are sure to be there; the ports are told, and that the rest is not. */
		if (at + 8 > end || bpf_skb_load_bytes(skb, at, octets, 8) < 0)
			return;
		tuple->source_port = half_at(octets);
		tuple->destination_port = half_at(octets + 2);
		tuple->has_ports = 1;
		if (protocol != PROTOCOL_TCP) {
			tuple->kind = TUPLE_FLOW;
		} else if (at + TINY_TCP <= end && bpf_skb_load_bytes(skb, at, octets, 16) == 0) {
			tuple->flags = octets[13];
			tuple->kind = TUPLE_FLOW;
		}
		return;
	}
	if (protocol != (tuple->family == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6)) {
		tuple->kind = TUPLE_OTHER;
		return;
	}
	if (at + 8 > end || bpf_skb_load_bytes(skb, at, octets, 8) < 0)
		return;
	tuple->icmp_type = octets[0];
	tuple->icmp_code = octets[1];
	tuple->kind = TUPLE_OTHER;
	if (is_echo(tuple->family, octets[0])) {
		tuple->kind = TUPLE_FLOW;
		tuple->source_port = tuple->destination_port = half_at(octets + 4);
	} else if (is_icmp_error(tuple->family, octets[0])) {
		tuple->kind = TUPLE_ERROR;
	}
}

/* Reads an IPv4 header; where what it carries begins, 0 where it is broken. `offset`: octets of the datagram before that */
static __always_inline __u32 read_tuple_ipv4(struct __sk_buff *skb, struct tuple *tuple, __u32 at, __u32 *offset)
{
	__u8 octets[IPV4_HEADER] ALIGNED;
	__u32 fragment;

	if (bpf_skb_load_bytes(skb, at, octets, IPV4_HEADER) < 0)
		return 0;
	tuple->family = 4;
	tuple->source[0] = word_at(octets + 12);
	tuple->destination[0] = word_at(octets + 16);
	tuple->protocol = tuple->carries = octets[9];
	fragment = half_at(octets + 6);
	tuple->is_fragment = (fragment & MORE_OR_OFFSET) != 0;
	tuple->identification = half_at(octets + 4);
	*offset = (fragment & OFFSET) * 8;
	return at + (octets[0] & 15) * 4;
}

/* As `read_tuple_ipv4`, of IPv6 with its extension headers. */
static __always_inline __u32 read_tuple_ipv6(struct __sk_buff *skb, struct tuple *tuple, __u32 at, __u32 end, __u32 *offset)
{
	__u8 octets[IPV6_HEADER] ALIGNED;
	__u64 chain;

	if (bpf_skb_load_bytes(skb, at, octets, IPV6_HEADER) < 0)
		return 0;
	tuple->family = 6;
#pragma unroll
	for (int word = 0; word < 4; word++) {
		tuple->source[word] = word_at(octets + 8 + word * 4);
		tuple->destination[word] = word_at(octets + 24 + word * 4);
	}
	chain = walk_extensions(skb, at + IPV6_HEADER, octets[6], end);
	if (chain & CHAIN_BROKEN)
		return 0;
	tuple->protocol = chain & 0xff;
	if (chain & CHAIN_FRAGMENT) {
		if (bpf_skb_load_bytes(skb, chain >> CHAIN_FRAGMENT_AT, octets, 8) < 0)
			return 0;
		tuple->is_fragment = 1;
		tuple->identification = word_at(octets + 4);
		tuple->carries = octets[0];
		*offset = half_at(octets + 2) & 0xfff8;
	}
	return chain >> 8 & CHAIN_OFFSET;
}

/* Reads the IP packet between `at` and `end`, whose IP header has been checked. */
__noinline int read_tuple(struct __sk_buff *skb, struct tuple *tuple, __u32 at, __u32 end)
{
	__u32 transport, offset = 0;
	__u8 version;

	if (!tuple)
		return 0;
	__builtin_memset(tuple, 0, sizeof(*tuple));
	tuple->kind = TUPLE_BROKEN;
	tuple->icmp_type = tuple->icmp_code = NONE;
	if (bpf_skb_load_bytes(skb, at, &version, 1) < 0)
		return 0;
	if (version >> 4 == 4)
		transport = read_tuple_ipv4(skb, tuple, at, &offset);
	else
		transport = read_tuple_ipv6(skb, tuple, at, end, &offset);
	if (transport)
		read_transport(skb, tuple, transport, end, offset);
	return 0;
}

/*
 * Reads the flow of the packet that an ICMP error quotes; 0 when there is none. That packet went the other way, and may be cut off; its lengths are not
 * believed. An error that goes to anybody but the source of what it quotes is about no flow: it would carry what its sender likes to whomever it likes.
 */
static __always_inline int read_quoted(struct __sk_buff *skb, struct work *work, __u32 end)
{
	struct tuple *quoted;
	__u8 version;
	__u32 at;

	if (!work)
		return 0;
	quoted = &work->quoted;
	at = work->tuple.transport + 8;
	if (at + (work->tuple.family == 4 ? IPV4_HEADER : IPV6_HEADER) + 8 > end || bpf_skb_load_bytes(skb, at, &version, 1) < 0)
		return 0;
	if (version >> 4 != work->tuple.family)
		return 0;
	if (version >> 4 == 4 && ((version & 15) * 4 < IPV4_HEADER || at + (version & 15) * 4 + 8 > end))
		return 0;
	read_tuple(skb, quoted, at, end);
	if (quoted->kind == TUPLE_BROKEN && quoted->has_ports)
		quoted->kind = TUPLE_FLOW;
	return quoted->kind == TUPLE_FLOW && is_same_address(quoted->source, work->tuple.destination);
}

/* Reads the tuple of the packet in hand, once. */
static __always_inline void need_tuple(struct __sk_buff *skb, struct work *work)
{
	if (work->has_tuple)
		return;
	read_tuple(skb, &work->tuple, work->packet.at, work->packet.at + work->packet.length);
	work->has_tuple = 1;
}
