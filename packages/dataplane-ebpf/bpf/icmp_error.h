// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tells the sender of a dropped packet that its TTL ran out (RFC 1812 §5.3.1) or that it is too large for its way, and what would pass (RFC 1191
 * §4, RFC 8201 §3). The packet itself becomes the error: cut to what is quoted, headers put before it, sent back.
 */
#pragma once

#include "deliver.h"
#include "encap.h"
#include "extension.h"
#include "sum.h"

/* Longest error, its own header included (RFC 1812 §4.3.2.3, RFC 4443 §2.4 c). */
#define MAX_ERROR_IPV4 576
#define MAX_ERROR_IPV6 1280
/* Errors in a row about what a port sends, or is sent, and nanoseconds that earn another one; on each CPU. */
#define ERROR_BURST 100
#define ERROR_INTERVAL 1000000ULL

/* One who has many packets dropped takes no errors from others: ports, whose numbers are small, share a bucket with few. `port`: NONE for what is of no port */
static __always_inline int may_tell(__u32 port)
{
	__u32 place = port % ERROR_BUDGETS;
	struct error_budget *budget = bpf_map_lookup_elem(&error_budgets, &place);
	__u64 now = bpf_ktime_get_ns(), earned;

	if (!budget)
		return 0;
	earned = (now - budget->at) / ERROR_INTERVAL;
	if (earned) {
		budget->at += earned * ERROR_INTERVAL;
		budget->tokens = budget->tokens + earned > ERROR_BURST ? ERROR_BURST : budget->tokens + earned;
	}
	if (!budget->tokens)
		return 0;
	budget->tokens--;
	return 1;
}

/* No error answers an error, a fragment other than the first, or a source that is no host (RFC 1122 §3.2.2, RFC 4443 §2.4 e). */
static __always_inline int may_be_answered(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 end = packet->at + packet->length, at = packet->at + packet->header;
	__u8 type = 0, fragment[2] ALIGNED;

	if (!is_forwardable(packet->family, packet->source))
		return 0;
	if (packet->family == 6) {
		__u64 chain = walk_extensions(skb, at, packet->protocol, end);

		if (chain & CHAIN_BROKEN)
			return 1;
		if (chain & CHAIN_LATER)
			return 0;
		at = chain >> 8 & CHAIN_OFFSET;
		return (chain & 0xff) != PROTOCOL_ICMPV6 || at >= end || bpf_skb_load_bytes(skb, at, &type, 1) < 0 || type >= 128;
	}
	if (at < end)
		bpf_skb_load_bytes(skb, at, &type, 1);
	if (bpf_skb_load_bytes(skb, packet->at + 6, fragment, 2) < 0 || (half_at(fragment) & 0x1fff))
		return 0;
	return packet->protocol != PROTOCOL_ICMP || (type != 3 && type != 4 && type != 5 && type != 11 && type != 12);
}

/* The router speaks from the port's gateway address; without one, from the address that the packet was for, which the sender has a route to. */
static __always_inline void write_own_address(__u8 *octets, const struct port *port, const struct packet *packet)
{
	const __u32 *words = packet->destination;
	__u32 own[4];

	__builtin_memcpy(own, words, sizeof(own));
	for (__u32 index = 0; index < MAX_GATEWAYS; index++) {
		if (!port || index >= port->gateway_count)
			break;
		if (port->gateways[index].family != packet->family)
			continue;
		__builtin_memcpy(own, port->gateways[index].address, sizeof(own));
		break;
	}
	put_word(octets, own[0]);
	if (packet->family == 4)
		return;
	put_word(octets + 4, own[1]);
	put_word(octets + 8, own[2]);
	put_word(octets + 12, own[3]);
}

/* The headers: IP and ICMP, their checksums zero. */
static __always_inline void write_error(__u8 *octets, const struct port *port, const struct packet *packet, __u32 length, int is_too_big)
{
	__u8 *icmp = octets + (packet->family == 4 ? IPV4_HEADER : IPV6_HEADER);

	__builtin_memset(octets, 0, IPV6_HEADER + ICMP_HEADER);
	if (packet->family == 4) {
		put_word(octets, 0x45000000 | length);
		put_word(octets + 8, OWN_TTL << 24 | PROTOCOL_ICMP << 16);
		write_own_address(octets + 12, port, packet);
		put_word(octets + 16, packet->source[0]);
		*(half *)(octets + 10) = ~raw_sum(octets, IPV4_HEADER);
		icmp[0] = is_too_big ? 3 : 11;
		icmp[1] = is_too_big ? 4 : 0;
	} else {
		octets[0] = 0x60;
		put_word(octets + 4, (length - IPV6_HEADER) << 16 | PROTOCOL_ICMPV6 << 8 | OWN_TTL);
		write_own_address(octets + 8, port, packet);
#pragma unroll
		for (int word = 0; word < 4; word++)
			put_word(octets + 24 + word * 4, packet->source[word]);
		icmp[0] = is_too_big ? 2 : 3;
	}
	put_word(icmp + 4, is_too_big ? packet->mtu : 0);
}

/* Sum of the ICMP message and, for IPv6, of its pseudo-header: addresses, length, protocol. */
static __always_inline __u32 sum_of_error(struct __sk_buff *skb, const __u8 *octets, __u32 family, __u32 headers, __u32 length)
{
	__u64 sum;

	if (family == 4)
		sum = bpf_csum_diff(0, 0, (__be32 *)(octets + IPV4_HEADER), ICMP_HEADER, 0);
	else
		sum = bpf_csum_diff(0, 0, (__be32 *)(octets + 8), 32 + ICMP_HEADER, bpf_htons(length - IPV6_HEADER) + bpf_htons(PROTOCOL_ICMPV6));
	return folded(sum + sum_of(skb, ETHERNET + headers, ETHERNET + length));
}

/* What the packet is now: an error to who sent it. `octets`: its headers */
static __always_inline void describe_error(struct packet *packet, const __u8 *octets, __u32 header, __u32 length)
{
	const __u8 *own = octets + (packet->family == 4 ? 12 : 8);

	packet->at = ETHERNET;
	packet->header = header;
	packet->length = packet->segment = length;
	packet->protocol = packet->family == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
	packet->ttl = packet->ttl_written = OWN_TTL;
	packet->checksum = half_at(octets + 10);
	packet->traffic_class = packet->is_fragment = 0;
#pragma unroll
	for (int word = 0; word < 4; word++)
		packet->destination[word] = packet->source[word];
	packet->source[0] = word_at(own);
	if (packet->family == 4)
		return;
	packet->source[1] = word_at(own + 4);
	packet->source[2] = word_at(own + 8);
	packet->source[3] = word_at(own + 12);
}

/*
 * Turns the packet into an error to its sender; 0 when that is not told.
 *
 * `outer`: family of the header that it came behind, 0 without
 */
__noinline int become_error(struct __sk_buff *skb, struct packet *packet, __u32 outer, int is_too_big)
{
	struct scratch *scratch_ = scratch();
	__u32 header, headers, longest, length, port_id;
	__u8 *octets, half[2] ALIGNED;
	struct port *port;

	if (!scratch_ || !packet)
		return 0;
	/* No sender may believe less (RFC 8201 §4). */
	if (is_too_big && packet->family == 6 && packet->mtu < LEAST_MTU_IPV6)
		return 0;
	if (!may_be_answered(skb, packet) || !may_tell(packet->port))
		return 0;
	port_id = packet->port;
	port = port_of(&port_id);
	octets = scratch_->octets;
	header = packet->family == 4 ? IPV4_HEADER : IPV6_HEADER;
	headers = header + ICMP_HEADER;
	longest = packet->family == 4 ? MAX_ERROR_IPV4 : MAX_ERROR_IPV6;
	if (port && longest > port->mtu)
		longest = port->mtu;
	length = packet->length + headers > longest ? longest : packet->length + headers;
	if (skb->len > packet->at + length - headers && bpf_skb_change_tail(skb, packet->at + length - headers, 0) < 0)
		return 0;
	if (reshape(skb, (__s32)headers - (__s32)(packet->at - ETHERNET), outer ? outer : packet->family, packet->family) < 0)
		return 0;
	write_error(octets, port, packet, length, is_too_big);
	describe_error(packet, octets, header, length);
	/* Each length by itself: the verifier wants to know it. */
	if (packet->family == 4) {
		if (bpf_skb_store_bytes(skb, ETHERNET, octets, IPV4_HEADER + ICMP_HEADER, BPF_F_RECOMPUTE_CSUM) < 0)
			return 0;
	} else if (bpf_skb_store_bytes(skb, ETHERNET, octets, IPV6_HEADER + ICMP_HEADER, BPF_F_RECOMPUTE_CSUM) < 0) {
		return 0;
	}
	put_half(half, bpf_ntohs(~sum_of_error(skb, octets, packet->family, headers, length)));
	bpf_skb_store_bytes(skb, ETHERNET + header + 2, half, 2, BPF_F_RECOMPUTE_CSUM);
	if (outer) {
		put_half(half, packet->family == 4 ? ETH_P_IP : ETH_P_IPV6);
		bpf_skb_store_bytes(skb, 12, half, 2, 0);
	}
	return 1;
}
