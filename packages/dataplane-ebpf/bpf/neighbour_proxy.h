// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The neighbours of an endpoint on Ethernet: all of them are this router. It answers ARP (RFC 826, RFC 1027) and Neighbor Discovery (RFC 4861, as a proxy
 * by §7.2.8) for its gateway addresses and for every other address but the endpoint's own. A question becomes its answer, in its own frame.
 */
#pragma once

#include "port.h"
#include "sum.h"

#define ARP_FRAME (ETHERNET + 28)
/* Hardware and protocol of IPv4 on Ethernet; behind them the sizes of their addresses, and the operation. */
#define ARP_IPV4_ON_ETHERNET 0x00010800
#define ARP_REQUEST 0x06040001
#define ARP_REPLY 2

#define NEIGHBOR_SOLICITATION 135
#define NEIGHBOR_ADVERTISEMENT 136
#define SOLICITATION 24
/* With the option that tells the link-layer address of its target. */
#define ADVERTISEMENT 32
#define ADVERTISEMENT_FRAME (ETHERNET + IPV6_HEADER + ADVERTISEMENT)
/* Hop limit that shows that a message was not forwarded (RFC 4861 §7.1.1). */
#define LINK_HOP_LIMIT 255
#define FLAG_ROUTER 0x80000000
#define FLAG_SOLICITED 0x40000000
#define FLAG_OVERRIDE 0x20000000
#define TARGET_LINK_ADDRESS 0x0201

/* Octets may lie anywhere. */
static __always_inline void copy_mac(__u8 *to, const __u8 *from)
{
	*(word *)to = *(const word *)from;
	*(half *)(to + 4) = *(const half *)(from + 4);
}

/* Whether the address is one that the endpoint alone may send from. */
static __always_inline int is_own(const struct port *port, __u32 family, const __u32 *words)
{
	__u32 bits = family == 4 ? 32 : 128;

	for (__u32 index = 0; index < MAX_ALLOWED_SOURCES; index++) {
		if (index >= port->allowed_count)
			break;
		if (port->allowed[index].length == bits && is_covered(&port->allowed[index], family, words))
			return 1;
	}
	return 0;
}

/* A probe asks whether an address is free (RFC 5227 §2.1, RFC 4862 §5.4): only those of the router are not. */
static __always_inline int is_answered_for(const struct port *port, __u32 family, const __u32 *words, int is_probe, int is_gateway_)
{
	return is_gateway_ || (!is_probe && !is_own(port, family, words));
}

/* Makes an answer of the ARP packet in the frame. 0: it is no question that is answered. */
__noinline int answer_arp(struct __sk_buff *skb, struct port *port)
{
	struct scratch *scratch_ = scratch();
	__u32 sender, words[4] = {};
	__u8 *frame, *arp;

	if (!scratch_ || !port)
		return 0;
	frame = scratch_->octets;
	arp = frame + ETHERNET;
	if (bpf_skb_load_bytes(skb, 0, frame, ARP_FRAME) < 0)
		return 0;
	if (word_at(arp) != ARP_IPV4_ON_ETHERNET || word_at(arp + 4) != ARP_REQUEST)
		return 0;
	sender = word_at(arp + 14);
	words[0] = word_at(arp + 24);
	if (sender == words[0] || !is_answered_for(port, 4, words, sender == 0, is_gateway(port, 4, words)))
		return 0;
	copy_mac(frame, arp + 8);
	copy_mac(frame + 6, port->link_mac);
	put_half(arp + 6, ARP_REPLY);
	copy_mac(arp + 18, arp + 8);
	put_word(arp + 24, sender);
	copy_mac(arp + 8, port->link_mac);
	put_word(arp + 14, words[0]);
	if (bpf_skb_change_tail(skb, ARP_FRAME, 0) < 0)
		return 0;
	return bpf_skb_store_bytes(skb, 0, frame, ARP_FRAME, 0) == 0;
}

/* Sum of what the pseudo-header of an ICMPv6 message has besides addresses. */
static __always_inline __u32 pseudo_sum(__u32 size)
{
	return bpf_htons(size) + bpf_htons(PROTOCOL_ICMPV6);
}

/* Whether the frame has a neighbor solicitation that is valid (RFC 4861 §7.1.1). */
static __always_inline int is_solicitation(struct __sk_buff *skb, __u8 *frame)
{
	__u8 *ip = frame + ETHERNET, *icmp = ip + IPV6_HEADER;
	__u32 size;
	__u64 sum;

	if (bpf_skb_load_bytes(skb, 0, frame, ETHERNET + IPV6_HEADER + SOLICITATION) < 0)
		return 0;
	size = half_at(ip + 4);
	if (ip[0] >> 4 != 6 || ip[6] != PROTOCOL_ICMPV6 || ip[7] != LINK_HOP_LIMIT || half_at(icmp) != NEIGHBOR_SOLICITATION << 8)
		return 0;
	if (size < SOLICITATION || ETHERNET + IPV6_HEADER + size > skb->len)
		return 0;
	sum = bpf_csum_diff(0, 0, (__be32 *)(ip + 8), 32, pseudo_sum(size));
	return folded(sum + sum_of(skb, ETHERNET + IPV6_HEADER, ETHERNET + IPV6_HEADER + size)) == 0xffff;
}

/* Writes the advertisement over the solicitation in `frame`. */
static __always_inline void advertise(__u8 *frame, const struct port *port, int is_probe, int is_gateway_)
{
	__u8 *ip = frame + ETHERNET, *icmp = ip + IPV6_HEADER;

	/* Who asks whether its own address is free has none yet: all nodes are told (RFC 4861 §7.2.4), at 33:33:00:00:00:01 (RFC 2464 §7). */
	if (is_probe) {
		put_half(frame, 0x3333);
		put_word(frame + 2, 1);
		put_word(ip + 24, 0xff020000);
		put_word(ip + 28, 0);
		put_word(ip + 32, 0);
		put_word(ip + 36, 1);
	} else {
		copy_mac(frame, frame + 6);
		__builtin_memcpy(ip + 24, ip + 8, 16);
	}
	copy_mac(frame + 6, port->link_mac);
	__builtin_memcpy(ip + 8, icmp + 8, 16);
	put_word(ip, 0x60000000);
	put_word(ip + 4, ADVERTISEMENT << 16 | PROTOCOL_ICMPV6 << 8 | LINK_HOP_LIMIT);
	put_word(icmp, NEIGHBOR_ADVERTISEMENT << 24);
	put_word(icmp + 4, FLAG_ROUTER | (is_probe ? 0 : FLAG_SOLICITED) | (is_gateway_ ? FLAG_OVERRIDE : 0));
	put_half(icmp + SOLICITATION, TARGET_LINK_ADDRESS);
	copy_mac(icmp + SOLICITATION + 2, port->link_mac);
	/* Both addresses stand right before the message. */
	*(half *)(icmp + 2) = ~folded(bpf_csum_diff(0, 0, (__be32 *)(ip + 8), 32 + ADVERTISEMENT, pseudo_sum(ADVERTISEMENT)));
}

/* Makes an advertisement of the solicitation in the frame. 0: it is no question that is answered. */
__noinline int answer_solicitation(struct __sk_buff *skb, struct port *port)
{
	struct scratch *scratch_ = scratch();
	int is_probe, is_gateway_;
	__u8 *frame, *ip, *icmp;
	__u32 words[4];

	if (!scratch_ || !port)
		return 0;
	frame = scratch_->octets;
	ip = frame + ETHERNET;
	icmp = ip + IPV6_HEADER;
	/* Summing up takes the scratch: what was read is read again. */
	if (!is_solicitation(skb, frame) || bpf_skb_load_bytes(skb, 0, frame, ETHERNET + IPV6_HEADER + SOLICITATION) < 0)
		return 0;
	is_probe = !(word_at(ip + 8) | word_at(ip + 12) | word_at(ip + 16) | word_at(ip + 20));
#pragma unroll
	for (int at = 0; at < 4; at++)
		words[at] = word_at(icmp + 8 + at * 4);
	is_gateway_ = is_gateway(port, 6, words);
	if (icmp[8] == 0xff || !is_answered_for(port, 6, words, is_probe, is_gateway_))
		return 0;
	advertise(frame, port, is_probe, is_gateway_);
	if (bpf_skb_change_tail(skb, ADVERTISEMENT_FRAME, 0) < 0 || bpf_skb_store_bytes(skb, 0, frame, ETHERNET, 0) < 0)
		return 0;
	return bpf_skb_store_bytes(skb, ETHERNET, frame + ETHERNET, ADVERTISEMENT_FRAME - ETHERNET, BPF_F_RECOMPUTE_CSUM) == 0;
}
