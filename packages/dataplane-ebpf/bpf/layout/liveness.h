// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Paths that are watched by BFD. */
#pragma once

#include <linux/types.h>

/* A path that is watched by BFD. */
struct watch {
	__u32 family;
	/* Bits of WATCH_FLAGS, which no program reads. */
	__u32 flags;
	__u32 local[4];
	__u32 remote[4];
	/* Microseconds between packets. */
	__u32 desired_min_tx;
	__u32 required_min_rx;
	/* Packets that may be missing before the path is down. */
	__u32 multiplier;
};

/* Slots of BFD_STATES. */
enum bfd_state { BFD_ADMIN_DOWN, BFD_DOWN, BFD_INIT, BFD_UP };

/* What a session came to: for programs whether it is down, the rest for whoever goes on with it. */
struct liveness {
	__u32 is_down;
	__u32 is_known;
	/* Times that it went down. */
	__u32 downs;
	enum bfd_state state;
	__u32 diagnostic;
	enum bfd_state remote_state;
	__u32 discriminator;
	__u32 remote_discriminator;
	/* Microseconds, as are those that are in use. */
	__u32 remote_min_rx;
	__u32 remote_desired_min_tx;
	__u32 remote_multiplier;
	__u32 remote_demand;
	__u32 polling;
	__u32 active_min_tx;
	__u32 active_min_rx;
};
