// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Limits of how fast packets may come from a port and go to it. */
#pragma once

#include <linux/types.h>

/* Bits of a port's `limits`: 1 << DIRECTION_INGRESS, 1 << DIRECTION_EGRESS, and whether the object said anything of limits. */
#define LIMITS_SAID 4

struct rate_key {
	__u32 port;
	__u32 direction;
};

/* A limit. Times are nanoseconds of the kernel's clock. */
struct rate {
	/* When all that passed would have gone at the rate, which programs write. */
	__u64 time;
	__u64 bits_per_second;
	/* What a burst takes at the rate. */
	__u64 burst;
	__u32 burst_octets;
	__u32 reserved;
};
