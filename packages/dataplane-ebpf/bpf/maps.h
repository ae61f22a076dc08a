// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The maps. A program sees an object before a change or after it, and reads that version of it as long as it runs. The FIB and the list of routes are arrays
 * that the process writes through its own memory.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "kernel.h"
#include "layout.h"

#define BLOCK 256

struct block {
	__u32 entries[BLOCK];
};

#define OBJECTS(name, key_type, value_type, count)                                                                                           \
	struct {                                                                                                                             \
		__uint(type, BPF_MAP_TYPE_HASH);                                                                                             \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                                                                        \
		__uint(max_entries, count);                                                                                                  \
		__type(key, key_type);                                                                                                       \
		__type(value, value_type);                                                                                                   \
	} name SEC(".maps")

/* Whether two keys, made of words, are the same. `size`: octets, a constant */
static __always_inline int is_same_key(const void *one, const void *other, __u32 size)
{
	const __u32 *a = one, *b = other;
	__u32 differs = 0;

#pragma unroll
	for (__u32 word = 0; word < size / 4; word++)
		differs |= a[word] ^ b[word];
	return !differs;
}

/*
 * Objects that programs read beside changes. The kernel gives the element of a hash that was replaced or deleted to the next one that is set in that hash, at
 * once (since Linux 6.1), while a program may be reading it: it would go on by another object. So each version of an object is an element of its own, which is
 * not written again (but for what an endpoint is known by) and, once nothing leads to it, deleted; behind that none is set before all programs have come to
 * their ends (src/tables/versioned-map.ts). The first map tells the number of the version, which may be another object's by the time it is read: the version
 * has its key. The value is before it, so that what is found is a value or none, without a sum that the verifier does not take of it.
 *
 * Where an object was written last of those with the same place in `numbers`, its number is there as well, and spares a search. A number of another object, or
 * of a version that was deleted, is not believed: the version has another key or is none. One of a former version of the same object is, until that is deleted or
 * the array is filled anew: as long as between two steps of a change, or, where the process ended there, until the next one opens the maps. `ONE_of` finds the
 * object; `ONE_at_once` without a frame of stack.
 */
#define SPARE_VERSIONS 1024
/* Of the maps that have most: with those, as many as a power of two. */
#define MOST_OBJECTS (131072 - SPARE_VERSIONS)
/* Times that a version is looked for whose number was another's, or that was replaced before it was found. */
#define VERSION_TRIES 8

#define VERSIONED_KINDS 9
#define NUMBERS_BITS 17

struct numbers {
	__u32 of[1 << NUMBERS_BITS];
};

/* Numbers of versions by kind and key; the process writes them through its own memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VERSIONED_KINDS);
	__type(key, __u32);
	__type(value, struct numbers);
} numbers SEC(".maps");

/* What `numbers` says of a key, made of words. `size`: octets, a constant */
static __always_inline __u32 likely_number(__u32 kind, const void *key, __u32 size)
{
	struct numbers *found = bpf_map_lookup_elem(&numbers, &kind);
	const __u32 *words = key;
	__u32 folded = 0;
	__u64 at;

	if (!found)
		return 0;
#pragma unroll
	for (__u32 word = 0; word < size / 4; word++)
		folded ^= words[word];
	at = folded ^ folded >> NUMBERS_BITS;
	/* Otherwise the compiler puts the mask before the sum, of which Linux 6.1 knows no bounds. */
	OPAQUE(at);
	return *(volatile __u32 *)&found->of[at & ((1 << NUMBERS_BITS) - 1)];
}

#define VERSIONED(kind, one, name, versions, key_type, value_type, count)                                                                    \
	struct one##_version {                                                                                                               \
		value_type value __attribute__((aligned(8)));                                                                                \
		key_type key __attribute__((aligned(8)));                                                                                    \
	};                                                                                                                                   \
	OBJECTS(name, key_type, __u32, count);                                                                                               \
	OBJECTS(versions, __u32, struct one##_version, (count) + SPARE_VERSIONS);                                                            \
	__noinline __u32 one##_number(const key_type *of)                                                                                    \
	{                                                                                                                                    \
		key_type key;                                                                                                                \
                                                                                                                                             \
		if (!of)                                                                                                                     \
			return 0;                                                                                                            \
		__builtin_memcpy(&key, of, sizeof(key));                                                                                     \
		_Pragma("clang loop unroll(disable)")                                                                                        \
		for (int try_ = 0; try_ < VERSION_TRIES; try_++) {                                                                           \
			__u32 *place = bpf_map_lookup_elem(&name, &key), number;                                                             \
			struct one##_version *version;                                                                                       \
                                                                                                                                             \
			if (!place)                                                                                                          \
				return 0;                                                                                                    \
			number = *(volatile __u32 *)place;                                                                                   \
			version = bpf_map_lookup_elem(&versions, &number);                                                                   \
			if (version && is_same_key(&version->key, &key, sizeof(key)))                                                        \
				return number;                                                                                               \
		}                                                                                                                            \
		return 0;                                                                                                                    \
	}                                                                                                                                    \
	static __always_inline value_type *one##_at_once(const key_type *key)                                                                \
	{                                                                                                                                    \
		__u32 number = likely_number(kind, key, sizeof(*key));                                                                       \
		struct one##_version *version = bpf_map_lookup_elem(&versions, &number);                                                     \
                                                                                                                                             \
		if (version && is_same_key(&version->key, key, sizeof(*key)))                                                                \
			return (value_type *)version;                                                                                        \
		number = one##_number(key);                                                                                                  \
		return bpf_map_lookup_elem(&versions, &number);                                                                              \
	}                                                                                                                                    \
	static __noinline value_type *one##_of(const key_type *key)                                                                          \
	{                                                                                                                                    \
		return one##_at_once(key);                                                                                                   \
	}                                                                                                                                    \
	/* Only so that a semicolon may stand behind it. */                                                                                  \
	struct one##_version

/* A number, which shows whose it is: of two that stood in one element no mixture fits. NONE where there is none. */
#define CHECKED(one, name, count)                                                                                                            \
	OBJECTS(name, __u32, struct checked, count);                                                                                         \
	__noinline __u32 one(__u32 key)                                                                                                      \
	{                                                                                                                                    \
		_Pragma("clang loop unroll(disable)")                                                                                        \
		for (int try_ = 0; try_ < VERSION_TRIES; try_++) {                                                                           \
			struct checked *found = bpf_map_lookup_elem(&name, &key);                                                            \
			__u32 value;                                                                                                         \
                                                                                                                                             \
			if (!found)                                                                                                          \
				return NONE;                                                                                                 \
			value = *(volatile __u32 *)&found->value;                                                                            \
			if (*(volatile __u32 *)&found->key == key && *(volatile __u32 *)&found->sum == (key ^ value))                        \
				return value;                                                                                                \
		}                                                                                                                            \
		return NONE;                                                                                                                 \
	}                                                                                                                                    \
	/* Only so that a semicolon may stand behind it. */                                                                                  \
	struct checked

/* In a full one the quietest go: remembering never fails. */
#define REMEMBERED(name, key_type, value_type, count)                                                                                        \
	struct {                                                                                                                             \
		__uint(type, BPF_MAP_TYPE_LRU_HASH);                                                                                         \
		__uint(max_entries, count);                                                                                                  \
		__type(key, key_type);                                                                                                       \
		__type(value, value_type);                                                                                                   \
	} name SEC(".maps")

VERSIONED(0, vrf, vrfs, vrf_versions, __u32, struct vrf, 16384);
VERSIONED(1, port, ports, port_versions, __u32, struct port, 16384);
VERSIONED(2, next_hop, next_hops, hop_versions, __u32, struct next_hop, MOST_OBJECTS);
VERSIONED(3, group, groups, group_versions, __u32, struct group, MOST_OBJECTS);
OBJECTS(watches, __u32, struct watch, 4096);
OBJECTS(liveness, __u32, struct liveness, 4096);
VERSIONED(4, label, labels, label_versions, __u32, struct label, MOST_OBJECTS);
VERSIONED(5, vni, vnis, vni_versions, __u32, struct vni, 16384);
OBJECTS(source_sets, __u32, struct source_set, 16384);
OBJECTS(source_hosts, struct source_host_key, __u32, 262144);
/* Host port of a VRF. */
CHECKED(host_of, hosts, 16384);
/* Underlay addresses of this router. */
OBJECTS(locals, struct local_key, __u32, 64);
/* What routers on the way said that paths from this router take, octets, until the process has read it. */
REMEMBERED(told_paths, struct local_key, __u32, 1024);
/* Port of a link, by its index; link of a port. */
CHECKED(port_of_device, devices, 16384);
VERSIONED(6, link, links, link_versions, __u32, struct link, 16384);
OBJECTS(requests, __u32, struct request, 16384);
/* What mirrors are asked for, as JSON, how many octets of a packet each gets, and which ports they are on. */
OBJECTS(mirrors, __u32, struct request, 1024);
OBJECTS(snap_lengths, __u32, __u32, 1024);
OBJECTS(observed, struct observed_key, __u32, 32768);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} copies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_TRACES);
	__type(key, __u32);
	__type(value, struct trace_filter);
} trace_filters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct source_net_key);
	__type(value, __u32);
} source_nets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct block);
} fib SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 262144);
	__type(key, __u32);
	__type(value, struct route_row);
} routes SEC(".maps");

/*
 * Places behind all reasons, which count frames that GRO has joined, in VXLAN or behind joint labels, and the tunnel cannot carry that they would go on by
 * (label.h), nor the host where it sends them on (ingress.bpf.c): the process then has it join no more.
 */
#define DROPPED_JOINED (MAX_REASONS - 1)
#define DROPPED_JOINED_LABELS (MAX_REASONS - 2)

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} drops SEC(".maps");

/* Atoms of all policies; the process writes them through its own memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct atom);
} atoms SEC(".maps");

OBJECTS(policies, __u32, struct policy, 32768);
OBJECTS(flow_counts, __u32, struct flow_count, 16384);
OBJECTS(rates, struct rate_key, struct rate, 32768);

REMEMBERED(flows, struct flow_key, struct flow, 65536);
REMEMBERED(fragments, struct flow_key, struct fragmented, 4096);

/* Backends of all services; the process writes them through its own memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 262144);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

VERSIONED(7, service, services, serv_versions, struct service_key, struct service, 8192);
OBJECTS(virtual_addresses, struct virtual_key, __u32, 8192);
VERSIONED(8, nat_pool, nat_pools, pool_versions, __u32, struct nat_pool, 16384);
/* Pool between two VRFs. */
OBJECTS(pools_between, struct pool_key, __u32, 16384);

/* Places of the tables of decisions (plain.h), where nobody says how many; a power of two. */
#define PLACES 1024

/* Counts flows that were opened whose replies have this place: what was decided about packets that look as those does not hold any more. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, __u32);
} openings SEC(".maps");

/* Two entries a flow. */
REMEMBERED(nat_flows, struct flow_key, struct nat_flow, 131072);
REMEMBERED(nat_fragments, struct flow_key, struct nat_fragment, 4096);
REMEMBERED(affinities, struct affinity_key, struct affinity, 65536);

/* Counters of objects: found by an object's slot, without a search. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 128);
	__type(key, __u32);
	__type(value, struct counts);
} counts SEC(".maps");

OBJECTS(port_counters, __u32, struct counted, 16384);
OBJECTS(vrf_counters, __u32, struct counted, 16384);
OBJECTS(label_counters, __u32, struct counted, 131072);
OBJECTS(next_hop_counters, __u32, struct counted, 131072);

/* Room for headers that are being written: more than a program's stack should give. */
struct scratch {
	union {
		__u8 octets[256];
		__u64 words[32];
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/*
 * Loops as long as a table says: the kernel goes through the places of this one and calls back with each, until it is told 1. `bpf_loop`, of Linux 5.17, needs
 * no table.
 */
#define MAX_TURNS 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_TURNS);
	__type(key, __u32);
	__type(value, __u32);
} turns SEC(".maps");

struct bpf_map;

/* Data of a packet that is cut; the kernel makes packets of this size at most. */
#define MAX_DATA 16384

struct tail {
	/* A part may begin anywhere, and for all that the verifier knows be as long as the whole. */
	__u8 octets[MAX_DATA * 2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tail);
} tails SEC(".maps");

/* Bucket of tokens for ICMP errors. */
struct error_budget {
	__u64 tokens;
	/* Nanoseconds; what was earned until then is among the tokens. */
	__u64 at;
};

#define ERROR_BUDGETS 1024

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ERROR_BUDGETS);
	__type(key, __u32);
	__type(value, struct error_budget);
} error_budgets SEC(".maps");

/* Counts a packet in a slot, without a call. */
static __always_inline void count_quickly(__u32 slot, __u64 octets)
{
	__u32 block = slot / COUNTS;
	struct counts *counts_ = bpf_map_lookup_elem(&counts, &block);

	if (!counts_)
		return;
	counts_->slots[slot % COUNTS].packets++;
	counts_->slots[slot % COUNTS].octets += octets;
}

__noinline int count_in(__u32 slot, __u64 octets)
{
	count_quickly(slot, octets);
	return 0;
}

/* Counts a packet for an object of the tables. */
#define COUNT(map, id, octets)                                                                                                               \
	do {                                                                                                                                 \
		__u32 key_ = id;                                                                                                             \
		struct counted *counted_ = bpf_map_lookup_elem(&map, &key_);                                                                 \
                                                                                                                                             \
		if (counted_)                                                                                                                \
			count_in(counted_->slot, octets);                                                                                    \
	} while (0)

static __always_inline struct config *configuration(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline struct scratch *scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}
