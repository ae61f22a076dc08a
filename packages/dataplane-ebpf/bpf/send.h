// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Step 9, send: out on the uplink, to the neighbour that the kernel's own routes name. */
#pragma once

#include "deliver.h"
#include "encap.h"

/*
 * Puts the headers of `hop` in the place of what stands before `at`, and sends the packet.
 *
 * `outer`: family of the network header that the frame has now; 0: the packet's own, nothing is replaced
 */
__noinline int send(struct __sk_buff *skb, struct next_hop *hop, __u32 at, __u32 outer, struct fill *fill)
{
	struct scratch *scratch_ = scratch();
	struct config *config = configuration();
	__u8 ether_type[2] ALIGNED;
	__u32 size;
	int result;

	if (!scratch_ || !config || !hop || !fill)
		return REASON_NO_NEXT_HOP;
	size = hop->size;
	if (size == 0 || size > MAX_HEADERS)
		return REASON_NO_NEXT_HOP;
	trim(skb, at + fill->length);
	fill_headers(scratch_->octets, hop, fill);
	if (outer)
		result = reshape(skb, (__s32)size - (__s32)(at - ETHERNET), outer, hop->family);
	else
		result = make_room(skb, hop, fill->inner_family);
	if (result < 0)
		return REASON_QUEUE_FULL;
	if (bpf_skb_store_bytes(skb, ETHERNET, scratch_->octets, COUNT_WITHIN(size, MAX_HEADERS), BPF_F_RECOMPUTE_CSUM) < 0)
		return REASON_QUEUE_FULL;
	put_half(ether_type, hop->family == 4 ? ETH_P_IP : ETH_P_IPV6);
	bpf_skb_store_bytes(skb, 12, ether_type, 2, 0);
	bpf_redirect_neigh(config->uplink, 0, 0, 0);
	return SENT;
}
