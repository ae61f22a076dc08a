// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The way of a packet from the underlay, on the uplink:
 *
 *   1. parse outer  IP, UDP or GRE; what is no tunnel to this router is the host's       outer.h
 *   2. label        the incoming label map or the VNIs, and the tunnel sources           label.h
 *   3. flow         read where a policy wants it                                         tuple.h
 *   4. service      what is for a virtual address, or belongs to a translated flow       translate.h
 *   5. policy       of the port that it goes to, behind its rate                         policy.h, rate.h
 *   6. deliver      to a port, by the label or by a lookup; or on to the next router     deliver.h, nexthop.h
 */
#include "plain_in.h"
#include "tell.h"
#include "trace.h"

static __always_inline int ingress_steps(struct __sk_buff *skb, struct work *work)
{
	int result;

	if (skb->mark == PART_MARK)
		return carry_out(skb, work, take_part(skb, work), 0);
	/* The host's, which has a device for the VLAN or drops it; VLAN 0 is none, but a priority (IEEE 802.1Q §9.6). */
	if (skb->vlan_present && (skb->vlan_tci & VLAN_ID))
		return NOT_OURS;
	result = parse_outer(skb, &work->outer);
	if (result == NOT_OURS)
		return result;
	/* That of a priority is of the link it came by alone: it would go on with the packet. */
	if (skb->vlan_present)
		bpf_skb_vlan_pop(skb);
	begin_general_way();
	if (observes() & OBSERVES_TRACES)
		begin_trace(skb, NONE, NONE);
	note(work, NOTE_OUTER, result, work->outer.encapsulation, work->outer.end - work->outer.at);
	if (result != GOES_ON)
		return result;
	result = work->outer.encapsulation == VXLAN ? read_vxlan(skb, work) : pop_labels(skb, work);
	if (!work->way)
		note(work, work->outer.encapsulation == VXLAN ? NOTE_VNI : NOTE_LABEL, result, work->popped.id, work->popped.action);
	if (result != GOES_ON)
		return result;
	result = deliver_inner(skb, work);
	if (result == TO_TUNNEL && !may_go_on(skb, &work->outer, work->target, work->packet.family))
		result = REASON_ENCAPSULATION_UNSUPPORTED;
	return carry_out(skb, work, result, work->outer.family);
}

/* Whether the host keeps the packet, or drops it: it is for one of its addresses, or nothing that comes in by this link is sent on. */
__noinline int is_for_host(struct __sk_buff *skb)
{
	__u32 is_ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	struct bpf_fib_lookup question = { .family = is_ipv6 ? ADDRESS_IPV6 : ADDRESS_IPV4, .ifindex = skb->ifindex };
	int said;

	if (is_ipv6) {
		if (bpf_skb_load_bytes(skb, ETHERNET + 8, question.ipv6_src, 16) < 0 || bpf_skb_load_bytes(skb, ETHERNET + 24, question.ipv6_dst, 16) < 0)
			return 0;
	} else if (bpf_skb_load_bytes(skb, ETHERNET + 12, &question.ipv4_src, 4) < 0 || bpf_skb_load_bytes(skb, ETHERNET + 16, &question.ipv4_dst, 4) < 0) {
		return 0;
	}
	said = bpf_fib_lookup(skb, &question, sizeof(question), 0);
	return said == BPF_FIB_LKUP_RET_NOT_FWDED || said == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/*
 * Has the kernel join no more behind joint labels where it has joined what the host is to send on, to another router: it cannot cut such a frame again, and drops
 * it where the way out has to. Its GRO joins whatever the destination, with an IPv4 header without options and, but for what nobody sends, an IPv6 header alone.
 */
__noinline int count_joined_of_others(struct __sk_buff *skb)
{
	__u32 is_ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	__u32 at = ETHERNET + (is_ipv6 ? IPV6_HEADER : IPV4_HEADER);
	__u8 octets[UDP_HEADER + LABEL_ENTRY] ALIGNED;
	__u8 protocol = 0;

	if (!skb->gso_size || bpf_skb_load_bytes(skb, ETHERNET + (is_ipv6 ? 6 : 9), &protocol, 1) < 0 || protocol != PROTOCOL_UDP)
		return 0;
	if (bpf_skb_load_bytes(skb, at, octets, sizeof(octets)) < 0 || half_at(octets + 2) != MPLS_UDP_PORT || !joint_size(word_at(octets + UDP_HEADER)))
		return 0;
	/* Anybody may send two segments in a row to an address of the host that is no router's. */
	if (!is_for_host(skb))
		count_drop(DROPPED_JOINED_LABELS);
	return 0;
}

/* The way of what no decision is known of. */
__noinline int deliver_anew(struct __sk_buff *skb)
{
	struct work *work = new_work();
	int result;

	if (!work)
		return VERDICT_NEXT;
	result = ingress_steps(skb, work);
	if (result == NOT_OURS) {
		count_joined_of_others(skb);
		if (!skb->vlan_present || !(skb->vlan_tci & VLAN_ID))
			hear_of_path(skb);
		return VERDICT_NEXT;
	}
	if (work->is_traced)
		end_trace(result);
	if (result == SENT) {
		learn_in(work);
		return TC_ACT_REDIRECT;
	}
	if (result == CUT)
		return VERDICT_DROP;
	if (result < 0 || result >= MAX_REASONS)
		result = REASON_NO_NEXT_HOP;
	count_drop(result);
	if ((result != REASON_TTL_EXPIRED && result != REASON_MTU_EXCEEDED) || work->packet.vrf == NONE)
		return VERDICT_DROP;
	return tell_through_vrf(skb, work, result == REASON_MTU_EXCEEDED) ? TC_ACT_REDIRECT : VERDICT_DROP;
}

SEC("classifier")
int ingress(struct __sk_buff *skb)
{
	int verdict = deliver_known(skb);

	return LIKELY(verdict != GOES_ON) ? verdict : deliver_anew(skb);
}
