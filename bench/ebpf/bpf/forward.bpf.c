// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From pod to pod by XDP at every device, with the tables of a dataplane, and forwarding only: IP headers and their checksums, TTLs, the route in the one VRF that
 * there is, next hop, neighbour, and headers; on the way in the label, and the device that it leads to. No sources of ports or tunnels, policies, services, MTUs or
 * counters. What forwarding by XDP comes to, not what one would run: a program of XDP on a pod's veth takes segmentation offload from the pod.
 */
#include "../../../packages/dataplane-ebpf/bpf/across.bpf.c"

/* Of the VRF. */
struct root {
	__u32 root4;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct root);
} roots SEC(".maps");

#define HEADERS (IPV4_HEADER + UDP_HEADER + LABEL_ENTRY)

/* Puts the headers of MPLS over UDP in IPv4 with one label before the packet: of that size alone they need no place to be made in. */
static __always_inline int put_headers(struct xdp_md *xdp, const struct neighbour *neighbour, const struct next_hop *hop, const struct fill *fill)
{
	__u8 *frame, *ip;

	if (bpf_xdp_adjust_head(xdp, -HEADERS))
		return 0;
	frame = octets_of(xdp, 0, ETHERNET + HEADERS);
	if (!frame)
		return 0;
	ip = frame + ETHERNET;
	copy_words(frame, neighbour->addresses, 12);
	put_half(frame + 12, ETH_P_IP);
	copy_words(ip, hop->headers, HEADERS);
	fill_ipv4(ip, fill, HEADERS + fill->length);
	fill_udp(ip + IPV4_HEADER, fill, HEADERS - IPV4_HEADER + fill->length);
	ip[HEADERS - 2] = (ip[HEADERS - 2] & 0xf1) | fill->traffic_class << 1;
	ip[HEADERS - 1] = fill->ttl;
	return 1;
}

SEC("xdp")
int forward_out(struct xdp_md *xdp)
{
	struct across across = { .action = LABEL_LOOKUP };
	__u32 zero = 0, group, next_hop, hash;
	struct root *root = bpf_map_lookup_elem(&roots, &zero);
	struct config *config = configuration();
	struct plain plain = {};
	struct fill fill = {};
	struct next_hop none = {}, *hop;
	struct neighbour *neighbour;

	if (!root || !config || !read_inner(xdp, &plain, ETHERNET, 0, &hash) || plain.key.kind >> 8 != 4 || plain.ttl <= 1)
		return XDP_PASS;
	across.ttl = plain.ttl;
	group = lookup4(root->root4, plain.key.destination[0]);
	next_hop = choose(config, group, group_of(&group), hash);
	hop = next_hop_of(&next_hop);
	if (!hop || hop->action != ACTION_TUNNEL || hop->encapsulation != MPLS_UDP || hop->size != HEADERS)
		return XDP_PASS;
	fill_from_packet(&fill, hop, plain.ttl, plain.traffic_class, hash, 4, plain.length);
	neighbour = neighbour_to(xdp, config->uplink, hop, fill.outer_class);
	if (!neighbour)
		return XDP_PASS;
	if (!put_headers(xdp, neighbour, hop, &fill) || !write_inner_ttl(xdp, &across, &plain, &none, ETHERNET + HEADERS))
		return XDP_DROP;
	return bpf_redirect(config->uplink, 0);
}

SEC("xdp")
int forward_in(struct xdp_md *xdp)
{
	const __u32 at = ETHERNET + IPV4_HEADER + UDP_HEADER, behind = at + LABEL_ENTRY;
	struct across across = { .action = LABEL_LOOKUP };
	__u8 *frame = octets_of(xdp, 0, behind + IPV4_HEADER), *ip = frame + ETHERNET;
	struct next_hop none = {};
	struct plain plain = {};
	struct label *entry;
	struct link *link;
	__u32 label;

	if (!frame || half_at(frame + 12) != ETH_P_IP || ip[0] != 0x45 || ip[9] != PROTOCOL_UDP || raw_sum(ip, IPV4_HEADER) != 0xffff)
		return XDP_PASS;
	if (half_at(ip + IPV4_HEADER + 2) != MPLS_UDP_PORT || !read_plain_ipv4(&plain, frame + behind))
		return XDP_PASS;
	label = word_at(frame + at) >> 12;
	entry = label_of(&label);
	link = entry && entry->action == LABEL_PORT ? link_of(&entry->target) : 0;
	across.ttl = plain.ttl < frame[at + 3] ? plain.ttl : frame[at + 3];
	if (!link || across.ttl <= 1)
		return XDP_PASS;
	if (!write_inner_ttl(xdp, &across, &plain, &none, behind) || bpf_xdp_adjust_head(xdp, behind - ETHERNET))
		return XDP_DROP;
	frame = octets_of(xdp, 0, ETHERNET);
	if (!frame)
		return XDP_DROP;
	write_link_addresses(frame, 0, link);
	put_half(frame + 12, ETH_P_IP);
	return bpf_redirect(link->ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
