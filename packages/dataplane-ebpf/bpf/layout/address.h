// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Addresses as they stand in objects of all kinds. */
#pragma once

#include <linux/types.h>

/* No VRF, no VNI, no limit. */
#define NONE 0xffffffff

struct prefix {
	__u32 family;
	__u32 length;
	__u32 address[4];
	__u32 mask[4];
};

/* A number of a map whose elements go on to other keys while programs read them; see maps.h. `sum`: key and value, bit by bit without carry. */
struct checked {
	__u32 key;
	__u32 value;
	__u32 sum;
};
