// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counters of objects. */
#pragma once

#include <linux/types.h>

struct object_counters {
	__u64 packets;
	__u64 octets;
};

#define COUNTS 1024

/* A block of counters, which objects have slots of. */
struct counts {
	struct object_counters slots[COUNTS];
};

/* Slots of a port: what came from it, what went to it, and of what came from it, that which was dropped. */
enum port_slot { SLOT_RX, SLOT_TX, SLOT_DROPS };

/* The slots of an object, one behind the other, and what had been counted in them before it. */
struct counted {
	__u32 slot;
	__u32 reserved;
	struct object_counters before[3];
};
