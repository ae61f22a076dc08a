// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Last step towards an endpoint: the packet goes to the port's device, in the endpoint's namespace, past the queue of this one. */
#pragma once

#include "copy.h"
#include "mss.h"
#include "reshape.h"

/* What a step returns when the packet has gone: the program's verdict is that of its redirection. */
#define SENT (-2)

/* TTL of packets that the router itself makes. */
#define OWN_TTL 64

/* Counts what goes to a port. */
#define COUNT_TX(port_id, octets)                                                                                                            \
	do {                                                                                                                                 \
		__u32 key_ = port_id;                                                                                                        \
		struct counted *counted_ = bpf_map_lookup_elem(&port_counters, &key_);                                                       \
                                                                                                                                             \
		if (counted_)                                                                                                                \
			count_in(counted_->slot + SLOT_TX, octets);                                                                          \
	} while (0)

/* The address that an endpoint on Ethernet is known by. */
static __always_inline void write_endpoint(__u8 *octets, const struct link *link)
{
	__u64 mac = *(const volatile __u64 *)link->endpoint_mac;

	*(word *)octets = mac;
	*(half *)(octets + 4) = mac >> 32;
}

/* Addresses of a frame to the port's device. */
static __always_inline void write_link_addresses(__u8 *octets, const struct port *port, const struct link *link)
{
	if (port && port->has_link) {
		write_endpoint(octets, link);
		__builtin_memcpy(octets + 6, port->link_mac, 6);
	} else {
		__builtin_memcpy(octets, link->peer_mac, 6);
		__builtin_memcpy(octets + 6, link->mac, 6);
	}
}

/* Redirects the frame to a port's device. */
static __always_inline void redirect_to(struct __sk_buff *skb, const struct link *link)
{
	struct config *config = configuration();
	__u32 avoided = config ? config->avoided : AVOID_REDIRECT_PEER;

	/* From the program of a netkit device, the kernel drops what is redirected to a peer. */
	if ((avoided & AVOID_LOCAL_REDIRECT_PEER) && config && skb->ifindex != config->uplink)
		avoided |= AVOID_REDIRECT_PEER;
	/* Before Linux 6.15 a redirected packet keeps a type that its receiver would not take. */
	bpf_skb_change_type(skb, 0);
	/* The kernel moves no packet to the peer of a device in the namespace where it is. */
	if (link->is_local || (avoided & AVOID_REDIRECT_PEER))
		bpf_redirect(link->ifindex, 0);
	else
		bpf_redirect_peer(link->ifindex, 0);
}

/* Addresses the frame to the port's device and redirects it. */
static __always_inline int hand_to(struct __sk_buff *skb, const struct link *link, __u32 port_id, __u32 octets)
{
	struct port *port = port_of(&port_id);
	struct config *config = configuration();
	__u8 addresses[12] ALIGNED;

	write_link_addresses(addresses, port, link);
	if (config && (config->observes & OBSERVES_PORTS))
		copy_packet(skb, port_id, 1, ETHERNET, octets);
	/* The frame's addresses count in no checksum. */
	if (bpf_skb_store_bytes(skb, 0, addresses, 12, 0) < 0)
		return REASON_QUEUE_FULL;
	COUNT_TX(port_id, octets);
	redirect_to(skb, link);
	return SENT;
}

static __always_inline int hand_over(struct __sk_buff *skb, __u32 port_id, __u32 octets)
{
	struct link *link = link_of(&port_id);

	return link ? hand_to(skb, link, port_id, octets) : REASON_PORT_DOWN;
}

/* Takes away what stands before the packet, which belongs to a network header of `outer` family. */
__noinline int strip(struct __sk_buff *skb, struct packet *packet, __u32 outer)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	struct config *config = configuration();
	__u8 ether_type[2] ALIGNED;

	if (!packet)
		return -1;
	if (packet->at == ETHERNET)
		return 0;
	if (outer != packet->family && config && (config->avoided & AVOID_DECAP_L3)) {
		if (reshape(skb, -(__s32)(packet->at - ETHERNET), outer, packet->family) < 0)
			return -1;
	} else {
		if (outer != packet->family)
			flags |= packet->family == 4 ? BPF_F_ADJ_ROOM_DECAP_L3_IPV4 : BPF_F_ADJ_ROOM_DECAP_L3_IPV6;
		if (bpf_skb_adjust_room(skb, -(__s32)(packet->at - ETHERNET), BPF_ADJ_ROOM_MAC, flags) < 0)
			return -1;
	}
	put_half(ether_type, packet->family == 4 ? ETH_P_IP : ETH_P_IPV6);
	return bpf_skb_store_bytes(skb, 12, ether_type, 2, 0);
}

/* Whether a port of this router can take the packet; what its policies say comes next. */
static __always_inline int may_deliver(const struct port *port, const struct link *link, struct packet *packet, __u32 port_id)
{
	if (packet->port == NONE)
		packet->port = port_id;
	if (!link)
		return REASON_PORT_DOWN;
	if (!(port->carries & (packet->family == 4 ? 1 : 2)))
		return REASON_FAMILY_UNSUPPORTED;
	return packet->ttl <= 1 ? REASON_TTL_EXPIRED : GOES_ON;
}

/* Hands the packet to a port of this router that can take it. `outer`: family of the header it came behind, 0 without. */
static __always_inline int deliver(struct __sk_buff *skb, const struct port *port, const struct link *link, struct packet *packet,
				   __u32 port_id, __u32 outer)
{
	if (port->clamps && packet->clamp > port->mtu)
		packet->clamp = port->mtu;
	if (packet->segment > port->mtu) {
		packet->mtu = port->mtu;
		return REASON_MTU_EXCEEDED;
	}
	trim(skb, packet->at + packet->length);
	write_ttl(skb, packet, packet->ttl - 1);
	if (packet->clamp != NONE)
		clamp_mss(skb, packet, packet->clamp < port->mtu ? packet->clamp : port->mtu);
	if (outer && strip(skb, packet, outer) < 0)
		return REASON_QUEUE_FULL;
	return hand_to(skb, link, port_id, packet->length);
}
