// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What XDP reads of a packet that may leave by another tunnel: headers without options, extension headers or fragments, nothing behind them in the frame, all
 * of it in reach. Its fields are those that `ingress` has (packet.h), so that the same functions decide.
 */
#pragma once

#include "label.h"
#include "plain.h"

/* Labels that stand on top of what is hashed, the one that is swapped not among them. */
#define MAX_NEAR_DEPTH 3

/* A packet in hand. */
struct across {
	struct outer outer;
	/* Entry of the label that was looked up, with its traffic class, bottom bit and TTL; and the label, NONE for VXLAN. */
	__u32 word;
	__u32 label;
	/* TTL as it counts. */
	__u32 ttl;
	/* VRF whose routes decide, or next hop. */
	__u32 target;
	enum label_action action;
	/* EtherType of what is in VXLAN; 0: any. */
	__u32 family;
};

/* As `octets_at`, of a frame that XDP has. No headers are so long that they end behind the first 256 octets, which the verifier can follow. */
static __always_inline __u8 *octets_of(struct xdp_md *xdp, __u32 at, __u32 count)
{
	__u8 *octets = (__u8 *)(long)xdp->data + (at & 0xff);

	return octets + count > (__u8 *)(long)xdp->data_end ? 0 : octets;
}

static __always_inline __u32 frame_length(const struct xdp_md *xdp)
{
	return xdp->data_end - xdp->data;
}

/* Reads the outer IP header; the protocol behind it, or 0 for what is not plain, or not for this router. */
static __always_inline __u32 read_outer_ip(struct xdp_md *xdp, struct outer *outer, __u32 family)
{
	__u32 size = family == 4 ? IPV4_HEADER : IPV6_HEADER, destination[4] = {}, length, protocol;
	__u8 *ip = octets_of(xdp, ETHERNET, size);

	if (!ip)
		return 0;
	outer->family = family;
	if (family == 4) {
		if (ip[0] != 0x45 || (half_at(ip + 6) & 0x3fff) || raw_sum(ip, IPV4_HEADER) != 0xffff)
			return 0;
		length = half_at(ip + 2);
		protocol = ip[9];
		outer->traffic_class = ip[1];
		outer->source[0] = word_at(ip + 12);
		outer->source[1] = outer->source[2] = outer->source[3] = 0;
		destination[0] = word_at(ip + 16);
	} else {
		if (ip[0] >> 4 != 6)
			return 0;
		length = IPV6_HEADER + half_at(ip + 4);
		protocol = ip[6];
		outer->traffic_class = (half_at(ip) >> 4) & 0xff;
#pragma unroll
		for (int word = 0; word < 4; word++) {
			outer->source[word] = word_at(ip + 8 + word * 4);
			destination[word] = word_at(ip + 24 + word * 4);
		}
	}
	if (ETHERNET + length != frame_length(xdp))
		return 0;
	outer->end = ETHERNET + length;
	return is_local(family, destination) ? protocol : 0;
}

/* Encapsulation by what is behind the outer IP header; `outer->at` is behind that. 0 for what is not plain. */
static __always_inline int read_encapsulation(struct xdp_md *xdp, const struct config *config, struct outer *outer, __u32 protocol, __u32 at)
{
	__u8 *header = octets_of(xdp, at, UDP_HEADER);
	__u32 port;

	if (!header)
		return 0;
	if (protocol == PROTOCOL_GRE) {
		outer->encapsulation = MPLS_GRE;
		outer->at = at + 4;
		return (config->encapsulations >> MPLS_GRE & 1) && word_at(header) == GRE_MPLS;
	}
	if (protocol != PROTOCOL_UDP || at + half_at(header + 4) != outer->end)
		return 0;
	port = half_at(header + 2);
	outer->at = at + UDP_HEADER;
	if (port != VXLAN_PORT && port != MPLS_UDP_PORT && port != MPLS_UDP_LEGACY_PORT)
		return 0;
	outer->encapsulation = port == VXLAN_PORT ? VXLAN : MPLS_UDP;
	return config->encapsulations >> outer->encapsulation & 1;
}

/* Step label: one label that is swapped, or that a VRF looks behind. */
static __always_inline int read_label(struct xdp_md *xdp, struct across *across, __u32 at)
{
	__u8 *octets = octets_of(xdp, at, LABEL_ENTRY);
	struct label *entry;

	if (!octets)
		return 0;
	across->word = word_at(octets);
	across->label = across->word >> 12;
	across->ttl = across->word & 0xff;
	across->family = 0;
	across->outer.at = at + LABEL_ENTRY;
	if (across->label < 16 || across->ttl <= 1)
		return 0;
	entry = label_of(&across->label);
	if (!entry || !is_source(entry->sources, &across->outer))
		return 0;
	across->action = entry->action;
	across->target = entry->target;
	if (entry->action == LABEL_LOOKUP)
		return (across->word >> 8 & 1) && !entry->uniform_class;
	return entry->action == LABEL_SWAP;
}

/* Step label, of VXLAN. */
static __always_inline int read_vni(struct xdp_md *xdp, struct across *across, __u32 at)
{
	__u8 *octets = octets_of(xdp, at, VXLAN_HEADER + ETHERNET);
	__u32 id, ether_type;
	struct vni *entry;
	int differs = 0;

	if (!octets || !(octets[0] & 8))
		return 0;
	id = word_at(octets + 4) >> 8;
	ether_type = half_at(octets + VXLAN_HEADER + 12);
	entry = vni_of(&id);
	if (!entry || !is_source(entry->sources, &across->outer))
		return 0;
#pragma unroll
	for (int octet = 0; octet < 6; octet++)
		differs |= octets[VXLAN_HEADER + octet] ^ entry->router_mac[octet];
	across->label = NONE;
	across->ttl = 255;
	across->action = LABEL_LOOKUP;
	across->target = entry->vrf;
	across->family = ether_type == ETH_P_IP ? 4 : 6;
	across->outer.at = at + VXLAN_HEADER + ETHERNET;
	return !differs && (ether_type == ETH_P_IP || ether_type == ETH_P_IPV6);
}

/* Everything before the packet that the tunnel carries; whether a program of XDP may go on with it. */
static __always_inline int read_tunnel(struct xdp_md *xdp, const struct config *config, struct across *across, __u32 family)
{
	const __u32 behind = ETHERNET + (family == 4 ? IPV4_HEADER : IPV6_HEADER);
	__u32 protocol = read_outer_ip(xdp, &across->outer, family);
	__u8 *entry;

	if (!protocol || !read_encapsulation(xdp, config, &across->outer, protocol, behind))
		return 0;
	if (across->outer.encapsulation == VXLAN)
		return read_vni(xdp, across, behind + UDP_HEADER);
	if (across->outer.encapsulation == MPLS_GRE)
		return read_label(xdp, across, behind + 4);
	entry = octets_of(xdp, behind + UDP_HEADER, LABEL_ENTRY);
	return entry && read_label(xdp, across, behind + UDP_HEADER + joint_size(word_at(entry)));
}

/* The flow's hash, as `flow_hash` has it, of a packet whose key and ports were read. */
static __always_inline __u32 hash_of(const struct plain *plain, __u32 seed, __u32 has_ports)
{
	__u32 hash = seed;

	if (plain->key.kind >> 8 == 4) {
		hash = mix(mix(hash, plain->key.source[0]), plain->key.destination[0]);
	} else {
#pragma unroll
		for (int word = 0; word < 4; word++)
			hash = mix(mix(hash, plain->key.source[word]), plain->key.destination[word]);
	}
	hash = mix(hash, plain->key.kind & 0xff);
	return finish(has_ports ? mix(hash, plain->key.ports) : hash);
}

static __always_inline int has_ports(__u32 protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
}

/* Reads what the tunnel carries, `at` up to the end of the frame; whether it is plain, and its hash. */
static __always_inline int read_inner(struct xdp_md *xdp, struct plain *plain, __u32 at, __u32 seed, __u32 *hash)
{
	__u8 *ip = octets_of(xdp, at, IPV4_HEADER), *ports;
	__u32 size;

	if (!ip)
		return 0;
	if (ip[0] >> 4 == 4) {
		size = read_plain_ipv4(plain, ip);
	} else {
		ip = octets_of(xdp, at, IPV6_HEADER);
		size = ip && ip[0] >> 4 == 6 ? read_plain_ipv6(plain, ip) : 0;
		if (is_extension(plain->key.kind & 0xff))
			return 0;
	}
	if (!size || at + plain->length != frame_length(xdp) || plain->length < size)
		return 0;
	if (!has_ports(plain->key.kind & 0xff)) {
		*hash = hash_of(plain, seed, 0);
		return 1;
	}
	ports = octets_of(xdp, at + size, 4);
	if (!ports)
		return 0;
	plain->key.ports = word_at(ports);
	*hash = hash_of(plain, seed, 1);
	return 1;
}

/* Offset of what the labels below one carry; 0 when there are more than a few. */
static __always_inline __u32 below_labels(struct xdp_md *xdp, __u32 at, __u32 is_bottom)
{
	for (int depth = 0; depth <= MAX_NEAR_DEPTH && !is_bottom; depth++) {
		__u8 *octets = octets_of(xdp, at, LABEL_ENTRY);

		if (!octets)
			return 0;
		is_bottom = octets[2] & 1;
		at += LABEL_ENTRY;
	}
	return is_bottom ? at : 0;
}
