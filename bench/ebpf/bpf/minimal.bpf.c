// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The least that carries packets as the eBPF dataplane does: one label, one tunnel, one gateway, one pod, nothing looked up, nothing checked, nothing counted. What the
 * dataplane is measured against, and nothing that one would run.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <stdbool.h>

typedef __u64 __attribute__((may_alias)) dword;
typedef __u32 __attribute__((may_alias)) word;
typedef __u16 __attribute__((may_alias)) half;

#define MPLS_PORT 6635
#define NEXT (-1)
#define DROP 2
#define HEADERS 32
/* Outer IPv4 and UDP. */
#define BEFORE_LABELS 28
/* Of outer IPv4. */
#define TOTAL_LENGTH 2
#define PROTOCOL 9
#define CHECKSUM 10
#define DESTINATION 16
/* Behind it, of UDP. */
#define SOURCE_PORT 20
#define UDP_PORT 22
#define UDP_LENGTH 24
#define FAMILY_IPV4 2

struct way {
	__u32 uplink;
	__u32 pod;
	__u8 pod_macs[12];
	/* Of outer IPv4, as a checksum adds, without its length. */
	__u32 sum;
	/* Outer IPv4, UDP and label. */
	__u8 headers[HEADERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct way);
} ways SEC(".maps");

static __always_inline struct way *the_way(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ways, &zero);
}

static __always_inline void put_half(__u8 *octets, __u32 value)
{
	*(half *)octets = bpf_htons(value);
}

/* `size` octets: a multiple of four. */
static __always_inline void copy(__u8 *to, const __u8 *from, __u32 size)
{
	__u32 at = 0;

#pragma unroll
	for (; at + 8 <= size; at += 8)
		*(dword *)(to + at) = *(const dword *)(from + at);
	if (at < size)
		*(word *)(to + at) = *(const word *)(from + at);
}

/* Completes outer IPv4 and UDP behind `sum`. */
static __always_inline void complete(__u8 *headers, __u32 sum, __u32 length)
{
	sum += length;
	sum = (sum & 0xffff) + (sum >> 16);
	put_half(headers + TOTAL_LENGTH, length);
	put_half(headers + CHECKSUM, ~((sum & 0xffff) + (sum >> 16)));
	put_half(headers + UDP_LENGTH, length - 20);
}

#define FIRST_PORT 49152

/* As a router does, so that a network spreads flows: of a packet that has no hash yet the kernel makes one. */
static __always_inline __u32 port_of_flow(struct __sk_buff *skb)
{
	return FIRST_PORT | (bpf_get_hash_recalc(skb) & 0x3fff);
}

/* Completes outer IPv4, UDP and labels, `size` octets, and sends the packet behind them. */
static __always_inline int send_behind(struct __sk_buff *skb, struct way *way, const __u8 *headers, __u32 size, __u32 port)
{
	/* On the link, as its far end is. */
	struct bpf_redir_neigh gateway = {.nh_family = FAMILY_IPV4};
	__u32 length = skb->len - ETH_HLEN + size;
	__u8 *outer;

	if (bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(size - BEFORE_LABELS)) < 0)
		return DROP;
	outer = (__u8 *)(long)skb->data + ETH_HLEN;
	if (outer + size > (__u8 *)(long)skb->data_end)
		return DROP;
	copy(outer, headers, size);
	put_half(outer + SOURCE_PORT, port);
	complete(outer, way->sum, length);
	__builtin_memcpy(&gateway.ipv4_nh, way->headers + DESTINATION, sizeof(gateway.ipv4_nh));
	return bpf_redirect_neigh(way->uplink, &gateway, sizeof(gateway), 0);
}

SEC("classifier")
int minimal_encap(struct __sk_buff *skb)
{
	struct way *way = the_way();

	if (!way || skb->protocol != bpf_htons(ETH_P_IP))
		return NEXT;
	return send_behind(skb, way, way->headers, HEADERS, port_of_flow(skb));
}

/* All flows by one port: what asks for no hash, as a program that has it of a flow's earlier packets need not. */
SEC("classifier")
int minimal_encap_one_port(struct __sk_buff *skb)
{
	struct way *way = the_way();

	if (!way || skb->protocol != bpf_htons(ETH_P_IP))
		return NEXT;
	return send_behind(skb, way, way->headers, HEADERS, FIRST_PORT);
}

/* Whether a packet is of IPv4 and UDP to a port. */
static __always_inline bool is_for(struct __sk_buff *skb, __u32 port)
{
	__u8 *outer = (__u8 *)(long)skb->data + ETH_HLEN;

	return skb->protocol == bpf_htons(ETH_P_IP) && outer + HEADERS <= (__u8 *)(long)skb->data_end && outer[PROTOCOL] == 17 &&
	       *(half *)(outer + UDP_PORT) == bpf_htons(port);
}

static __always_inline int to_pod(struct __sk_buff *skb, struct way *way)
{
	__u8 *frame = (__u8 *)(long)skb->data;

	if (frame + ETH_HLEN > (__u8 *)(long)skb->data_end)
		return DROP;
	copy(frame, way->pod_macs, sizeof(way->pod_macs));
	if (skb->pkt_type != 0)
		bpf_skb_change_type(skb, 0);
	return bpf_redirect_peer(way->pod, 0);
}

SEC("classifier")
int minimal_decap(struct __sk_buff *skb)
{
	struct way *way = the_way();

	if (!way || !is_for(skb, MPLS_PORT))
		return NEXT;
	if (bpf_skb_adjust_room(skb, -HEADERS, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return DROP;
	return to_pod(skb, way);
}

/* From one tunnel into the next, before the kernel makes a packet of the frame: its headers are written anew, of the same size. */
SEC("xdp")
int minimal_across(struct xdp_md *xdp)
{
	__u8 *frame = (__u8 *)(long)xdp->data, *end = (__u8 *)(long)xdp->data_end, *headers = frame + ETH_HLEN;
	struct way *way = the_way();

	if (!way || headers + HEADERS > end || headers[PROTOCOL] != 17 || *(half *)(headers + UDP_PORT) != bpf_htons(MPLS_PORT))
		return XDP_PASS;
	copy(frame, way->pod_macs, sizeof(way->pod_macs));
	copy(headers, way->headers, HEADERS);
	complete(headers, way->sum, end - headers);
	return XDP_TX;
}

SEC("xdp")
int nothing_across(struct xdp_md *xdp)
{
	return XDP_PASS;
}

/* What a test run costs by itself. */
SEC("classifier")
int nothing(struct __sk_buff *skb)
{
	return NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
