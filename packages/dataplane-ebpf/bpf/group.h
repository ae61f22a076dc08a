// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A member of a group for a flow: the one of its bucket, or, while that is not heard, the one of the next bucket whose member is. */
#pragma once

#include "maps.h"

/* Odd, so that every bucket is come to; far, so that the share of one that is gone spreads. */
#define PROBE 157

/* 1 or 0. A function of its own, and no branch on what it says: verifiers as old as Linux 6.1 would follow all that is heard, or not, one by one. */
__noinline __u32 is_heard(__u32 next_hop)
{
	struct next_hop *hop = next_hop_at_once(&next_hop);
	struct liveness *path;
	__u32 id;

	if (!hop || hop->liveness == NONE)
		return 1;
	id = hop->liveness;
	path = bpf_map_lookup_elem(&liveness, &id);
	return !path || !path->is_down;
}

/* Members that are heard, a bit each. */
__noinline __u64 heard_members(__u32 group_id)
{
	struct group *group = group_of(&group_id);
	__u64 heard = 0;

	if (!group)
		return 0;
	for (__u64 index = 0; index < MAX_MEMBERS; index++) {
		if (index >= group->count)
			break;
		heard |= (__u64)(is_heard(group->members[index].next_hop) & 1) << index;
	}
	return heard;
}

/* Next hop of the first bucket from `bucket` on whose member is heard: only the share of those that are not moves, and spreads over all others. */
__noinline __u32 choose_heard(__u32 group_id, __u32 bucket)
{
	struct group *group = group_of(&group_id);
	__u64 heard = heard_members(group_id);

	/* Those that are heard may be of a version of the group that had more. */
	if (group && group->count < MAX_MEMBERS)
		heard &= (1ULL << group->count) - 1;
	if (!group || !heard)
		return NONE;
	for (__u64 step = 0; step < BUCKETS; step++) {
		__u32 index = group->count == 1 ? 0 : group->buckets[(bucket + step * PROBE) & (BUCKETS - 1)];

		if (index < MAX_MEMBERS && heard >> index & 1)
			return group->members[index].next_hop;
	}
	/* One that no bucket fell to. */
	for (__u64 index = 0; index < MAX_MEMBERS; index++)
		if (heard >> index & 1)
			return group->members[index].next_hop;
	return NONE;
}

/* Next hop of the group for the flow; NONE without a usable member. */
static __always_inline __u32 choose(struct config *config, __u32 group_id, struct group *group, __u32 hash)
{
	__u32 index, scrambled;

	if (!group || !group->count)
		return NONE;
	/* Multiplied once more: the upper bits of the hash make the source port, and should not decide both. */
	scrambled = (hash ^ group->seed) * 0x9e3779b1;
	if (config && config->down)
		return choose_heard(group_id, scrambled >> 24);
	index = group->count == 1 ? 0 : group->buckets[(scrambled >> 24) & (BUCKETS - 1)];
	if (index >= MAX_MEMBERS || index >= group->count)
		return NONE;
	return group->members[index].next_hop;
}
