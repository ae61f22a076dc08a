// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Plain packets, which are most: TCP or UDP in IP without options, extension headers or fragments, nothing behind it in its frame, all headers where they
 * can be reached. What the nine steps decided about one of a flow holds for the next as well, as long as no table changes; it is kept in a table of each CPU
 * that needs neither locks nor searches. Whatever is in doubt goes the general way.
 */
#pragma once

#include "congestion.h"
#include "flow_table.h"
#include "mss.h"
#include "rewrite.h"

#define TCP_FLAGS_AT 13

/*
 * Ticks of the kernel after which the general way sees a packet of a flow that policies or services watch, so that it is not taken for quiet: 0.25 to 2.5 seconds, of
 * kernels that have 1,000 to 100 a second. They are read without a call.
 */
#define WATCH 250

/* A plain packet: what is the same in all packets of its flow, and what is not. */
struct plain {
	struct plain_key {
		/* Of the tables, when it came: 0 when it is not plain. */
		__u32 epoch;
		__u32 ifindex;
		/* Family << 8 | protocol. */
		__u32 kind;
		__u32 ports;
		__u32 source[4];
		__u32 destination[4];
	} ALIGNED key;
	__u32 length;
	__u32 segment;
	__u32 ttl;
	__u32 traffic_class;
	/* TCP's; 0 for UDP. */
	__u32 flags;
	/* Place of its flow, and the count of openings there, as long as addresses are translated. */
	__u32 place;
	__u32 openings;
	/* Packets that went the general way. */
	__u64 turns;
};
/* Octets of it that are read of a packet. */
#define READ_OF_PLAIN (offsetof(struct plain, openings) + sizeof(__u32))

/* What becomes of the ends of a flow's packets, behind an Ethernet header. */
struct translation {
	/* Of IPv4, as they are written; and what the addresses add to a sum, and what they do with the ports. */
	__u32 source;
	__u32 destination;
	__u32 ports;
	__u32 sum;
	__u32 sum_of_ends;
	__u32 reserved;
	struct tuple from;
	struct tuple to;
};

/* What the kernel has of sums of a frame that is changed: none; one that the device is to fill in; one of the whole frame, or nobody knows. */
enum frame_sum { NO_SUM, LEFT_SUM, FRAME_SUM };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct plain);
} plains SEC(".maps");

static __always_inline struct plain *current_plain(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&plains, &zero);
}

/*
 * Keeps what was read of the packet in hand for when it has been decided. Of a flow that is known it stays on the stack, which is nearer than any map: between two
 * large segments everything else has left the nearest cache.
 */
static __always_inline int keep_plain(const struct plain *plain)
{
	struct plain *kept = current_plain();

	if (kept)
		__builtin_memcpy(kept, plain, READ_OF_PLAIN);
	return GOES_ON;
}

/* That the packet in hand is not plain. */
static __always_inline int keep_nothing(void)
{
	struct plain *kept = current_plain();

	if (kept)
		kept->key.epoch = 0;
	return GOES_ON;
}

/*
 * What is read of tables from here on is read after the epoch: on a machine that reads ahead, what was decided by tables as they were would be remembered for
 * those that they are. An atomic operation with a result is the one barrier that programs have.
 */
static __always_inline void begin_general_way(void)
{
	struct plain *plain = current_plain();
	__u64 turn;

	if (!plain)
		return;
	turn = __sync_fetch_and_add(&plain->turns, 1);
	OPAQUE(turn);
}

static __always_inline int read_plain_ipv4(struct plain *plain, const __u8 *ip)
{
	if (ip[0] != 0x45 || (half_at(ip + 6) & 0x3fff) || raw_sum(ip, IPV4_HEADER) != 0xffff)
		return 0;
	plain->key.kind = 4 << 8 | ip[9];
	plain->key.source[0] = word_at(ip + 12);
	plain->key.destination[0] = word_at(ip + 16);
#pragma unroll
	for (int word = 1; word < 4; word++)
		plain->key.source[word] = plain->key.destination[word] = 0;
	plain->length = half_at(ip + 2);
	plain->ttl = ip[8];
	plain->traffic_class = ip[1];
	return IPV4_HEADER;
}

static __always_inline int read_plain_ipv6(struct plain *plain, const __u8 *ip)
{
	plain->key.kind = 6 << 8 | ip[6];
#pragma unroll
	for (int word = 0; word < 4; word++) {
		plain->key.source[word] = word_at(ip + 8 + word * 4);
		plain->key.destination[word] = word_at(ip + 24 + word * 4);
	}
	plain->length = IPV6_HEADER + half_at(ip + 4);
	plain->ttl = ip[7];
	plain->traffic_class = (half_at(ip) >> 4) & 0xff;
	return IPV6_HEADER;
}

/* Reads the packet at `at`; whether it is plain. A SYN is not: its MSS may have to be lowered. Nor is what has a tag, which the kernel keeps beside the frame. */
static __always_inline int read_plain(struct __sk_buff *skb, struct plain *plain, __u32 at, __u32 family)
{
	__u32 size = family == 4 ? IPV4_HEADER : IPV6_HEADER, transport = UDP_HEADER;
	__u8 *ip = octets_at(skb, at, size + UDP_HEADER);

	if (!ip || !(family == 4 ? read_plain_ipv4(plain, ip) : ip[0] >> 4 == 6 && read_plain_ipv6(plain, ip)))
		return 0;
	plain->key.ports = word_at(ip + size);
	plain->flags = 0;
	if ((plain->key.kind & 0xff) == PROTOCOL_TCP) {
		__u8 *tcp = octets_at(skb, at + size, TCP_FLAGS_AT + 1);

		if (!tcp || (tcp[TCP_FLAGS_AT] & TCP_SYN))
			return 0;
		plain->flags = tcp[TCP_FLAGS_AT];
		transport = (tcp[TCP_FLAGS_AT - 1] >> 4) * 4;
	} else if ((plain->key.kind & 0xff) != PROTOCOL_UDP) {
		return 0;
	}
	/* Of IPv6, Linux tells such a length in an extension header. */
	if (family == 4)
		plain->length = counted_length(skb, plain->length, skb->len - at);
	plain->segment = skb->gso_size ? size + transport + skb->gso_size : plain->length;
	return at + plain->length == skb->len && plain->length >= size + UDP_HEADER && plain->ttl > 1 && !skb->vlan_present;
}

/* Whether two keys, made of double words, are the same. `size`: octets, a constant */
static __always_inline int is_same(const void *one, const void *other, __u32 size)
{
	const __u64 *a = one, *b = other;
	__u64 differs = 0;

#pragma unroll
	for (__u32 word = 0; word < size / 8; word++)
		differs |= a[word] ^ b[word];
	return !differs;
}

/* Whether a decision is of the flow, and of the tables, of a packet. Words that were written last are read as they were: read as one, they would be waited for. */
static __always_inline int is_of_flow(const struct plain_key *decided, const struct plain_key *key)
{
	return decided->epoch == key->epoch && decided->ifindex == key->ifindex && is_same(&decided->kind, &key->kind, sizeof(*key) - 8);
}

/* Writes the TTL, which was another, into the header of a plain packet. */
static __always_inline int write_plain_ttl(struct __sk_buff *skb, __u32 at, __u32 family, __u32 before, __u32 ttl)
{
	__u8 octet = ttl, *ip;

	if (family == 6)
		return bpf_skb_store_bytes(skb, at + 7, &octet, 1, BPF_F_RECOMPUTE_CSUM);
	ip = octets_at(skb, at, IPV4_HEADER);
	if (!ip)
		return -1;
	/* RFC 1624, equation 3. */
	put_half(ip + 10, ~folded((~half_at(ip + 10) & 0xffff) + (~(before << 8) & 0xffff) + (ttl << 8)));
	ip[8] = ttl;
	return 0;
}

/* Remembers what became of the ends of the packet in hand, which was translated. */
static __always_inline void learn_translation(struct translation *translation, const struct work *work)
{
	__builtin_memcpy(&translation->from, &work->before, TO_ENDS);
	__builtin_memcpy(&translation->to, &work->ends, TO_ENDS);
	translation->from.transport = ETHERNET + (translation->from.family == 4 ? IPV4_HEADER : IPV6_HEADER);
	translation->source = bpf_htonl(translation->to.source[0]);
	translation->destination = bpf_htonl(translation->to.destination[0]);
	translation->ports = bpf_htonl(translation->to.source_port << 16 | translation->to.destination_port);
	translation->sum = added_by(&translation->to, &translation->from);
	translation->sum_of_ends = folded((__u64)translation->sum + (~translation->from.source_port & 0xffff) + translation->to.source_port +
					  (~translation->from.destination_port & 0xffff) + translation->to.destination_port);
}

/* Changes the checksum of a plain packet of IPv4 by what its ends add: where it is left to the device, which begins with the addresses, by what those do. */
static __always_inline void replace_sum(struct __sk_buff *skb, __u32 protocol, const struct translation *translation, int is_left)
{
	__u8 *octets = octets_at(skb, ETHERNET + IPV4_HEADER + (protocol == PROTOCOL_TCP ? 16 : 6), 2);
	__u32 before = octets ? half_at(octets) : 0, after;

	/* A UDP checksum of zero says that there is none (RFC 768). */
	if (!octets || (!before && protocol == PROTOCOL_UDP))
		return;
	after = is_left ? folded(before + translation->sum) : ~folded((~before & 0xffff) + translation->sum_of_ends) & 0xffff;
	put_half(octets, !after && protocol == PROTOCOL_UDP ? 0xffff : after);
}

/* Gives a plain packet, which stands behind its Ethernet header, the ends that its flow gets. In IPv4 they are one beside the other. */
static __always_inline void translate_plain(struct __sk_buff *skb, struct translation *translation, const struct plain *plain, enum frame_sum known)
{
	const struct tuple *from = &translation->from, *to = &translation->to;
	__u32 protocol = plain->key.kind & 0xff, before, after, place;
	__u64 flags = protocol == PROTOCOL_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u8 *ip;

	ip = plain->key.kind >> 8 == 4 ? octets_at(skb, ETHERNET, IPV4_HEADER + 4) : 0;
	if (!ip) {
		rewrite_ends(skb, ETHERNET, ETHERNET + plain->length, &translation->from, &translation->to);
		return;
	}
	put_half(ip + 10, ~folded((~half_at(ip + 10) & 0xffff) + translation->sum));
	*(word *)(ip + 12) = translation->source;
	*(word *)(ip + 16) = translation->destination;
	*(word *)(ip + IPV4_HEADER) = translation->ports;
	if (known != FRAME_SUM) {
		replace_sum(skb, protocol, translation, known == LEFT_SUM);
		return;
	}
	place = checksum_place(from, ETHERNET + plain->length);
	if (!place)
		return;
	before = from->source_port << 16 | from->destination_port;
	after = to->source_port << 16 | to->destination_port;
	bpf_l4_csum_replace(skb, place, 0, bpf_htons(translation->sum), flags | BPF_F_PSEUDO_HDR);
	if (before != after)
		bpf_l4_csum_replace(skb, place, bpf_htonl(before), bpf_htonl(after), flags | 4);
}

/* Slot of an object; NONE when it has none. */
static __always_inline __u32 slot_in(void *map, __u32 id)
{
	struct counted *counted = bpf_map_lookup_elem(map, &id);

	return counted ? counted->slot : NONE;
}

/*
 * When a decision about a flow of the port has to be looked at again; 0: only when a table changes. What policies let through and services leave alone is
 * remembered as a flow in their own tables too.
 */
static __always_inline __u64 watch_until(const struct config *config, const struct port *port)
{
	return port->policy_version || config->translates ? bpf_jiffies64() + WATCH : 0;
}

/* Whether a decision, with its count of openings, holds for the packet in hand: of a flow that is watched, the last packets and one in a while go the general way. */
static __always_inline int still_holds(__u64 until, __u32 openings_, const struct plain *plain)
{
	if (openings_ != plain->openings)
		return 0;
	return !until || (!(plain->flags & TCP_FIN_OR_RST) && bpf_jiffies64() < until);
}

/* Begins with a packet: which tables decide about it. What it is has been read. */
static __always_inline struct config *plain_tables(struct plain *plain, __u32 ifindex)
{
	struct config *config = configuration();
	__u32 place, *openings_;

	if (!config || config->observes)
		return 0;
	plain->place = place = flow_place(config, plain->key.ports, plain->key.source, plain->key.destination);
	plain->key.ifindex = ifindex;
	plain->openings = NONE;
	if (config->translates) {
		openings_ = bpf_map_lookup_elem(&openings, &place);
		plain->openings = openings_ ? *(volatile __u32 *)openings_ : 0;
	}
	plain->key.epoch = *(volatile __u32 *)&config->epoch;
	return plain->key.epoch ? config : 0;
}
