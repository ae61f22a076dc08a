// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Frames of a port that has a link: an endpoint that takes its subnet for an Ethernet. Its address is that of the last frame that is known to be the endpoint's;
 * before the first, its device's.
 */
#pragma once

#include "deliver.h"
#include "neighbour_proxy.h"
#include "plain.h"

/* What is returned of a frame that was a question, and went back as its answer. */
#define ANSWERED (-7)

/* The endpoint sent from this address. One word, for one store: it is read on other CPUs. */
static __always_inline void hear(struct link *link, const __u8 *source)
{
	__u64 mac = (__u64)*(const half *)(source + 4) << 32 | *(const word *)source;

	if (*(volatile __u64 *)link->endpoint_mac != mac)
		*(volatile __u64 *)link->endpoint_mac = mac;
}

static __always_inline int is_mac(const __u8 *octets, const __u8 *mac)
{
	return *(const word *)octets == *(const word *)mac && *(const half *)(octets + 4) == *(const half *)(mac + 4);
}

/*
 * Whether the frame is the endpoint's: for the router or a group, and from an address that the endpoint may send from. Where its device is in a bridge, frames of
 * others come in as well, and whoever is heard gets what is for the endpoint.
 */
static __always_inline int is_of_endpoint(struct __sk_buff *skb, struct port *port, const __u8 *frame, __u32 ether_type)
{
	const __u8 *source = frame + 6;
	__u8 octets[16] ALIGNED;

	if ((*source & 1) || is_mac(source, port->link_mac) || !(*(const word *)source | *(const half *)(source + 4)))
		return 0;
	if (!(*frame & 1) && !is_mac(frame, port->link_mac))
		return 0;
	if (ether_type == ETH_P_IPV6) {
		if (bpf_skb_load_bytes(skb, ETHERNET + 8, octets, 16) < 0)
			return 0;
		return is_allowed(port, 6, (__u64)word_at(octets) << 32 | word_at(octets + 4), (__u64)word_at(octets + 8) << 32 | word_at(octets + 12));
	}
	if (ether_type == ETH_P_ARP) {
		if (bpf_skb_load_bytes(skb, ETHERNET, octets, 8) < 0)
			return 0;
		if (word_at(octets) != ARP_IPV4_ON_ETHERNET || half_at(octets + 4) != ARP_REQUEST >> 16)
			return 0;
	} else if (ether_type != ETH_P_IP) {
		return 0;
	}
	if (bpf_skb_load_bytes(skb, ETHERNET + (ether_type == ETH_P_ARP ? 14 : 12), octets, 4) < 0)
		return 0;
	return is_allowed(port, 4, (__u64)word_at(octets) << 32, 0);
}

/* Whether the frame came from the address that the endpoint is known by, for the router's: then it has nothing new to say. */
static __always_inline int is_from_known(struct __sk_buff *skb, __u32 port_id, const __u8 *link_mac)
{
	struct link *link = link_of(&port_id);
	__u8 *frame = octets_at(skb, 0, ETHERNET);

	return link && frame && !skb->vlan_present && is_mac(frame, link_mac) && is_mac(frame + 6, link->endpoint_mac);
}

/* Whether the frame is for the router and has an IP packet of the family that it says. */
static __always_inline int has_packet(struct __sk_buff *skb, const __u8 *frame, const struct port *port, __u32 ether_type)
{
	__u32 version = ether_type == ETH_P_IP ? 4 : 6;
	__u8 octet = 0;

	if (!is_mac(frame, port->link_mac) || ether_type == ETH_P_ARP)
		return REASON_DESTINATION_INVALID;
	if (ether_type != ETH_P_IP && ether_type != ETH_P_IPV6)
		return REASON_FAMILY_UNSUPPORTED;
	if (bpf_skb_load_bytes(skb, ETHERNET, &octet, 1) < 0 || octet >> 4 != version)
		return REASON_INNER_MALFORMED;
	return GOES_ON;
}

/* Judges a frame; one that asks for a neighbour is answered. */
__noinline int receive_frame(struct __sk_buff *skb, __u32 port_id, struct port *port)
{
	struct link *link = link_of(&port_id);
	__u8 *frame = octets_at(skb, 0, ETHERNET);
	__u32 ether_type;
	int is_answered, result;

	if (!port || !link || !frame)
		return REASON_PORT_DOWN;
	ether_type = skb->vlan_present ? ETH_P_8021Q : half_at(frame + 12);
	if (is_of_endpoint(skb, port, frame, ether_type))
		hear(link, frame + 6);
	result = has_packet(skb, frame, port, ether_type);
	if (ether_type == ETH_P_ARP)
		is_answered = answer_arp(skb, port);
	else
		is_answered = ether_type == ETH_P_IPV6 && answer_solicitation(skb, port);
	if (!is_answered)
		return result;
	COUNT_TX(port_id, skb->len);
	redirect_to(skb, link);
	return ANSWERED;
}
