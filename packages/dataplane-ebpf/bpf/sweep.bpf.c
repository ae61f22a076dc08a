// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Takes away flows that are too old, and counts those that are left anew: what a full table had to forget was not taken from its port's count. Run by the
 * process, now and then, on a packet that does not matter.
 */
#include "policy.h"

struct bpf_map;

static long sweep_flow(struct bpf_map *map, struct flow_key *key, struct flow *flow, void *context)
{
	struct flow_count *count = bpf_map_lookup_elem(&flow_counts, &key->zone);
	struct port *port = bpf_map_lookup_elem(&ports, &key->zone);

	if (!port || !port->policy_version || flow->version < port->policy_since || milliseconds() - flow->seen >= flow->lifetime)
		bpf_map_delete_elem(&flows, key);
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

SEC("classifier")
int sweep(struct __sk_buff *skb)
{
	bpf_for_each_map_elem(&flows, sweep_flow, 0, 0);
	bpf_for_each_map_elem(&flow_counts, sweep_count, 0, 0);
	return VERDICT_NEXT;
}
