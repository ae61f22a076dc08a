// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Random look-ups in the tables of a dataplane, and in the kernel's own trie with the same routes: so many in one run that the run's own cost is nothing. */
#include "../../../packages/dataplane-ebpf/bpf/kernel.h"
#include "../../../packages/dataplane-ebpf/bpf/lookup.h"

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

static __always_inline __u32 next_address(struct progress *progress)
{
	__u32 place, *address;

	progress->state = progress->state * 1664525 + 1013904223;
	place = ((__u64)progress->state * progress->count) >> 32;
	address = bpf_map_lookup_elem(&addresses, &place);
	return address ? *address : 0;
}

SEC("classifier")
int random_nothing(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct progress *progress = bpf_map_lookup_elem(&progresses, &zero);

	for (int lookups = 0; progress && lookups < LOOKUPS; lookups++)
		progress->sum += next_address(progress);
	return VERDICT_NEXT;
}

SEC("classifier")
int random_fib(struct __sk_buff *skb)
{
	__u32 zero = 0, vrf_id = 1;
	struct progress *progress = bpf_map_lookup_elem(&progresses, &zero);
	struct vrf *vrf = vrf_of(&vrf_id);

	for (int lookups = 0; progress && vrf && lookups < LOOKUPS; lookups++)
		progress->sum += lookup4(vrf->root4, next_address(progress));
	return VERDICT_NEXT;
}

SEC("classifier")
int random_lpm(struct __sk_buff *skb)
{
	struct lpm_key key = { .length = 32 };
	__u32 zero = 0, *found;
	struct progress *progress = bpf_map_lookup_elem(&progresses, &zero);

	for (int lookups = 0; progress && lookups < LOOKUPS; lookups++) {
		key.address = bpf_htonl(next_address(progress));
		found = bpf_map_lookup_elem(&lpm, &key);
		progress->sum += found ? *found : 0;
	}
	return VERDICT_NEXT;
}

SEC("classifier")
int random_fib6(struct __sk_buff *skb)
{
	__u32 zero = 0, vrf_id = 1;
	struct progress *progress = bpf_map_lookup_elem(&progresses, &zero);
	struct vrf *vrf = vrf_of(&vrf_id);

	for (int lookups = 0; progress && vrf && lookups < LOOKUPS; lookups++)
		progress->sum += lookup6(vrf->root6, NETWORK6 << 32 | next_address(progress), INTERFACE6);
	return VERDICT_NEXT;
}

static __always_inline __u32 lpm6_of(__u32 word)
{
	struct lpm6_key key = {.length = 128, .words = {bpf_htonl(NETWORK6), bpf_htonl(word), 0, bpf_htonl(INTERFACE6)}};
	__u32 *found = bpf_map_lookup_elem(&lpm6, &key);

	return found ? *found : 0;
}

SEC("classifier")
int random_lpm6(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct progress *progress = bpf_map_lookup_elem(&progresses, &zero);

	for (int lookups = 0; progress && lookups < LOOKUPS; lookups++)
		progress->sum += lpm6_of(next_address(progress));
	return VERDICT_NEXT;
}

/* Asks both for the next addresses in their order, `state` being how many have been: what answers wrongly is not to be timed. */
SEC("classifier")
int compare(struct __sk_buff *skb)
{
	struct lpm_key key = { .length = 32 };
	__u32 zero = 0, vrf_id = 1, place, *address, *found;
	struct progress *progress = bpf_map_lookup_elem(&progresses, &zero);
	struct vrf *vrf = vrf_of(&vrf_id);

	for (int lookups = 0; progress && vrf && lookups < LOOKUPS; lookups++) {
		place = progress->state;
		address = bpf_map_lookup_elem(&addresses, &place);
		if (!address || place >= progress->count)
			break;
		key.address = bpf_htonl(*address);
		found = bpf_map_lookup_elem(&lpm, &key);
		if (!found || lookup4(vrf->root4, *address) != *found)
			progress->differing++;
		progress->state++;
	}
	return VERDICT_NEXT;
}

SEC("classifier")
int compare6(struct __sk_buff *skb)
{
	__u32 zero = 0, vrf_id = 1, place, *address;
	struct progress *progress = bpf_map_lookup_elem(&progresses, &zero);
	struct vrf *vrf = vrf_of(&vrf_id);

	for (int lookups = 0; progress && vrf && lookups < LOOKUPS; lookups++) {
		place = progress->state;
		address = bpf_map_lookup_elem(&addresses, &place);
		if (!address || place >= progress->count)
			break;
		if (lookup6(vrf->root6, NETWORK6 << 32 | *address, INTERFACE6) != lpm6_of(*address))
			progress->differing++;
		progress->state++;
	}
	return VERDICT_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
