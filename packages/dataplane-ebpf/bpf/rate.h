// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Limits of ports: policers by the generic cell rate algorithm, each with one word that all CPUs write (`RateLimit` in @heddle/core, docs/adr/0022). */
#pragma once

#include "maps.h"

/* Nanoseconds of an octet at one bit a second. */
#define OCTET_TIME 8000000000ULL
/* Each attempt that fails is a packet of another CPU that passed. */
#define RATE_ATTEMPTS 32

/*
 * Octets of the packets that one stands for: those that offload makes of it have its headers each.
 *
 * `segment`: octets of the largest, with its headers; `gso_size`: without, or 0
 */
static __always_inline __u32 octets_cut(__u32 length, __u32 segment, __u32 gso_size)
{
	__u32 headers = segment - gso_size;

	if (!gso_size || length <= segment)
		return length;
	return length + (length - headers - 1) / gso_size * headers;
}

/* Whether octets that come from a port, or go to it, are within its limit; then they count. */
__noinline int is_within_rate(__u32 port_id, enum direction direction, __u32 octets)
{
	struct rate_key key = { .port = port_id, .direction = direction };
	struct rate *rate = bpf_map_lookup_elem(&rates, &key);
	__u64 now, time, seen, cost;

	if (!rate || !rate->bits_per_second)
		return 1;
	cost = (OCTET_TIME * octets + rate->bits_per_second - 1) / rate->bits_per_second;
	now = bpf_ktime_get_ns();
	time = *(volatile __u64 *)&rate->time;
	for (__u64 attempts = 0; attempts < RATE_ATTEMPTS; attempts++) {
		if (time >= now + rate->burst)
			return 0;
		seen = __sync_val_compare_and_swap(&rate->time, time, (time > now ? time : now) + cost);
		if (seen == time)
			return 1;
		time = seen;
	}
	return 0;
}
