// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a program knows of the packet in hand: where the inner one lies in the frame, the fields that the steps need, and what it came behind. */
#pragma once

#include "kernel.h"
#include "maps.h"

#include <bpf/bpf_core_read.h>

/* What a step returns for a packet that may go on; everything else is a drop reason, or a verdict that is final. */
#define GOES_ON (-1)
/* What is returned of a packet whose way has been found: to a port of this router, or into a tunnel; which one is in `target`. */
#define TO_PORT (-4)
#define TO_TUNNEL (-5)

/* What length fields can say. */
#define MOST_SAID 0xffff

struct packet {
	/* Offset of the IP header in the frame. */
	__u32 at;
	/* Octets of the IP packet, as its header says. */
	__u32 length;
	/* Octets of the largest IP packet after segmentation offload has cut this one. */
	__u32 segment;
	__u32 family;
	__u32 header;
	__u32 protocol;
	/* As it counts, and as it stands in the header. */
	__u32 ttl;
	__u32 ttl_written;
	/* Of an IPv4 header, as it stands there. */
	__u32 checksum;
	__u32 traffic_class;
	__u32 is_fragment;
	__u32 source[4];
	__u32 destination[4];
	/* Largest packet that would have passed, for mtu-exceeded. */
	__u32 mtu;
	/* VRF whose addresses the packet has, and the port that it came from or was to be delivered to: NONE when there is none. */
	__u32 vrf;
	__u32 port;
	/* The lesser MTU of the ports that clamp segments, where it came from and where it goes to; NONE without. */
	__u32 clamp;
};

/* The outer headers. */
struct outer {
	__u32 family;
	__u32 source[4];
	__u32 encapsulation;
	__u32 traffic_class;
	/* Offset of the label stack or VXLAN header, and behind the payload. */
	__u32 at;
	__u32 end;
};

/* What is known of the label that the packet came by. */
struct popped {
	__u32 action;
	__u32 target;
	__u32 ttl;
	/* Family that an explicit null or an EtherType names; 0: none. */
	__u32 family;
	/* Traffic class of the label, if it becomes that of the packet; NONE otherwise. */
	__u32 traffic_class;
	/* The TTL of the label has run out. */
	__u32 is_expired;
	/* The last label, or the VNI. */
	__u32 id;
};

/* What a packet is to flows. */
enum tuple_kind {
	/* Of a flow: TCP, UDP, SCTP with ports, or an ICMP echo with its identifier. */
	TUPLE_FLOW,
	/* Has none of its own: other ICMP, or another protocol, whose flow is its addresses. */
	TUPLE_OTHER,
	/* An ICMP error, which is about the flow of the packet that it quotes. */
	TUPLE_ERROR,
	/* A fragment other than the first: only addresses and identification tell what it belongs to. */
	TUPLE_LATER,
	/* Its headers are not all there, or are cut so that they cannot be judged. */
	TUPLE_BROKEN,
};

/* The flow that a packet belongs to. */
struct tuple {
	__u32 kind;
	__u32 family;
	__u32 protocol;
	/* Offset of the transport header. */
	__u32 transport;
	__u32 source[4];
	__u32 destination[4];
	/* Of ICMP echo: the identifier on both sides. */
	__u32 source_port;
	__u32 destination_port;
	/* NONE for anything but ICMP. */
	__u32 icmp_type;
	__u32 icmp_code;
	/* Whether the ports were there, if the rest of the header was not. */
	__u32 has_ports;
	/* TCP flags; 0 for anything else. */
	__u32 flags;
	__u32 is_fragment;
	__u32 identification;
	/* What its parts say that the datagram is of: behind IPv6 extension headers, another protocol than what they carry. */
	__u32 carries;
} ALIGNED;

/* Octets of a tuple up to its ends, which is what a rewriting goes by. */
#define TO_ENDS __builtin_offsetof(struct tuple, icmp_type)

/* How far the backends of a service have been looked at. */
struct drawing {
	__u32 first;
	/* Of the flow, or of the client alone, with the service's seed. */
	__u32 key;
	__u32 is_even;
	/* Place of the best so far, its weight, and what it drew: as a number, and as a logarithm. */
	__u32 best;
	__u32 weight;
	__u32 drawn;
	__u64 log;
	/* The backend that the client came to, if it came before, and its place when it takes flows. */
	__u32 came_before;
	__u32 is_found;
	__u32 again;
	__u32 port;
	__u32 address[4];
};

/* A packet that is being cut into parts. */
struct cutting {
	/* Headers of the first part and of the others, and their octets. */
	__u8 first[64];
	__u8 later[64];
	__u32 header;
	__u32 later_header;
	/* Largest part. */
	__u32 mtu;
	/* Octets of data that were sent, and of all. */
	__u32 next;
	__u32 end;
	/* Offset of the data in the datagram that the packet is a part of itself, in units; and whether more of it follows. */
	__u32 base;
	__u32 has_more;
	/* Of the option that is looked at: octets that are left, and whether every part has it. */
	__u32 option_left;
	__u32 is_copied;
};

/* Kept in a map: it would take most of the stack that all functions of a program share. */
struct work {
	struct packet packet;
	/* Port or next hop that it goes to, and the hash of its flow. */
	__u32 target;
	__u32 hash;
	/* What was found: TO_PORT or TO_TUNNEL; by how many routes, and the last one's next hop. */
	int way;
	__u32 lookups;
	__u32 next_hop;
	__u32 is_traced;
	struct outer outer;
	struct popped popped;
	struct tuple tuple;
	/* Of the packet that an error quotes. */
	struct tuple quoted;
	/* Of the packet that opened the flow in hand. */
	struct tuple opener;
	struct flow_key key;
	/* Ends that the packet gets, those that it came with if `is_translated`, and the flow of a packet that a pool hides. */
	struct tuple ends;
	struct tuple before;
	struct tuple hidden;
	/* The flow in hand and its other direction, while they are made. */
	struct nat_flow nat;
	struct nat_flow peer;
	struct flow_key peer_key;
	struct service service;
	struct backend backend;
	struct drawing drawing;
	struct affinity_key client;
	struct affinity affinity;
	struct cutting cutting;
	/* Whether `tuple` tells the packet in hand, and `quoted` the packet that it quotes, as policies know it. */
	__u32 has_tuple;
	__u32 has_quoted;
	__u32 is_translated;
	/* It is a part of a packet that was translated and judged as a whole. */
	__u32 is_part;
	/* What the rule said of its flow that judged last: the mirror, plus one; and whether one of its rules named any. */
	__u32 mirror;
	__u32 is_mirrored;
	/* The number of that rule, or what stands in its place. */
	__u32 judge;
	/* VRF in which a packet that came back to a pool goes on, and the one in which its ends were translated or found to be no service's; NONE. */
	__u32 inside_vrf;
	__u32 nat_vrf;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} works SEC(".maps");

/* For functions that the verifier looks at by themselves: some kernels take no key of a map from memory that was handed to them. */
static __always_inline struct work *current_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&works, &zero);
}

/* A clean sheet for the packet in hand. */
static __always_inline struct work *new_work(void)
{
	struct work *work = current_work();

	if (!work)
		return 0;
	/* Tuples are read whole where they are wanted. */
	__builtin_memset(work, 0, offsetof(struct work, tuple));
	work->has_tuple = work->has_quoted = work->is_translated = work->is_part = work->is_mirrored = 0;
	work->inside_vrf = work->nat_vrf = NONE;
	work->packet.vrf = work->packet.port = work->packet.clamp = NONE;
	work->popped.ttl = 255;
	work->popped.traffic_class = NONE;
	return work;
}

__noinline int count_drop(enum drop_reason reason)
{
	__u32 slot = reason;
	__u64 *count = bpf_map_lookup_elem(&drops, &slot);

	if (count)
		(*count)++;
	return 0;
}

/*
 * What a header counts, of which it says `said` and the frame has `rest`. Of a frame that is still to be cut, endpoints whose devices allow so (`gso_ipv4_max_size`,
 * Linux 6.3; `gso_max_size` above 65,536, Linux 5.19) send more than the field can say: then it is zero, as RFC 2675 §3 has it for IPv6.
 */
static __always_inline __u32 counted_length(const struct __sk_buff *skb, __u32 said, __u32 rest)
{
	return said == 0 && rest > MOST_SAID && skb->gso_size ? rest : said;
}

/* Whether a router may forward to the address, or take a packet from it (RFC 1812 §5.3.7, RFC 4291 §2.5–2.7). */
static __always_inline int is_forwardable(__u32 family, const __u32 *words)
{
	__u32 first = words[0] >> 24;

	if (family == 4)
		return first != 0 && first != 127 && first < 224 && words[0] >> 16 != 0xa9fe;
	if (first == 0xff || words[0] >> 22 == 0x3fa)
		return 0;
	return words[0] != 0 || words[1] != 0 || words[2] != 0 || words[3] > 1;
}

/* Octets of the frame from `at` on, `count` of them; none where they cannot be reached. */
static __always_inline __u8 *octets_at(struct __sk_buff *skb, __u32 at, __u32 count)
{
	__u8 *octets = (__u8 *)(long)skb->data + at;

	return octets + count > (__u8 *)(long)skb->data_end ? 0 : octets;
}

/* What is read of the kernel's own packet: where, its types tell (BTF) as programs are loaded. Where they do not, or its memory may not be read, the first is at offset 0. */
struct sk_buff {
	__u16 csum_start;
	__u16 csum_offset;
	__u16 mac_header;
	__u8 ip_summed : 2;
} __attribute__((preserve_access_index));

/*
 * The kernel's own packet, read without a call (`bpf_cast_to_kern_ctx`, Linux 6.2); 0 where that is to be done without. The loader puts either in the place of this
 * call (native/core/src/kernel_calls.rs), and the verifier takes away what is for the other.
 */
static const struct sk_buff *(*const kernel_packet)(struct __sk_buff *skb) = (void *)0x48650001;

/* CHECKSUM_COMPLETE, CHECKSUM_PARTIAL. */
#define SUMMED_UP 2
#define SUM_IS_LEFT 3

static __always_inline __u32 summed_in(const struct sk_buff *packet)
{
	return BPF_CORE_READ_BITFIELD(packet, ip_summed);
}

/*
 * Whether no checksum of a frame is left to the device, nor has anybody summed it up. The kernel can be told that what nobody has vouched for is right, but none of those; it
 * forgets what it was told when room is made for headers, or taken away. These two calls change no octets, and take half of what `leaves_checksum` does.
 */
static __always_inline int has_no_sum(struct __sk_buff *skb)
{
	const struct sk_buff *packet = kernel_packet(skb);
	__u32 summed;

	if (packet) {
		summed = summed_in(packet);
		return summed != SUM_IS_LEFT && summed != SUMMED_UP;
	}
	bpf_csum_level(skb, BPF_CSUM_LEVEL_INC);
	return (int)bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0;
}

/* Whether the whole frame was summed up: only to such a sum can be added. */
static __always_inline int is_summed_up(struct __sk_buff *skb)
{
	const struct sk_buff *packet = kernel_packet(skb);

	return packet ? summed_in(packet) == SUMMED_UP : (__s64)bpf_csum_update(skb, 0) >= 0;
}

/*
 * Whether a checksum of the frame is left to the device: of one, the kernel changes nothing for what is replaced in the payload. Any two octets will do, of which
 * it is told that a checksum stands there.
 */
static __always_inline int leaves_checksum(struct __sk_buff *skb)
{
	const struct sk_buff *packet = kernel_packet(skb);
	__u8 *frame;
	half before;

	if (packet)
		return summed_in(packet) == SUM_IS_LEFT;
	frame = octets_at(skb, 0, 2);
	if (!frame)
		return 1;
	before = *(half *)frame;
	bpf_l4_csum_replace(skb, 0, 0, bpf_htons(1), 2);
	frame = octets_at(skb, 0, 2);
	if (!frame || *(half *)frame == before)
		return 1;
	*(half *)frame = before;
	return 0;
}

/* Reads the place in the frame of a checksum that is left to the device, which may be before it; whether it can be read. Of any other frame it is any number. */
static __always_inline int read_place(struct __sk_buff *skb, __s32 *place)
{
	const struct sk_buff *packet = kernel_packet(skb);
	__u16 sum[2] ALIGNED = {}, frame ALIGNED = 0;

	if (packet) {
		*place = (__s32)packet->csum_start + packet->csum_offset - packet->mac_header;
		return 1;
	}
	packet = (const void *)skb;
	if (!__builtin_preserve_field_info(packet->csum_start, 0))
		return 0;
	/* The offset is behind the start in every kernel: both together have the place of a sum. */
	if (bpf_probe_read_kernel(sum, sizeof(sum), &packet->csum_start) < 0 || bpf_probe_read_kernel(&frame, sizeof(frame), &packet->mac_header) < 0)
		return 0;
	*place = (__s32)sum[0] + sum[1] - frame;
	return 1;
}

/*
 * Whether the kernel has told such a place where it cannot be read: it refused to shorten a frame to less than that. The last versions of Linux 6.1 and 6.12 shorten it, and
 * have nothing left to the device from then on: the frame would be lost.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} sum_places SEC(".maps");

static __always_inline int tells_places(void)
{
	__u32 zero = 0, *tells = bpf_map_lookup_elem(&sum_places, &zero);

	return tells && *tells;
}

/* Learns whether it does, of a frame that has been given its outer headers: what is encapsulated no kernel shortens. `least`: of a checksum that is where it belongs */
static __always_inline void learn_places(struct __sk_buff *skb, __u32 least)
{
	__u32 zero = 0, *tells = bpf_map_lookup_elem(&sum_places, &zero);

	if (tells && !*tells && (int)bpf_skb_change_tail(skb, least + 1, 0) == INVALID)
		*tells = 1;
}

/*
 * Whether the device writes nothing before `least` where the checksum is left to it. Who sends frames by hand chooses its place, and by other octets what is written: an
 * address or a port, when everything has been judged. Where it cannot be read, it is known by what the kernel shortens no frame to, which is behind it; only what is
 * refused may have been shortened. An endpoint's own tunnel leaves one that is further behind.
 */
static __always_inline int sums_behind(struct __sk_buff *skb, __u32 least)
{
	__u8 octets[2] ALIGNED;
	__s32 place;

	if (read_place(skb, &place))
		return place >= (__s32)least || !leaves_checksum(skb);
	if (!tells_places() || !leaves_checksum(skb))
		return 1;
	/* Of a sum from before the frame some kernels believe that it is far behind; by this they forget it. */
	if (bpf_skb_load_bytes(skb, 0, octets, 2) < 0 || bpf_skb_store_bytes(skb, 0, octets, 2, BPF_F_RECOMPUTE_CSUM) < 0)
		return 0;
	return (int)bpf_skb_change_tail(skb, least + 1, 0) == INVALID;
}

/* Octets of a header of transport before which no checksum is left to the device: its own place, or for SCTP less, but behind the ports. */
static __always_inline __u32 kept_octets(__u32 protocol)
{
	return protocol == PROTOCOL_TCP ? 16 : protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP ? 6 : 0;
}

/* Cuts off what follows the packet. */
static __always_inline void trim(struct __sk_buff *skb, __u32 end)
{
	/* Where the kernel has seen headers behind the end, it shortens nothing: what stays is padding of the frame. */
	if (skb->len > end && !skb->gso_size)
		bpf_skb_change_tail(skb, end, 0);
}

/* Writes the TTL into the header of the packet. */
static __always_inline void write_ttl(struct __sk_buff *skb, struct packet *packet, __u32 ttl)
{
	__u8 octets[4] ALIGNED;

	octets[0] = ttl;
	if (packet->family == 4) {
		/* RFC 1624, equation 3. */
		packet->checksum = ~folded((~packet->checksum & 0xffff) + (~(packet->ttl_written << 8) & 0xffff) + (ttl << 8)) & 0xffff;
		octets[1] = packet->protocol;
		put_half(octets + 2, packet->checksum);
		bpf_skb_store_bytes(skb, packet->at + 8, octets, 4, 0);
	} else {
		bpf_skb_store_bytes(skb, packet->at + 7, octets, 1, BPF_F_RECOMPUTE_CSUM);
	}
	packet->ttl_written = ttl;
}

/* Writes the TOS or traffic class octet into the header of the packet. */
static __always_inline void write_traffic_class(struct __sk_buff *skb, struct packet *packet, __u32 traffic_class)
{
	__u8 octets[2] ALIGNED;

	if (packet->traffic_class == traffic_class)
		return;
	if (packet->family == 4) {
		bpf_l3_csum_replace(skb, packet->at + 10, bpf_htons(packet->traffic_class), bpf_htons(traffic_class), 2);
		if (bpf_skb_load_bytes(skb, packet->at + 10, octets, 2) == 0)
			packet->checksum = half_at(octets);
		octets[0] = traffic_class;
		bpf_skb_store_bytes(skb, packet->at + 1, octets, 1, 0);
	} else if (bpf_skb_load_bytes(skb, packet->at, octets, 2) == 0) {
		put_half(octets, (half_at(octets) & 0xf00f) | traffic_class << 4);
		bpf_skb_store_bytes(skb, packet->at, octets, 2, BPF_F_RECOMPUTE_CSUM);
	}
	packet->traffic_class = traffic_class;
}
