// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Takes away what is too old, and counts the flows of ports that are left anew: what a full table had to forget was not taken from its port's count. Of
 * translated flows those go too whose service, backend or pool went. Run by the process, now and then and when services change, on frames with some elements of a map
 * each: the kernel holds off softirqs of the CPU meanwhile. They are copies: what has ended by one is looked at again, as it may be another flow by now, and what goes on is
 * not looked up, since a table that remembers would take that for use.
 */
#include "backend.h"
#include "policy.h"
#include "rewrite.h"

/* What the elements in a frame are, and what is done with them. */
enum swept { SWEPT_COUNTS_BEFORE = 1, SWEPT_FLOWS, SWEPT_COUNTS, SWEPT_NAT_FLOWS, SWEPT_AFFINITIES };

/* Where a frame has its kind, and where its elements. */
#define SWEPT_KIND ETHERNET
#define SWEPT_AT (ETHERNET + 2)

/* What callbacks are told. */
struct sweeping {
	struct __sk_buff *skb;
};

/* Copies the element whose turn it is; 0 behind the last. */
#define READ_SWEPT(sweeping, turn, entry) (bpf_skb_load_bytes((sweeping)->skb, SWEPT_AT + *(turn) * sizeof(entry), &(entry), sizeof(entry)) == 0)

struct swept_count {
	__u32 port;
	struct flow_count count;
};

/* What a process that ended had counted is forgotten. */
static long sweep_count_before(struct bpf_map *map, __u32 *turn, __u32 *value, struct sweeping *sweeping)
{
	struct swept_count entry;
	struct flow_count *count;

	if (!READ_SWEPT(sweeping, turn, entry))
		return 1;
	count = bpf_map_lookup_elem(&flow_counts, &entry.port);
	if (count)
		count->recount = 0;
	return 0;
}

static long sweep_count(struct bpf_map *map, __u32 *turn, __u32 *value, struct sweeping *sweeping)
{
	struct swept_count entry;
	struct flow_count *count;

	if (!READ_SWEPT(sweeping, turn, entry))
		return 1;
	count = bpf_map_lookup_elem(&flow_counts, &entry.port);
	if (count) {
		count->count = count->recount;
		count->recount = COUNTED | count_time();
	}
	return 0;
}

/* Whether a flow of the port has ended. Verified once, whatever is known where it is called. */
__noinline int is_allowed_no_more(const struct flow_key *key, const struct flow *flow)
{
	struct flow_count *count;
	struct port *port;
	__u32 zone, shift = 0;

	if (!key || !flow)
		return 1;
	zone = key->zone;
	port = port_of(&zone);
	if (!port || !port->policy_version || flow->version < port->policy_since)
		return 1;
	count = bpf_map_lookup_elem(&flow_counts, &zone);
	/* Less than nothing is left where the port has more than half of the flows that it may have; that has no branch, each of which the verifier follows. */
	if (count && flow->lifetime != TCP_ESTABLISHED)
		shift = ((__s64)port->max_flows - 2 * (__s64)(__s32)count->count) >> 63 & CROWDED_SHIFT;
	return is_over(flow->seen, flow->lifetime >> shift);
}

struct swept_flow {
	struct flow_key key;
	struct flow flow;
};

static long sweep_flow(struct bpf_map *map, __u32 *turn, __u32 *value, struct sweeping *sweeping)
{
	struct swept_flow entry;
	struct flow_count *count;
	struct flow *flow;

	if (!READ_SWEPT(sweeping, turn, entry))
		return 1;
	if (is_allowed_no_more(&entry.key, &entry.flow)) {
		flow = bpf_map_lookup_elem(&flows, &entry.key);
		if (!flow)
			return 0;
		if (is_allowed_no_more(&entry.key, flow)) {
			map_delete(&flows, &entry.key);
			return 0;
		}
	}
	count = bpf_map_lookup_elem(&flow_counts, &entry.key.zone);
	if (count)
		count->recount++;
	return 0;
}

/* Where a backend is looked for. */
struct seeking {
	__u32 first;
	__u32 count;
	__u32 port;
	__u32 address[4];
	__u32 is_found;
};

/* Backends that are looked at in one turn: a call costs more than one of them. */
#define SEEK_TOGETHER 8

static long seek_backends(struct bpf_map *map, __u32 *turn, __u32 *value, struct seeking *seeking)
{
#pragma unroll
	for (__u32 next = 0; next < SEEK_TOGETHER; next++) {
		__u32 index = *turn * SEEK_TOGETHER + next, place = seeking->first + index;
		struct backend *backend = index < seeking->count ? bpf_map_lookup_elem(&backends, &place) : 0;

		if (!backend)
			return 1;
		if (is_backend(backend, seeking->address, seeking->port)) {
			seeking->is_found = 1;
			return 1;
		}
	}
	return 0;
}

/* What becomes of the opening direction of a flow, as its entry says, or that of the replies to it. */
struct opened {
	/* Service, or POOL_ZONE and pool. */
	__u32 service;
	/* Zone of the replies. */
	__u32 zone;
	/* Ends that its packets get. */
	__u32 ports;
	const __u32 *source;
	const __u32 *destination;
};

/* Whether a flow of a service, whose opening direction has the key, still is one: the service is where it was, and has the backend. */
static __always_inline int is_served(const struct flow_key *key, const struct opened *opened)
{
	struct service_key place = { .vrf = key->zone, .family = key->family, .protocol = key->protocol, .port = key->ports & 0xffff };
	struct seeking seeking = { .port = opened->ports & 0xffff };
	struct service *service;

	__builtin_memcpy(place.address, key->high, sizeof(place.address));
	service = service_of(&place);
	if (!service || service->id != opened->service)
		return 0;
	seeking.first = service->backend;
	seeking.count = service->backend_count;
	__builtin_memcpy(seeking.address, opened->destination, sizeof(seeking.address));
	bpf_for_each_map_elem(&turns, seek_backends, &seeking, 0);
	return seeking.is_found;
}

/* Whether a flow that a pool hid still comes from it. */
static __always_inline int is_hidden(const struct flow_key *key, const struct opened *opened)
{
	__u32 id = opened->service & ~POOL_ZONE, port = opened->ports >> 16;
	struct nat_pool *pool = nat_pool_of(&id);

	return pool && pool->family == key->family && pool->outside == opened->zone && port >= pool->first && port <= pool->last &&
	       is_same_address(pool->address, opened->source);
}

/*
 * Whether an entry of a flow has ended: that of its opening direction tells of both. Replies without one may be those of a flow that is being opened; one that
 * goes on makes it anew before that is over.
 */
static __noinline int has_ended(const struct flow_key *key, const struct nat_flow *flow)
{
	struct opened opened = { .service = flow->service, .zone = flow->peer_zone, .ports = flow->ports, .source = flow->source, .destination = flow->destination };
	struct flow_key opening = *key;

	if (is_over(flow->seen, flow->lifetime))
		return 1;
	if (!(flow->state & NAT_OPENS)) {
		write_peer_key(&opening, key, flow);
		if (bpf_map_lookup_elem(&nat_flows, &opening))
			return 0;
		if (is_over(flow->seen, CLAIM_TIME))
			return 1;
		opened.zone = key->zone;
		opened.ports = swapped(key->ports);
		opened.source = key->high;
		opened.destination = key->low;
	}
	return !(flow->service & POOL_ZONE ? is_hidden(&opening, &opened) : is_served(&opening, &opened));
}

struct swept_nat_flow {
	struct flow_key key;
	struct nat_flow flow;
};

/* Whether an entry is of the other direction of the flow that has the key: a full table may have forgotten that one, and another flow have its ends by now. */
static __always_inline int is_other_direction(const struct nat_flow *found, const struct flow_key *key)
{
	return found->peer_zone == key->zone && found->ports == swapped(key->ports) && is_same_address(found->destination, key->low) &&
	       is_same_address(found->source, key->high);
}

static long sweep_nat(struct bpf_map *map, __u32 *turn, __u32 *value, struct sweeping *sweeping)
{
	struct swept_nat_flow entry;
	struct nat_flow *flow, *other;
	struct flow_key peer = {};

	if (!READ_SWEPT(sweeping, turn, entry))
		return 1;
	if (!has_ended(&entry.key, &entry.flow))
		return 0;
	flow = bpf_map_lookup_elem(&nat_flows, &entry.key);
	if (!flow || !has_ended(&entry.key, flow))
		return 0;
	if (flow->state & NAT_OPENS) {
		write_peer_key(&peer, &entry.key, flow);
		other = bpf_map_lookup_elem(&nat_flows, &peer);
		if (other && is_other_direction(other, &entry.key))
			map_delete(&nat_flows, &peer);
	}
	map_delete(&nat_flows, &entry.key);
	return 0;
}

struct swept_affinity {
	struct affinity_key key;
	struct affinity affinity;
};

static long sweep_affinity(struct bpf_map *map, __u32 *turn, __u32 *value, struct sweeping *sweeping)
{
	struct swept_affinity entry;
	struct affinity *affinity;

	if (!READ_SWEPT(sweeping, turn, entry))
		return 1;
	if (!is_over(entry.affinity.seen, entry.affinity.lifetime))
		return 0;
	affinity = bpf_map_lookup_elem(&affinities, &entry.key);
	if (affinity && is_over(affinity->seen, affinity->lifetime))
		map_delete(&affinities, &entry.key);
	return 0;
}

SEC("classifier")
int sweep(struct __sk_buff *skb)
{
	struct sweeping sweeping = { .skb = skb };
	__u8 kind = 0;

	bpf_skb_load_bytes(skb, SWEPT_KIND, &kind, sizeof(kind));
	if (kind == SWEPT_COUNTS_BEFORE)
		bpf_for_each_map_elem(&turns, sweep_count_before, &sweeping, 0);
	else if (kind == SWEPT_FLOWS)
		bpf_for_each_map_elem(&turns, sweep_flow, &sweeping, 0);
	else if (kind == SWEPT_COUNTS)
		bpf_for_each_map_elem(&turns, sweep_count, &sweeping, 0);
	else if (kind == SWEPT_NAT_FLOWS)
		bpf_for_each_map_elem(&turns, sweep_nat, &sweeping, 0);
	else if (kind == SWEPT_AFFINITIES)
		bpf_for_each_map_elem(&turns, sweep_affinity, &sweeping, 0);
	return VERDICT_NEXT;
}
