// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The least that carries packets as the eBPF dataplane does: one label, one tunnel, one gateway, one pod, nothing looked up, nothing checked, nothing counted. What the
 * dataplane is measured against, and nothing that one would run.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define NEXT (-1)
#define DROP 2
#define HEADERS 32
/* Outer IPv4 and UDP. */
#define BEFORE_LABELS 28
/* Of outer IPv4. */
#define DESTINATION 16
#define FAMILY_IPV4 2

struct way {
	__u32 uplink;
	__u32 pod;
	__u8 pod_macs[12];
	/* Outer IPv4, UDP and label. */
	__u8 headers[HEADERS];
	__u32 reserved;
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
	octets[0] = value >> 8;
	octets[1] = value;
}

#define FIRST_PORT 49152

/* As a router does, so that a network spreads flows: of a packet that has no hash yet the kernel makes one. */
static __always_inline __u32 port_of_flow(struct __sk_buff *skb)
{
	return FIRST_PORT | (bpf_get_hash_recalc(skb) & 0x3fff);
}

/* Completes outer IPv4, UDP and labels, `size` octets, and sends the packet behind them. */
static __always_inline int send_behind(struct __sk_buff *skb, struct way *way, __u8 *headers, __u32 size, __u32 port)
{
	/* On the link, as its far end is. */
	struct bpf_redir_neigh gateway = {.nh_family = FAMILY_IPV4};
	__u32 length = skb->len - ETH_HLEN + size, sum = 0;

	put_half(headers + 2, length);
	put_half(headers + 24, length - 20);
	put_half(headers + 20, port);
#pragma unroll
	for (int word = 0; word < 10; word++)
		sum += (__u32)headers[word * 2] << 8 | headers[word * 2 + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put_half(headers + 10, ~((sum & 0xffff) + (sum >> 16)));
	if (bpf_skb_adjust_room(skb, size, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(size - BEFORE_LABELS)) < 0)
		return DROP;
	if (bpf_skb_store_bytes(skb, ETH_HLEN, headers, size, 0) < 0)
		return DROP;
	__builtin_memcpy(&gateway.ipv4_nh, way->headers + DESTINATION, sizeof(gateway.ipv4_nh));
	return bpf_redirect_neigh(way->uplink, &gateway, sizeof(gateway), 0);
}

SEC("classifier")
int minimal_encap(struct __sk_buff *skb)
{
	struct way *way = the_way();
	__u8 headers[HEADERS];

	if (!way || skb->protocol != bpf_htons(ETH_P_IP))
		return NEXT;
	__builtin_memcpy(headers, way->headers, HEADERS);
	return send_behind(skb, way, headers, HEADERS, port_of_flow(skb));
}

/* All flows by one port: what asks for no hash, as a program that has it of a flow's earlier packets need not. */
SEC("classifier")
int minimal_encap_one_port(struct __sk_buff *skb)
{
	struct way *way = the_way();
	__u8 headers[HEADERS];

	if (!way || skb->protocol != bpf_htons(ETH_P_IP))
		return NEXT;
	__builtin_memcpy(headers, way->headers, HEADERS);
	return send_behind(skb, way, headers, HEADERS, FIRST_PORT);
}

SEC("classifier")
int minimal_decap(struct __sk_buff *skb)
{
	struct way *way = the_way();
	__u8 port[2], protocol;

	if (!way || skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1) < 0 || protocol != 17)
		return NEXT;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + 22, port, 2) < 0 || port[0] != 6635 >> 8 || port[1] != (6635 & 0xff))
		return NEXT;
	if (bpf_skb_adjust_room(skb, -HEADERS, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return DROP;
	bpf_skb_store_bytes(skb, 0, way->pod_macs, 12, 0);
	bpf_skb_change_type(skb, 0);
	return bpf_redirect_peer(way->pod, 0);
}

/* From one tunnel into the next, before the kernel makes a packet of the frame: its headers are written anew, of the same size. */
SEC("xdp")
int minimal_across(struct xdp_md *xdp)
{
	__u8 *frame = (__u8 *)(long)xdp->data, *end = (__u8 *)(long)xdp->data_end, *headers = frame + ETH_HLEN;
	__u32 length = end - headers, sum = 0;
	struct way *way = the_way();

	if (!way || headers + HEADERS > end || headers[9] != 17 || headers[22] != 6635 >> 8 || headers[23] != (6635 & 0xff))
		return XDP_PASS;
	if (bpf_xdp_adjust_head(xdp, 0))
		return XDP_DROP;
	frame = (__u8 *)(long)xdp->data;
	headers = frame + ETH_HLEN;
	if (headers + HEADERS > (__u8 *)(long)xdp->data_end)
		return XDP_DROP;
	__builtin_memcpy(frame, way->pod_macs, sizeof(way->pod_macs));
	__builtin_memcpy(headers, way->headers, HEADERS);
	put_half(headers + 2, length);
	put_half(headers + 24, length - 20);
#pragma unroll
	for (int word = 0; word < 10; word++)
		sum += (__u32)headers[word * 2] << 8 | headers[word * 2 + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put_half(headers + 10, ~((sum & 0xffff) + (sum >> 16)));
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
