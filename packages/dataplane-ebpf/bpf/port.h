// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Step 2, port: its MTU, the addresses it may send from, and how fast; and pings to its gateway addresses. */
#pragma once

#include "deliver.h"
#include "rate.h"
#include "rules.h"

/* Whether the endpoint may send from the address, whose words are in `high` and `low`: an IPv4 address in the first. */
__noinline int is_allowed(struct port *port, __u32 family, __u64 high, __u64 low)
{
	__u32 words[4] = { high >> 32, high, low >> 32, low };

	if (!port)
		return 0;
	if (!port->allowed_count)
		return 1;
	for (__u32 index = 0; index < MAX_ALLOWED_SOURCES; index++) {
		if (index >= port->allowed_count)
			break;
		if (is_covered(&port->allowed[index], family, words))
			return 1;
	}
	return 0;
}

static __always_inline int may_come_from(struct port *port, const struct packet *packet)
{
	const __u32 *words = packet->source;

	return is_forwardable(packet->family, words) &&
	       is_allowed(port, packet->family, (__u64)words[0] << 32 | words[1], (__u64)words[2] << 32 | words[3]);
}

static __always_inline int is_gateway(const struct port *port, __u32 family, const __u32 *words)
{
	for (__u32 index = 0; index < MAX_GATEWAYS; index++) {
		if (index >= port->gateway_count)
			break;
		if (is_covered(&port->gateways[index], family, words))
			return 1;
	}
	return 0;
}

/* Answers an echo request in place: addresses change sides, the type becomes a reply. GOES_ON when it is none. */
__noinline int answer_gateway(struct __sk_buff *skb, __u32 port_id, struct port *port, struct packet *packet)
{
	__u32 words, at, icmp, sum;
	__u8 octets[4] ALIGNED;
	__u8 addresses[32] ALIGNED;

	if (!port || !packet)
		return GOES_ON;
	words = packet->family == 4 ? 1 : 4;
	at = packet->at + (packet->family == 4 ? 12 : 8);
	icmp = packet->at + packet->header;
	if (!port->gateway_count || packet->is_fragment || packet->length < packet->header + ICMP_HEADER)
		return GOES_ON;
	if (packet->protocol != (packet->family == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6))
		return GOES_ON;
	if (bpf_skb_load_bytes(skb, icmp, octets, 4) < 0 || octets[0] != (packet->family == 4 ? 8 : 128))
		return GOES_ON;
	if (!is_gateway(port, packet->family, packet->destination))
		return GOES_ON;
	trim(skb, packet->at + packet->length);
	/* RFC 1624: the sum changes by the type alone, and a checksum that was wrong stays wrong. */
	sum = (~half_at(octets + 2) & 0xffff) + (~(octets[0] << 8) & 0xffff);
	octets[0] = packet->family == 4 ? 0 : 129;
	put_half(octets + 2, ~folded(sum + (octets[0] << 8)));
	bpf_skb_store_bytes(skb, icmp, octets, 4, 0);
	if (words == 1) {
		put_word(addresses, packet->destination[0]);
		put_word(addresses + 4, packet->source[0]);
		bpf_skb_store_bytes(skb, at, addresses, 8, 0);
	} else {
#pragma unroll
		for (int word = 0; word < 4; word++) {
			put_word(addresses + word * 4, packet->destination[word]);
			put_word(addresses + 16 + word * 4, packet->source[word]);
		}
		bpf_skb_store_bytes(skb, at, addresses, 32, 0);
	}
	write_ttl(skb, packet, OWN_TTL);
	return hand_over(skb, port_id, packet->length);
}

/* Whether the packet may go on from its port. */
static __always_inline int accept(struct __sk_buff *skb, __u32 port_id, struct port *port, struct packet *packet)
{
	__u32 octets;

	if (packet->segment > port->mtu) {
		packet->mtu = port->mtu;
		return REASON_MTU_EXCEEDED;
	}
	if (!may_come_from(port, packet))
		return REASON_SOURCE_ADDRESS;
	if (port->limits >> DIRECTION_EGRESS & 1) {
		octets = octets_cut(packet->length, packet->segment, skb->gso_size);
		trim(skb, packet->at + packet->length);
		/* What the kernel does not cut off will be sent. */
		if (octets < skb->len - packet->at)
			octets = skb->len - packet->at;
		if (!is_within_rate(port_id, DIRECTION_EGRESS, octets))
			return REASON_EGRESS_RATE;
	}
	return port->gateway_count ? answer_gateway(skb, port_id, port, packet) : GOES_ON;
}
