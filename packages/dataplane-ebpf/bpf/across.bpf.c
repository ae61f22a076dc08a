// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The way of a packet from one tunnel into another, on the uplink before the kernel has made a packet of the frame (XDP):
 *
 *   1. parse outer  IP, UDP or GRE, without anything unusual                                  across.h
 *   2. label        the incoming label map or the VNIs, and the tunnel sources                across.h, label.h
 *   3. lookup       for a label of a VRF: the destination                                     lookup.h
 *   4. nexthop      a member of the group, by the flow's hash                                 group.h
 *   5. encap        labels and tunnel headers                                                 encap.h
 *   6. send         to the neighbour, by the device that the frame came in by                 neighbour.h
 *
 * Tables and decisions are those of `ingress`. A packet that is for a port, that has to be dropped, judged, translated, cut, told about or observed, or that is
 * unusual in any way, is left as it came to `ingress`, which sees it next: nothing is counted, and nothing written, before it is certain that it can be sent.
 */
#include "across.h"
#include "neighbour.h"

/* Finds the next hop in the VRF that the label names, and what the headers say. */
static __always_inline struct next_hop *route_inner(struct config *config, struct across *across, const struct plain *plain, __u32 hash,
						    struct fill *fill, __u32 *next_hop)
{
	const __u32 *to = plain->key.destination;
	__u32 family = plain->key.kind >> 8, vrf_id = across->target, group;
	struct vrf *vrf = vrf_of(&vrf_id);
	struct group *members;
	struct next_hop *hop;

	if (!vrf || !is_forwardable(family, to))
		return 0;
	group = family == 4 ? lookup4(vrf->root4, to[0]) : lookup6(vrf->root6, (__u64)to[0] << 32 | to[1], (__u64)to[2] << 32 | to[3]);
	if (group == NO_MATCH)
		return 0;
	members = group_of(&group);
	if (!members)
		return 0;
	*next_hop = choose(config, group, members, hash);
	hop = next_hop_of(next_hop);
	if (!hop || (!hop->label_count && hop->encapsulation != VXLAN))
		return 0;
	fill_from_packet(fill, hop, across->ttl, plain->traffic_class, hash, family, plain->length);
	return hop;
}

/* The next hop of a label that is swapped, and what the headers say. */
static __always_inline struct next_hop *swap_label(struct across *across, __u32 hash, struct fill *fill, __u32 *next_hop)
{
	struct next_hop *hop;

	*next_hop = across->target;
	hop = next_hop_of(next_hop);
	if (!hop || hop->encapsulation == VXLAN || ((across->word >> 8 & 1) && !hop->label_count))
		return 0;
	fill_from_label(fill, hop, across->word, across->ttl, across->outer.traffic_class, hash, across->outer.end - across->outer.at);
	return hop;
}

/* Writes the TTL of what is behind the headers: of an IP packet, or of a label that comes to the top (RFC 3443 §3.1). */
static __always_inline int write_inner_ttl(struct xdp_md *xdp, const struct across *across, const struct plain *plain, const struct next_hop *hop,
					   __u32 at)
{
	__u8 *octets = octets_of(xdp, at, IPV4_HEADER);
	__u32 ttl = across->ttl - 1;

	if (!octets)
		return 0;
	if (across->action == LABEL_SWAP) {
		if (!hop->label_count && ttl < octets[3])
			octets[3] = ttl;
		return 1;
	}
	if (plain->key.kind >> 8 == 6) {
		octets[7] = ttl;
		return 1;
	}
	/* RFC 1624, equation 3. */
	put_half(octets + 10, ~folded((~half_at(octets + 10) & 0xffff) + (~(plain->ttl << 8) & 0xffff) + (ttl << 8)));
	octets[8] = ttl;
	return 1;
}

/* The frame is another one already and cannot be left to tc. Not to be reached: what is asked for again, for the verifier, was there before. */
static __always_inline int lose(void)
{
	count_drop(REASON_QUEUE_FULL);
	return XDP_DROP;
}

/* Writes headers, of an even count of octets, behind the Ethernet header; 0 when the frame ends before. `bpf_xdp_store_bytes` came with Linux 5.18. */
static __always_inline int write_headers(struct xdp_md *xdp, const struct scratch *headers, __u32 size)
{
	__u8 *octets;
	__u32 at;

	for (at = 0; at < MAX_HEADERS; at += 8) {
		if (at + 8 > size)
			break;
		octets = octets_of(xdp, ETHERNET + at, 8);
		if (!octets)
			return 0;
		copy_words(octets, headers->octets + at, 8);
	}
	for (; at < MAX_HEADERS; at += 2) {
		if (at >= size)
			break;
		octets = octets_of(xdp, ETHERNET + at, 2);
		if (!octets)
			return 0;
		put_half(octets, half_at(headers->octets + at));
	}
	return 1;
}

/* Puts the headers of `hop` in the place of those before the packet, and sends it back out. */
static __always_inline int send_across(struct xdp_md *xdp, struct config *config, const struct across *across, const struct plain *plain,
				       struct next_hop *hop, const struct fill *fill)
{
	struct scratch *scratch_ = scratch();
	struct neighbour *neighbour = neighbour_to(xdp, config->uplink, hop, fill->outer_class);
	__u32 size = hop->size;
	__u8 *frame;

	if (!scratch_ || !neighbour || !size || size > MAX_HEADERS)
		return XDP_PASS;
	fill_headers(scratch_->octets, hop, fill);
	if (bpf_xdp_adjust_head(xdp, (int)(across->outer.at - ETHERNET) - (int)size))
		return XDP_PASS;
	frame = octets_of(xdp, 0, ETHERNET);
	if (!frame)
		return lose();
	copy_words(frame, neighbour->addresses, 12);
	put_half(frame + 12, hop->family == 4 ? ETH_P_IP : ETH_P_IPV6);
	if (!write_headers(xdp, scratch_, size) || !write_inner_ttl(xdp, across, plain, hop, ETHERNET + size))
		return lose();
	/* What is sent back by a veth rests in the ring of its far end, unless that has a program of XDP too; what is redirected needs its GRO only. */
	return config->avoided & AVOID_XDP_TX ? bpf_redirect(config->uplink, 0) : XDP_TX;
}

static __always_inline void count_across(const struct across *across, __u32 next_hop, __u32 length)
{
	if (across->label != NONE)
		COUNT(label_counters, across->label, across->outer.end - across->outer.at);
	if (across->action == LABEL_LOOKUP)
		COUNT(vrf_counters, across->target, length);
	COUNT(next_hop_counters, next_hop, length);
}

/* Whether nothing but routes decides about an IP packet out of a tunnel. Its TTL counts as that of the label, if that is lower. */
static __always_inline int may_be_routed(const struct config *config, struct across *across, const struct plain *plain)
{
	__u32 outer = across->outer.traffic_class & CE, inner = plain->traffic_class & CE;

	/* Services and pools, and marks of congestion that have to be passed on (RFC 6040 §4.2), are the business of the general way. */
	if (config->translates || outer == CE || (outer == ECT_1 && inner == ECT_0))
		return 0;
	if (across->family && across->family != plain->key.kind >> 8)
		return 0;
	if (plain->ttl < across->ttl)
		across->ttl = plain->ttl;
	return across->ttl > 1;
}

static __always_inline int go_across(struct xdp_md *xdp, struct config *config, struct across *across, struct plain *plain)
{
	__u32 is_swap = across->action == LABEL_SWAP, hash, payload, next_hop = NONE;
	struct fill fill = {};
	struct next_hop *hop;
	int verdict;

	payload = is_swap ? below_labels(xdp, across->outer.at, across->word >> 8 & 1) : across->outer.at;
	if (!payload || !read_inner(xdp, plain, payload, is_swap ? across->label : 0, &hash))
		return XDP_PASS;
	if (!is_swap && !may_be_routed(config, across, plain))
		return XDP_PASS;
	hop = is_swap ? swap_label(across, hash, &fill, &next_hop) : route_inner(config, across, plain, hash, &fill, &next_hop);
	if (!hop || hop->action != ACTION_TUNNEL || !(config->encapsulations >> hop->encapsulation & 1))
		return XDP_PASS;
	/* A label stack has no field for the mark (RFC 6040 §4.2). */
	if (is_swap && (across->outer.traffic_class & CE) == CE && !hop->normal_ecn)
		return XDP_PASS;
	if (fill.length + hop->size > room_of(config, hop, plain->key.kind >> 8, payload - across->outer.at))
		return XDP_PASS;
	fill.joint_ttl = payload + hop->label_count * LABEL_ENTRY == across->outer.at + LABEL_ENTRY ? joint_ttl(plain->key.kind >> 8) : 0;
	verdict = send_across(xdp, config, across, plain, hop, &fill);
	if (verdict == XDP_TX || verdict == XDP_REDIRECT)
		count_across(across, next_hop, fill.length);
	return verdict;
}

SEC("xdp")
int across(struct xdp_md *xdp)
{
	struct config *config = configuration();
	__u8 *frame = octets_of(xdp, 0, ETHERNET);
	struct across across = {};
	struct plain plain = {};
	__u32 ether_type;

	if (!config || !frame || config->observes)
		return XDP_PASS;
	ether_type = half_at(frame + 12);
	if (ether_type == ETH_P_IP ? !read_tunnel(xdp, config, &across, 4) : ether_type != ETH_P_IPV6 || !read_tunnel(xdp, config, &across, 6))
		return XDP_PASS;
	return go_across(xdp, config, &across, &plain);
}
