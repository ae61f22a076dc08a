// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sum of a stretch of a packet, for the few checksums that cover a payload. */
#pragma once

#include "kernel.h"
#include "maps.h"

#define CHUNK 128
/* 64 KiB: more than an IP packet has that is no longer than it says. */
#define MAX_CHUNKS 512

/* Adds up to 128 octets; a global function, which the verifier looks at once and not once a chunk. */
__noinline __u32 sum_chunk(struct __sk_buff *skb, __u32 at, __u32 left, __u32 sum)
{
	struct scratch *scratch_ = scratch();
	__u64 octets = left;

	if (!scratch_)
		return sum;
	__builtin_memset(scratch_->words, 0, CHUNK);
	if (octets > CHUNK)
		octets = CHUNK;
	if (octets == 0 || bpf_skb_load_bytes(skb, at, scratch_->octets, COUNT_WITHIN(octets, CHUNK)) < 0)
		return sum;
	return bpf_csum_diff(0, 0, (__be32 *)scratch_->octets, CHUNK, sum);
}

/* One's complement sum of the words between `at` and `end`, in network order; the last is filled up with zeros. */
__noinline __u32 sum_of(struct __sk_buff *skb, __u32 at, __u32 end)
{
	__u32 sum = 0;

	for (int chunk = 0; chunk < MAX_CHUNKS && at < end; chunk++) {
		sum = sum_chunk(skb, at, end - at, sum);
		at += CHUNK;
	}
	return sum;
}
