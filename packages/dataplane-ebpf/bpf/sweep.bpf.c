// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Takes away what is too old, and counts the flows of ports that are left anew: what a full table had to forget was not taken from its port's count. Of
 * translated flows those go too whose service, backend or pool went. Run by the process, now and then and when services change, on a packet that does not
 * matter.
 */
#include "backend.h"
#include "policy.h"
#include "rewrite.h"

static long sweep_flow(struct bpf_map *map, struct flow_key *key, struct flow *flow, void *context)
{
	struct flow_count *count = bpf_map_lookup_elem(&flow_counts, &key->zone);
	__u32 port_id = key->zone;
	struct port *port = port_of(&port_id);

	if (!port || !port->policy_version || flow->version < port->policy_since || is_over(flow->seen, flow->lifetime))
		map_delete(&flows, key);
	else if (count)
		count->recount++;
	return 0;
}

static long sweep_count(struct bpf_map *map, __u32 *port, struct flow_count *count, void *context)
{
	count->count = count->recount;
	count->recount = 0;
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

static long seek_backend(struct bpf_map *map, __u32 *turn, __u32 *value, struct seeking *seeking)
{
	__u32 place = seeking->first + *turn;
	struct backend *backend = *turn < seeking->count ? bpf_map_lookup_elem(&backends, &place) : 0;

	if (backend && is_backend(backend, seeking->address, seeking->port))
		seeking->is_found = 1;
	return !backend || seeking->is_found;
}

/* Whether a flow of a service, told by the entry of its opening direction, still is one: the service is where it was, and has the backend. */
static __always_inline int is_served(const struct flow_key *key, const struct nat_flow *flow)
{
	struct service_key place = { .vrf = key->zone, .family = key->family, .protocol = key->protocol, .port = key->ports & 0xffff };
	struct seeking seeking = { .port = flow->ports & 0xffff };
	struct service *service;

	__builtin_memcpy(place.address, key->high, sizeof(place.address));
	service = service_of(&place);
	if (!service || service->id != flow->service)
		return 0;
	seeking.first = service->backend;
	seeking.count = service->backend_count;
	__builtin_memcpy(seeking.address, flow->destination, sizeof(seeking.address));
	bpf_for_each_map_elem(&turns, seek_backend, &seeking, 0);
	return seeking.is_found;
}

/* Whether a flow that a pool hid still comes from it. */
static __always_inline int is_hidden(const struct flow_key *key, const struct nat_flow *flow)
{
	__u32 id = flow->service & ~POOL_ZONE, port = flow->ports >> 16;
	struct nat_pool *pool = nat_pool_of(&id);

	return pool && pool->family == key->family && pool->outside == flow->peer_zone && port >= pool->first && port <= pool->last &&
	       is_same_address(pool->address, flow->source);
}

static long sweep_nat(struct bpf_map *map, struct flow_key *key, struct nat_flow *flow, void *context)
{
	struct flow_key peer = {};
	int is_over_now = is_over(flow->seen, flow->lifetime);

	write_peer_key(&peer, key, flow);
	if (!(flow->state & NAT_OPENS)) {
		if (is_over_now || !bpf_map_lookup_elem(&nat_flows, &peer))
			map_delete(&nat_flows, key);
		return 0;
	}
	if (is_over_now || !(flow->service & POOL_ZONE ? is_hidden(key, flow) : is_served(key, flow))) {
		map_delete(&nat_flows, &peer);
		map_delete(&nat_flows, key);
	}
	return 0;
}

static long sweep_affinity(struct bpf_map *map, struct affinity_key *key, struct affinity *affinity, void *context)
{
	if (is_over(affinity->seen, affinity->lifetime))
		map_delete(&affinities, key);
	return 0;
}

SEC("classifier")
int sweep(struct __sk_buff *skb)
{
	bpf_for_each_map_elem(&flows, sweep_flow, 0, 0);
	bpf_for_each_map_elem(&flow_counts, sweep_count, 0, 0);
	bpf_for_each_map_elem(&nat_flows, sweep_nat, 0, 0);
	bpf_for_each_map_elem(&affinities, sweep_affinity, 0, 0);
	return VERDICT_NEXT;
}
