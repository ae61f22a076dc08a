// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Step 6, lookup: the longest prefix of an address in a multibit trie that the process writes through its own memory.
 *
 *     root      0                 no routes
 *               block + 1         the root is the block: 8 bits of the address
 *               | LARGE           the root is 256 blocks: 16 bits
 *     entry     0                 no prefix covers the address
 *               value + 1         the value of the longest prefix
 *               CHILD | index     go on in the block `index` behind the root
 */
#pragma once

#include "maps.h"

#define NO_MATCH 0xffffffff
#define LARGE 0x80000000
#define CHILD 0x80000000

static __always_inline __u32 entry_at(__u32 block, __u32 index)
{
	struct block *found = bpf_map_lookup_elem(&fib, &block);

	return found ? *(volatile __u32 *)&found->entries[index & 0xff] : 0;
}

__noinline __u32 lookup4(__u32 root, __u32 address)
{
	__u32 base = (root & ~LARGE) - 1, children = base + 1, shift = 16, entry;

	if (!root)
		return NO_MATCH;
	if (root & LARGE) {
		entry = entry_at(base + (address >> 24), address >> 16);
		children = base + 256;
		shift = 8;
	} else {
		entry = entry_at(base, address >> 24);
	}
	for (int level = 0; level < 3; level++) {
		if (!(entry & CHILD))
			break;
		entry = entry_at(children + (entry & ~CHILD), address >> shift);
		shift -= 8;
	}
	/* A child at the last level is what a reader sees whose blocks were given to another table meanwhile. */
	return entry & CHILD ? NO_MATCH : entry - 1;
}

__noinline __u32 lookup6(__u32 root, __u64 high, __u64 low)
{
	__u32 base = (root & ~LARGE) - 1, children = base + 1, bit = 8, entry;

	if (!root)
		return NO_MATCH;
	if (root & LARGE) {
		entry = entry_at(base + (high >> 56), high >> 48);
		children = base + 256;
		bit = 16;
	} else {
		entry = entry_at(base, high >> 56);
	}
	for (int level = 0; level < 15; level++) {
		if (!(entry & CHILD) || bit > 120)
			break;
		entry = entry_at(children + (entry & ~CHILD), bit < 64 ? high >> (56 - bit) : low >> ((120 - bit) & 63));
		bit += 8;
	}
	return entry & CHILD ? NO_MATCH : entry - 1;
}
