// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * An ICMP error about a translated flow: the packet that it quotes is the one that went the other way, with the ends that it had there. It is shown to its
 * receiver as it was sent (RFC 5508 §4).
 */
#pragma once

#include "ends.h"
#include "sum.h"

/* Sum of the ICMP message and, for IPv6, of its pseudo-header. */
__noinline __u32 sum_of_message(struct __sk_buff *skb, struct packet *packet, __u32 message)
{
	__u32 end, sum;

	if (!packet)
		return 0;
	end = packet->at + packet->length;
	sum = bpf_ntohs(folded(sum_of(skb, message, end)));

	if (packet->family == 4)
		return folded(sum);
	sum = bpf_csum_diff(0, 0, (__be32 *)packet->source, sizeof(packet->source) + sizeof(packet->destination), sum);
	return folded((__u64)sum + (end - message) + PROTOCOL_ICMPV6);
}

static __always_inline void turn(struct tuple *tuple)
{
	__u32 port = tuple->source_port;

#pragma unroll
	for (int word = 0; word < 4; word++) {
		__u32 swap = tuple->source[word];

		tuple->source[word] = tuple->destination[word];
		tuple->destination[word] = swap;
	}
	tuple->source_port = tuple->destination_port;
	tuple->destination_port = port;
}

/* The error goes to who sent the quoted packet; its own source changes only when it comes from the end that the packet was for, or has to be hidden. */
static __always_inline void rewrite_outer(struct __sk_buff *skb, struct work *work, int has_other_source)
{
	struct tuple *outer = &work->opener;

	copy_ends(outer, &work->tuple);
	if (has_other_source)
		__builtin_memcpy(outer->source, work->ends.destination, sizeof(outer->source));
	__builtin_memcpy(outer->destination, work->ends.source, sizeof(outer->destination));
	rewrite_ends(skb, work->packet.at, 0, &work->tuple, outer);
	take_addresses(skb, &work->packet, outer);
}

/* What policies know the quoted packet as: a reply that the client got is the backend's, the client's own packet is the one that it sent. */
static __always_inline void show_quoted(struct work *work, const struct nat_flow *flow)
{
	if (flow->state & NAT_OPENS) {
		__builtin_memcpy(work->quoted.source, work->ends.source, sizeof(work->quoted.source));
		work->quoted.source_port = work->ends.source_port;
		return;
	}
	if (is_pools(flow->service))
		return;
	__builtin_memcpy(work->quoted.source, flow->client, sizeof(work->quoted.source));
	work->quoted.source_port = flow->client_port;
}

/*
 * GOES_ON or a drop reason; a packet about nothing known stays as it is, without `has_quoted`.
 *
 * `zone`: VRF whose addresses it has, or what the pool is known by that it leaves through
 */
__noinline int translate_error(struct __sk_buff *skb, __u32 zone)
{
	struct work *work = current_work();
	struct nat_flow *flow;
	struct tuple *quoted;
	__u8 checksum[2] ALIGNED = {};
	int has_other_source, result;
	__u32 message;

	if (!work || !read_quoted(skb, work, work->packet.at + work->packet.length))
		return GOES_ON;
	quoted = &work->quoted;
	write_key(&work->key, zone, quoted, 0);
	flow = find_nat(&work->key);
	if (!flow)
		return GOES_ON;
	message = work->tuple.transport;
	if (sum_of_message(skb, &work->packet, message) != 0xffff)
		return REASON_INNER_MALFORMED;
	result = enter_inside(flow->state, flow->service);
	if (result != GOES_ON)
		return result;
	read_target(&work->ends, flow);
	/* Whoever behind a pool sent it: outside, only the pool's own address may show (RFC 5508 REQ-5). */
	has_other_source = is_pools(zone) || is_same_address(work->tuple.source, quoted->destination);
	/* The quoted packet goes against the entry: what the entry calls its destination is where the quoted packet came from. */
	turn(&work->ends);
	rewrite_ends(skb, message + 8, work->packet.at + work->packet.length, quoted, &work->ends);
	rewrite_outer(skb, work, has_other_source);
	bpf_skb_store_bytes(skb, message + 2, checksum, 2, BPF_F_RECOMPUTE_CSUM);
	put_half(checksum, ~sum_of_message(skb, &work->packet, message));
	bpf_skb_store_bytes(skb, message + 2, checksum, 2, BPF_F_RECOMPUTE_CSUM);
	show_quoted(work, flow);
	work->has_quoted = 1;
	__builtin_memcpy(work->tuple.source, work->packet.source, sizeof(work->tuple.source));
	__builtin_memcpy(work->tuple.destination, work->packet.destination, sizeof(work->tuple.destination));
	return GOES_ON;
}
