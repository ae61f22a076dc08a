// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Step 1, parse: the header of an IP packet, with the checks that a router must make (RFC 1812 §5.2.2, RFC 8200 §3). */
#pragma once

#include "extension.h"
#include "rate.h"

__noinline int header_sums_up(struct __sk_buff *skb, __u32 at, __u32 header)
{
	__u8 octets[60] ALIGNED = {};

	/* One bound after the other: of both in one, older verifiers learn only the upper. */
	if (header < IPV4_HEADER)
		return 0;
	OPAQUE(header);
	if (header > sizeof(octets))
		return 0;
	if (bpf_skb_load_bytes(skb, at, octets, header) < 0)
		return 0;
	return raw_sum(octets, sizeof(octets)) == 0xffff;
}

/* As `header_sums_up`, of a header without options that has been read. */
static __always_inline int sums_up(const __u8 *octets)
{
	return raw_sum(octets, IPV4_HEADER) == 0xffff;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *packet, __u32 end)
{
	__u8 octets[IPV4_HEADER] ALIGNED;

	if (packet->at + IPV4_HEADER > end || bpf_skb_load_bytes(skb, packet->at, octets, IPV4_HEADER) < 0)
		return REASON_INNER_MALFORMED;
	packet->header = (octets[0] & 15) * 4;
	packet->length = counted_length(skb, half_at(octets + 2), end - packet->at);
	if (packet->header < IPV4_HEADER || packet->header > packet->length || packet->at + packet->length > end)
		return REASON_INNER_MALFORMED;
	if (packet->header == IPV4_HEADER ? !sums_up(octets) : !header_sums_up(skb, packet->at, packet->header))
		return REASON_INNER_MALFORMED;
	packet->checksum = half_at(octets + 10);
	packet->family = 4;
	packet->traffic_class = octets[1];
	packet->is_fragment = (half_at(octets + 6) & 0x3fff) != 0;
	packet->ttl = packet->ttl_written = octets[8];
	packet->protocol = octets[9];
	packet->source[0] = word_at(octets + 12);
	packet->destination[0] = word_at(octets + 16);
	packet->source[1] = packet->source[2] = packet->source[3] = 0;
	packet->destination[1] = packet->destination[2] = packet->destination[3] = 0;
	return GOES_ON;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *packet, __u32 end)
{
	__u8 octets[IPV6_HEADER] ALIGNED;

	if (packet->at + IPV6_HEADER > end || bpf_skb_load_bytes(skb, packet->at, octets, IPV6_HEADER) < 0)
		return REASON_INNER_MALFORMED;
	packet->length = IPV6_HEADER + counted_length(skb, half_at(octets + 4), end - packet->at - IPV6_HEADER);
	if (packet->at + packet->length > end)
		return REASON_INNER_MALFORMED;
	packet->family = 6;
	packet->header = IPV6_HEADER;
	packet->traffic_class = (half_at(octets) >> 4) & 0xff;
	packet->is_fragment = 0;
	packet->protocol = octets[6];
	packet->ttl = packet->ttl_written = octets[7];
#pragma unroll
	for (int word = 0; word < 4; word++) {
		packet->source[word] = word_at(octets + 8 + word * 4);
		packet->destination[word] = word_at(octets + 24 + word * 4);
	}
	return GOES_ON;
}

/* Octets of a segment: the headers, and as much as offload leaves in each. */
static __always_inline __u32 segment_of(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 at = packet->at + packet->header, protocol = packet->protocol, transport = UDP_HEADER;
	__u8 offset = 0;
	__u64 chain;

	if (!skb->gso_size)
		return packet->length;
	if (packet->family == 6) {
		chain = walk_extensions(skb, at, protocol, packet->at + packet->length);
		if (chain & CHAIN_BROKEN)
			return packet->length;
		protocol = chain & 0xff;
		at = chain >> 8 & CHAIN_OFFSET;
	}
	if (protocol == PROTOCOL_TCP && bpf_skb_load_bytes(skb, at + 12, &offset, 1) == 0)
		transport = (offset >> 4) * 4;
	/* What says the length of a super-frame (RFC 2675) no segment has. */
	if (packet->protocol == HOP_BY_HOP && packet->length > MOST_SAID)
		transport -= JUMBO_HEADER;
	return at - packet->at + transport + skb->gso_size;
}

/* Least payload of a TCP segment: of the least MSS that Linux sends, options may take 40 octets (`TCP_MIN_SND_MSS`). */
#define LEAST_TCP_PAYLOAD 8
/* Most datagrams of a large one (`UDP_MAX_SEGMENTS`), and packets of what an endpoint tunnels itself. */
#define MOST_CUT 128
/* Most times of its octets that a frame may stand for, behind extension headers as well: more than TCP's least payload makes of 100 octets of headers; and octets beyond, of few datagrams. */
#define MOST_GROWN 16
#define GROWN_BEYOND 8192

/* Whether a packet that offload is to cut, if it is, is cut no finer than stacks cut. `segment`: octets of the largest piece, with its headers */
static __always_inline int is_cut_as_by_stacks(__u32 protocol, __u32 length, __u32 segment, __u32 gso_size)
{
	if (!gso_size || length <= segment)
		return 1;
	if (protocol == PROTOCOL_TCP)
		return gso_size >= LEAST_TCP_PAYLOAD;
	return (length - (segment - gso_size) + gso_size - 1) / gso_size <= MOST_CUT;
}

/* Least place of a checksum that is left to the device: nothing before it may change. Nobody leaves that of ICMP, where nothing else may either. `chain`: of the packet */
static __always_inline __u32 least_place(const struct packet *packet, __u64 chain)
{
	__u32 protocol = chain & 0xff;

	if ((chain & CHAIN_BROKEN) || protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6)
		return packet->at + packet->length;
	return (chain >> 8 & CHAIN_OFFSET) + kept_octets(protocol);
}

/*
 * Whether a stack may have made the frame. The kernel asks nobody who sends frames by hand how they are to be cut: one that is longer than its packet would be
 * sent whole and charged as that, and one that is cut finely would stand for so many headers that a rate which it is charged to is used up for long.
 */
__noinline int is_of_a_stack(struct __sk_buff *skb, const struct packet *packet)
{
	__u64 chain;

	if (!packet)
		return 0;
	chain = packet->protocol | (__u64)(packet->at + packet->header) << 8;
	if (packet->family == 6)
		chain = walk_extensions(skb, packet->at + packet->header, packet->protocol, packet->at + packet->length);
	if (!sums_behind(skb, least_place(packet, chain)))
		return 0;
	if (!skb->gso_size)
		return 1;
	if (packet->at + packet->length != skb->len)
		return 0;
	if ((chain & CHAIN_BROKEN) || !is_cut_as_by_stacks(chain & 0xff, packet->length, packet->segment, skb->gso_size))
		return 0;
	return octets_cut(packet->length, packet->segment, skb->gso_size) <= packet->length * MOST_GROWN + GROWN_BEYOND;
}

/* Reads the packet at `at`, behind which the frame has nothing of it from `end` on. */
__noinline int parse(struct __sk_buff *skb, struct packet *packet, __u32 at, __u32 end)
{
	__u8 version;
	int result;

	if (!packet)
		return REASON_INNER_MALFORMED;
	packet->at = at;
	if (at >= end || bpf_skb_load_bytes(skb, at, &version, 1) < 0)
		return REASON_INNER_MALFORMED;
	version >>= 4;
	if (version == 4)
		result = parse_ipv4(skb, packet, end);
	else if (version == 6)
		result = parse_ipv6(skb, packet, end);
	else
		return REASON_FAMILY_UNSUPPORTED;
	packet->segment = segment_of(skb, packet);
	return result;
}
