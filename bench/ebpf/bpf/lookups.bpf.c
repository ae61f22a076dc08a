// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Random look-ups in the tables of a dataplane, and in the kernel's own trie with the same routes: so many in one run that the run's own cost is nothing. */
#include "../../../packages/dataplane-ebpf/bpf/kernel.h"
#include "../../../packages/dataplane-ebpf/bpf/lookup.h"

#include <stdbool.h>

#define LOOKUPS 1024

struct lpm_key {
	__u32 length;
	__u32 address;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1048576);
	__type(key, struct lpm_key);
	__type(value, __u32);
} lpm SEC(".maps");

struct lpm6_key {
	__u32 length;
	__u32 words[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1048576);
	__type(key, struct lpm6_key);
	__type(value, __u32);
} lpm6 SEC(".maps");

/* Of IPv6, `kernel.ts` knows it too: the second word is drawn, and the last two say an interface. */
#define NETWORK6 0x20010db8ULL
#define INTERFACE6 1

/* The routes' addresses, to look up in an order that no cache knows. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1048576);
	__type(key, __u32);
	__type(value, __u32);
} addresses SEC(".maps");

struct progress {
	__u32 state;
	__u32 count;
	/* So that no look-up is left out as useless. */
	__u32 sum;
	/* Addresses that the two do not answer alike. */
	__u32 differing;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct progress);
} progresses SEC(".maps");

/*
 * Takes an answer. One that is `waited` for is a part of where the next address is drawn from, though it changes nothing: no answer differs while time is taken,
 * which no compiler and no processor knows. Others are had while look-ups before them are still under way, as those of several packets may be.
 */
static __always_inline void take(struct progress *progress, __u32 answer, bool waited)
{
	progress->sum += answer;
	if (waited)
		progress->state += answer & progress->differing;
}

static __always_inline __u32 next_address(struct progress *progress)
{
	__u32 place, *address;

	progress->state = progress->state * 1664525 + 1013904223;
	place = ((__u64)progress->state * progress->count) >> 32;
	address = bpf_map_lookup_elem(&addresses, &place);
	return address ? *address : 0;
}

static __always_inline struct progress *the_progress(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&progresses, &zero);
}

static __always_inline __u32 lpm_of(__u32 address)
{
	struct lpm_key key = {.length = 32, .address = bpf_htonl(address)};
	__u32 *found = bpf_map_lookup_elem(&lpm, &key);

	return found ? *found : 0;
}

static __always_inline __u32 lpm6_of(__u32 word)
{
	struct lpm6_key key = {.length = 128, .words = {bpf_htonl(NETWORK6), bpf_htonl(word), 0, bpf_htonl(INTERFACE6)}};
	__u32 *found = bpf_map_lookup_elem(&lpm6, &key);

	return found ? *found : 0;
}

static __always_inline __u32 fib_of(struct vrf *vrf, __u32 address)
{
	return lookup4(vrf->root4, address);
}

static __always_inline __u32 fib6_of(struct vrf *vrf, __u32 word)
{
	return lookup6(vrf->root6, NETWORK6 << 32 | word, INTERFACE6);
}

/* Two programs of a kind of look-up, of the next `address` in the tables of a `vrf`. */
#define LOOK_UPS(name, answer)                                                                 \
	static __always_inline int look_up_##name(bool waited)                                 \
	{                                                                                      \
		struct progress *progress = the_progress();                                    \
		__u32 address, vrf_id = 1;                                                     \
		struct vrf *vrf = vrf_of(&vrf_id);                                             \
                                                                                               \
		for (int lookups = 0; progress && vrf && lookups < LOOKUPS; lookups++) {       \
			address = next_address(progress);                                      \
			take(progress, answer, waited);                                        \
		}                                                                              \
		return VERDICT_NEXT;                                                           \
	}                                                                                      \
                                                                                               \
	SEC("classifier")                                                                      \
	int random_##name(struct __sk_buff *skb)                                               \
	{                                                                                      \
		return look_up_##name(false);                                                  \
	}                                                                                      \
                                                                                               \
	SEC("classifier")                                                                      \
	int waited_##name(struct __sk_buff *skb)                                               \
	{                                                                                      \
		return look_up_##name(true);                                                   \
	}

/* What the drawing takes. */
LOOK_UPS(nothing, address)
LOOK_UPS(fib, fib_of(vrf, address))
LOOK_UPS(lpm, lpm_of(address))
LOOK_UPS(fib6, fib6_of(vrf, address))
LOOK_UPS(lpm6, lpm6_of(address))

/* Asks both for the next addresses in their order, `state` being how many have been: what answers wrongly is not to be timed. */
SEC("classifier")
int compare(struct __sk_buff *skb)
{
	__u32 vrf_id = 1, place, *address;
	struct progress *progress = the_progress();
	struct vrf *vrf = vrf_of(&vrf_id);

	for (int lookups = 0; progress && vrf && lookups < LOOKUPS; lookups++) {
		place = progress->state;
		address = bpf_map_lookup_elem(&addresses, &place);
		if (!address || place >= progress->count)
			break;
		if (fib_of(vrf, *address) != lpm_of(*address))
			progress->differing++;
		progress->state++;
	}
	return VERDICT_NEXT;
}

SEC("classifier")
int compare6(struct __sk_buff *skb)
{
	__u32 vrf_id = 1, place, *address;
	struct progress *progress = the_progress();
	struct vrf *vrf = vrf_of(&vrf_id);

	for (int lookups = 0; progress && vrf && lookups < LOOKUPS; lookups++) {
		place = progress->state;
		address = bpf_map_lookup_elem(&addresses, &place);
		if (!address || place >= progress->count)
			break;
		if (fib6_of(vrf, *address) != lpm6_of(*address))
			progress->differing++;
		progress->state++;
	}
	return VERDICT_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
