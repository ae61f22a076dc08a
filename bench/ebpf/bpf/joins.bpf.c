// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ways to have the kernel join segments behind a label, for which it has no GRO, as bare as the minimal programs: what each of them is worth, and nothing that
 * one would run (docs/adr/0023).
 */
#include "minimal.bpf.c"

#define GPE_PORT 4790
/* Flags, that a VNI and a protocol are there, and the protocol: IPv4. The label entry behind it stands where the VNI does. */
#define GPE_WORD 0x0c000001
#define GPE_GROWTH 4
#define LABEL_ENTRY 4

/* Near end of a pair of veths. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} queues SEC(".maps");

static __always_inline void put_word(__u8 *octets, __u32 value)
{
	*(word *)octets = bpf_htonl(value);
}

/* By a queue: what has come out of its tunnel goes through a pair of veths, whose far end has GRO. */
SEC("classifier")
int queue_decap(struct __sk_buff *skb)
{
	__u32 zero = 0, *near = bpf_map_lookup_elem(&queues, &zero);

	if (!near || !is_for(skb, MPLS_PORT))
		return NEXT;
	if (bpf_skb_adjust_room(skb, -HEADERS, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return DROP;
	/* A ring of 256 packets for each CPU, which empties it in turn with the uplink's: of one ring for all, some are lost. */
	skb->queue_mapping = bpf_get_smp_processor_id() + 1;
	return bpf_redirect(*near, 0);
}

/* By a queue, with all headers: a word before the label makes VXLAN-GPE of the frame, which GRO joins at the far end of the pair. */
SEC("classifier")
int queue_keep(struct __sk_buff *skb)
{
	__u32 zero = 0, *near = bpf_map_lookup_elem(&queues, &zero), sum;
	__u8 *headers = (__u8 *)(long)skb->data + ETH_HLEN;
	__u8 kept[BEFORE_LABELS] __attribute__((aligned(8)));

	if (!near || skb->protocol != bpf_htons(ETH_P_IP) || headers + HEADERS > (__u8 *)(long)skb->data_end || headers[9] != 17 ||
	    *(half *)(headers + UDP_PORT) != bpf_htons(MPLS_PORT))
		return NEXT;
	__builtin_memcpy(kept, headers, sizeof(kept));
	sum = (__u16)~*(half *)(kept + 10) + bpf_htons(GPE_GROWTH);
	*(half *)(kept + 10) = ~((sum & 0xffff) + (sum >> 16));
	put_half(kept + 2, (kept[2] << 8 | kept[3]) + GPE_GROWTH);
	put_half(kept + UDP_LENGTH, (kept[UDP_LENGTH] << 8 | kept[UDP_LENGTH + 1]) + GPE_GROWTH);
	*(half *)(kept + UDP_PORT) = bpf_htons(GPE_PORT);
	if (bpf_skb_adjust_room(skb, GPE_GROWTH, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return DROP;
	headers = (__u8 *)(long)skb->data + ETH_HLEN;
	if (headers + HEADERS > (__u8 *)(long)skb->data_end)
		return DROP;
	__builtin_memcpy(headers, kept, sizeof(kept));
	put_word(headers + BEFORE_LABELS, GPE_WORD);
	skb->queue_mapping = bpf_get_smp_processor_id() + 1;
	return bpf_redirect(*near, 0);
}

/* At the far end of that pair. */
SEC("classifier")
int queue_deliver(struct __sk_buff *skb)
{
	struct way *way = the_way();

	return way && skb->protocol == bpf_htons(ETH_P_IP) ? to_pod(skb, way) : DROP;
}

/* Everything before the label. */
#define FRAME_BEFORE_LABELS (ETH_HLEN + BEFORE_LABELS)

/* Few instructions, where octets of a frame would be copied one by one. */
static __always_inline void copy_before_labels(__u8 *to, const __u8 *from)
{
#pragma unroll
	for (int at = 0; at + 8 <= FRAME_BEFORE_LABELS; at += 8)
		*(dword *)(to + at) = *(const dword *)(from + at);
	*(half *)(to + FRAME_BEFORE_LABELS - 2) = *(const half *)(from + FRAME_BEFORE_LABELS - 2);
}

static __always_inline void add_to_half(__u8 *octets, __u32 more)
{
	put_half(octets, (octets[0] << 8 | octets[1]) + more);
}

/* In the driver: a word before the label makes VXLAN-GPE of it, which has GRO. UDP checksums are zero. */
SEC("xdp")
int gpe_driver(struct xdp_md *xdp)
{
	__u8 *frame = (__u8 *)(long)xdp->data, *headers = frame + ETH_HLEN;
	__u8 before[FRAME_BEFORE_LABELS] __attribute__((aligned(8)));
	__u32 sum = 0;

	if (headers + HEADERS > (__u8 *)(long)xdp->data_end || headers[9] != 17 || headers[UDP_PORT] != MPLS_PORT >> 8 ||
	    headers[UDP_PORT + 1] != (MPLS_PORT & 0xff))
		return XDP_PASS;
	copy_before_labels(before, frame);
	if (bpf_xdp_adjust_head(xdp, -GPE_GROWTH))
		return XDP_DROP;
	frame = (__u8 *)(long)xdp->data;
	headers = frame + ETH_HLEN;
	if (headers + HEADERS + GPE_GROWTH > (__u8 *)(long)xdp->data_end)
		return XDP_DROP;
	copy_before_labels(frame, before);
	add_to_half(headers + 2, GPE_GROWTH);
	add_to_half(headers + UDP_LENGTH, GPE_GROWTH);
	put_half(headers + UDP_PORT, GPE_PORT);
	put_word(headers + BEFORE_LABELS, GPE_WORD);
	put_half(headers + 10, 0);
#pragma unroll
	for (int word = 0; word < 10; word++)
		sum += (__u32)headers[word * 2] << 8 | headers[word * 2 + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put_half(headers + 10, ~((sum & 0xffff) + (sum >> 16)));
	return XDP_PASS;
}

/* From the pod: a label more, whose entry reads as the first word of VXLAN-GPE. */
SEC("classifier")
int joint_encap(struct __sk_buff *skb)
{
	struct way *way = the_way();
	__u8 headers[HEADERS + LABEL_ENTRY] __attribute__((aligned(8)));

	if (!way || skb->protocol != bpf_htons(ETH_P_IP))
		return NEXT;
	__builtin_memcpy(headers, way->headers, BEFORE_LABELS);
	put_word(headers + BEFORE_LABELS, GPE_WORD);
	__builtin_memcpy(headers + HEADERS, way->headers + BEFORE_LABELS, LABEL_ENTRY);
	return send_behind(skb, way, headers, sizeof(headers), port_of_flow(skb));
}

/* At the far end, where GRO takes MPLS's port for one of VXLAN-GPE. */
SEC("classifier")
int joint_decap(struct __sk_buff *skb)
{
	struct way *way = the_way();

	if (!way || !is_for(skb, MPLS_PORT))
		return NEXT;
	if (bpf_skb_adjust_room(skb, -(HEADERS + LABEL_ENTRY), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return DROP;
	return to_pod(skb, way);
}

/* Behind it. */
SEC("classifier")
int gpe_decap(struct __sk_buff *skb)
{
	struct way *way = the_way();

	if (!way || !is_for(skb, GPE_PORT))
		return NEXT;
	if (bpf_skb_adjust_room(skb, -(HEADERS + GPE_GROWTH), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return DROP;
	return to_pod(skb, way);
}
