// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What lies in the maps, by subject. `src/layout/structs/` has the same in TypeScript, and a test compares the two by the type information of the object
 * file. Numbers are little-endian, addresses are words with the most significant first, MAC addresses are octets. No structure has padding of the
 * compiler's making.
 */
#pragma once

#include "layout/address.h"
#include "layout/config.h"
#include "layout/counters.h"
#include "layout/liveness.h"
#include "layout/next_hop.h"
#include "layout/objects.h"
#include "layout/observe.h"
#include "layout/policy.h"
#include "layout/rate.h"
#include "layout/service.h"

/*
 * Changes with every change of these files, and of structures elsewhere that lie in maps: an older dataplane's pinned maps are not adopted. Not where these read
 * right all the same: a field in the place of a reserved one that says nothing as 0, or one more map, which begins empty and which who does not know it may leave
 * as it is.
 */
#define LAYOUT_VERSION 18
