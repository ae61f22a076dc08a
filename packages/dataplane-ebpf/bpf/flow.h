// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Step 3, flow: nothing is remembered of a flow. Its hash chooses a member of a group and the UDP source port; it is that of the TypeScript
 * forwarder, bit by bit, so that a node can change its dataplane without moving flows.
 */
#pragma once

#include "packet.h"

#define MAX_EXTENSIONS 8

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
	__u8 ports[4];

	hash = mix(hash, protocol);
	if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP && protocol != PROTOCOL_SCTP)
		return hash;
	if (at + 4 > end || bpf_skb_load_bytes(skb, at, ports, 4) < 0)
		return hash;
	return mix(hash, word_at(ports));
}

#define NO_EXTENSION 0xffffffff

static __always_inline int is_extension(__u32 protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 60;
}

/*
 * The extension header at `at`: next protocol, octets << 8, and bit 24 when what follows is not the start of a datagram. A function that the verifier
 * looks at by itself, as are the other ones that are not static: walked as a part of its caller, every combination of headers is a path of its own.
 */
__noinline __u32 extension_at(struct __sk_buff *skb, __u32 at, __u32 protocol)
{
	__u8 octets[4];

	if (bpf_skb_load_bytes(skb, at, octets, 4) < 0)
		return NO_EXTENSION;
	if (protocol == 44)
		return octets[0] | 8 << 8 | ((half_at(octets + 2) & 0xfff8) ? 1 << 24 : 0);
	return octets[0] | (octets[1] * 8 + 8) << 8;
}

/* Hash of whatever lies between `at` and `end`; what is no IP packet has no addresses. */
__noinline __u32 flow_hash(struct __sk_buff *skb, __u32 at, __u32 end, __u32 seed)
{
	__u8 octets[IPV6_HEADER];
	__u32 hash = seed, fragmented = 0, protocol, transport;

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
	protocol = octets[6];
	transport = at + IPV6_HEADER;
	for (int walked = 0; walked <= MAX_EXTENSIONS; walked++) {
		__u32 extension;

		if (!is_extension(protocol))
			return finish(fragmented ? mix(hash, protocol) : with_ports(skb, hash, protocol, transport, end));
		if (walked == MAX_EXTENSIONS || (protocol == 0 && walked > 0) || transport + 8 > end)
			break;
		extension = extension_at(skb, transport, protocol);
		if (extension == NO_EXTENSION || transport + ((extension >> 8) & 0xffff) > end)
			break;
		/* A fragment is hashed without ports, so that all fragments of a datagram go one way. */
		fragmented |= protocol == 44;
		protocol = extension & 0xff;
		transport += (extension >> 8) & 0xffff;
		if (extension >> 24)
			return finish(mix(hash, protocol));
	}
	return finish(mix(hash, 0));
}
