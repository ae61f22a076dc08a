// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The chain of extension headers of an IPv6 packet (RFC 8200 §4), to what they carry. */
#pragma once

#include "packet.h"

#define MAX_EXTENSIONS 8
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
	__u8 octets[4] ALIGNED;

	if (bpf_skb_load_bytes(skb, at, octets, 4) < 0)
		return NO_EXTENSION;
	if (protocol == 44)
		return octets[0] | 8 << 8 | ((half_at(octets + 2) & 0xfff8) ? 1 << 24 : 0);
	return octets[0] | (octets[1] * 8 + 8) << 8;
}

/* A chain: protocol, offset << 8, and what it is. */
#define CHAIN_OFFSET 0xffffffULL
#define CHAIN_FRAGMENT (1ULL << 32)
/* What is at the offset is not the start of a datagram. */
#define CHAIN_LATER (1ULL << 33)
/* It is cut off, too long, or out of order. */
#define CHAIN_BROKEN (1ULL << 34)
/* Offset of the last fragment header. */
#define CHAIN_FRAGMENT_AT 40

__noinline __u64 walk_extensions(struct __sk_buff *skb, __u32 at, __u32 protocol, __u32 end)
{
	__u64 found = 0;

	for (int walked = 0; walked <= MAX_EXTENSIONS; walked++) {
		__u32 extension;

		if (!is_extension(protocol))
			return found | protocol | (__u64)at << 8;
		if (walked == MAX_EXTENSIONS || (protocol == 0 && walked > 0) || at + 8 > end)
			break;
		extension = extension_at(skb, at, protocol);
		if (extension == NO_EXTENSION || at + ((extension >> 8) & 0xffff) > end)
			break;
		if (protocol == 44)
			found = CHAIN_FRAGMENT | (__u64)at << CHAIN_FRAGMENT_AT;
		protocol = extension & 0xff;
		at += (extension >> 8) & 0xffff;
		if (extension >> 24)
			return found | CHAIN_LATER | protocol | (__u64)at << 8;
	}
	return CHAIN_BROKEN;
}
