// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lookup by itself, for the test that compares it with the one in TypeScript. Behind the Ethernet header of the packet stand the VRF and the
 * address, four octets each word; the answer is written over the VRF.
 */
#include "kernel.h"
#include "lookup.h"

SEC("classifier")
int lookup(struct __sk_buff *skb)
{
	__u8 question[24] ALIGNED, answer[4] ALIGNED;
	struct vrf *vrf;
	__u32 vrf_id, group = NO_MATCH;

	if (bpf_skb_load_bytes(skb, ETHERNET, question, sizeof(question)) < 0)
		return VERDICT_DROP;
	vrf_id = word_at(question);
	vrf = vrf_of(&vrf_id);
	if (vrf && word_at(question + 4) == 4)
		group = lookup4(vrf->root4, word_at(question + 8));
	else if (vrf)
		group = lookup6(vrf->root6, (__u64)word_at(question + 8) << 32 | word_at(question + 12),
				(__u64)word_at(question + 16) << 32 | word_at(question + 20));
	put_word(answer, group);
	bpf_skb_store_bytes(skb, ETHERNET, answer, 4, 0);
	return VERDICT_NEXT;
}
