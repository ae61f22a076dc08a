// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Step 3, flow: nothing is remembered of a flow. Its hash chooses a member of a group and the UDP source port; it is that of the TypeScript
 * forwarder, bit by bit, so that a node can change its dataplane without moving flows.
 */
#pragma once

#include "extension.h"

static __always_inline __u32 mix(__u32 hash, __u32 word)
{
	__u32 scrambled = word * 0xcc9e2d51;
	__u32 next;

	scrambled = scrambled << 15 | scrambled >> 17;
	next = hash ^ scrambled * 0x1b873593;
	return (next << 13 | next >> 19) * 5 + 0xe6546b64;
}

static __always_inline __u32 finish(__u32 hash)
{
	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	return hash ^ hash >> 16;
}

static __always_inline __u32 with_ports(struct __sk_buff *skb, __u32 hash, __u32 protocol, __u32 at, __u32 end)
{
	__u8 ports[4] ALIGNED;

	hash = mix(hash, protocol);
	if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP && protocol != PROTOCOL_SCTP)
		return hash;
	if (at + 4 > end || bpf_skb_load_bytes(skb, at, ports, 4) < 0)
		return hash;
	return mix(hash, word_at(ports));
}

/* Hash of whatever lies between `at` and `end`; what is no IP packet has no addresses. */
__noinline __u32 flow_hash(struct __sk_buff *skb, __u32 at, __u32 end, __u32 seed)
{
	__u8 octets[IPV6_HEADER] ALIGNED;
	__u32 hash = seed, transport;
	__u64 chain;

	if (at + IPV4_HEADER > end || bpf_skb_load_bytes(skb, at, octets, IPV4_HEADER) < 0)
		return finish(hash);
	if (octets[0] >> 4 == 4) {
		hash = mix(mix(hash, word_at(octets + 12)), word_at(octets + 16));
		transport = half_at(octets + 6) & 0x3fff ? end : at + (octets[0] & 15) * 4;
		return finish(with_ports(skb, hash, octets[9], transport, end));
	}
	if (octets[0] >> 4 != 6 || at + IPV6_HEADER > end || bpf_skb_load_bytes(skb, at, octets, IPV6_HEADER) < 0)
		return finish(hash);
#pragma unroll
	for (int word = 0; word < 4; word++)
		hash = mix(mix(hash, word_at(octets + 8 + word * 4)), word_at(octets + 24 + word * 4));
	chain = walk_extensions(skb, at + IPV6_HEADER, octets[6], end);
	if (chain & CHAIN_BROKEN)
		return finish(mix(hash, 0));
	/* A fragment is hashed without ports, so that all fragments of a datagram go one way. */
	if ((chain & CHAIN_FRAGMENT) && bpf_skb_load_bytes(skb, chain >> CHAIN_FRAGMENT_AT, octets, 1) == 0)
		return finish(mix(hash, octets[0]));
	return finish(with_ports(skb, hash, chain & 0xff, chain >> 8 & CHAIN_OFFSET, end));
}

/* Hash of the packet in hand. */
static __always_inline __u32 packet_hash(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 end = packet->at + packet->length;

	if (packet->family == 6)
		return flow_hash(skb, packet->at, end, 0);
	return finish(with_ports(skb, mix(mix(0, packet->source[0]), packet->destination[0]), packet->protocol,
				 packet->is_fragment ? end : packet->at + packet->header, end));
}
