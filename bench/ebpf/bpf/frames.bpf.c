// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Both ends of a chain of devices: frames as fast as it takes them, by a test run whose frames are live (native/frames.c), and their count behind it. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define MAX_FRAME 256

struct job {
	/* Link that frames leave by. */
	__u32 ifindex;
	__u32 length;
	/* Offset of the first of two octets that the flow's number is added to, and flows less one: of a power of two, 65,536 at most. */
	__u32 varies;
	__u32 mask;
	__u32 sent;
	__u32 reserved;
	__u8 frame[MAX_FRAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct job);
} jobs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} taken SEC(".maps");

/* The kernel uses a frame's memory again: it is written whole, whatever a chain has made of the one before. */
SEC("xdp")
int emit(struct xdp_md *xdp)
{
	__u32 zero = 0, length, varies;
	struct job *job = bpf_map_lookup_elem(&jobs, &zero);
	__u32 number;
	__u8 *data;

	if (!job)
		return XDP_ABORTED;
	length = job->length;
	varies = job->varies;
	if (length == 0 || length > MAX_FRAME || varies >= MAX_FRAME || bpf_xdp_store_bytes(xdp, 0, job->frame, length) < 0)
		return XDP_ABORTED;
	data = (__u8 *)(long)xdp->data + varies;
	if (data + 2 > (__u8 *)(long)xdp->data_end)
		return XDP_ABORTED;
	number = ((__u32)data[0] << 8 | data[1]) + (job->sent++ & job->mask);
	data[0] = number >> 8;
	data[1] = number;
	return bpf_redirect(job->ifindex, 0);
}

/* Takes what arrives, once it is a packet of the kernel's on the device: what every way to it ends with. */
SEC("classifier")
int take(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&taken, &zero);

	if (skb->protocol != __builtin_bswap16(0x0800))
		return TC_ACT_UNSPEC;
	if (count)
		__sync_fetch_and_add(count, 1);
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
