// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The way of a packet from an endpoint, at the router's end of its device:
 *
 *   0. link     of a port on Ethernet: whom the frame is for; a question for a neighbour   ethernet.h, neighbour_proxy.h
 *   1. parse    the IP header, its lengths and checksum                     parse.h
 *   2. port     the port's MTU, allowed sources and rate; a ping to a gateway   port.h, rate.h
 *   3. flow     read where a policy wants it                                tuple.h
 *   4. service  what is for a virtual address, or belongs to a translated flow, gets its other ends   translate.h
 *   5. policy   of the port, if it has one                                  policy.h
 *   6. lookup   the destination in the port's VRF                           lookup.h
 *   7. nexthop  a member of the group, by the flow's hash                   nexthop.h, flow.h
 *   8. encap    labels and tunnel headers                                   encap.h
 *   9. send     to the underlay, or to a port of this router                send.h, deliver.h
 */
#include "ethernet.h"
#include "nexthop.h"
#include "parse.h"
#include "plain_out.h"
#include "port.h"
#include "tell.h"
#include "trace.h"

static __always_inline int egress_steps(struct __sk_buff *skb, __u32 port_id, struct port *port, struct work *work)
{
	struct packet *packet = &work->packet;
	__u8 *frame = octets_at(skb, 0, ETHERNET);
	__u32 protocol = skb->protocol;
	int result;

	/* The kernel keeps a tag (IEEE 802.1Q) beside the frame: it is of a VLAN, or of a priority, that nobody has given the endpoint. */
	if (skb->vlan_present)
		protocol = 0;
	/* At a device of netkit the protocol is what the endpoint's socket said, and the frame may say something else to whom it is delivered. */
	if ((protocol != bpf_htons(ETH_P_IP) && protocol != bpf_htons(ETH_P_IPV6)) || !frame || *(const half *)(frame + 12) != protocol) {
		note(work, NOTE_PARSE, REASON_FAMILY_UNSUPPORTED, 0, 0);
		return REASON_FAMILY_UNSUPPORTED;
	}
	packet->vrf = port->vrf;
	packet->port = port_id;
	if (port->clamps)
		packet->clamp = port->mtu;
	result = parse(skb, packet, ETHERNET, skb->len);
	if (result == GOES_ON && !is_of_a_stack(skb, packet))
		result = REASON_INNER_MALFORMED;
	note(work, NOTE_PARSE, result, packet->length, packet->ttl);
	if (result != GOES_ON)
		return result;
	if (observes() & OBSERVES_PORTS)
		copy_packet(skb, port_id, 0, packet->at, packet->length);
	result = accept(skb, port_id, port, packet);
	note(work, NOTE_PORT, result, port_id, result == REASON_MTU_EXCEEDED ? packet->segment : port->mtu);
	if (result != GOES_ON)
		return result;
	note(work, NOTE_FLOW, GOES_ON, port->policy_version || is_translating(), 0);
	result = serve(skb, work, port->vrf);
	note_service(work, result);
	if (result == GOES_ON && port->policy_version)
		result = pass_policy(skb, port_id, 1);
	else if (result == GOES_ON)
		note(work, NOTE_POLICY, GOES_ON, port_id << 1 | 1, JUDGED_UNFILTERED);
	if (result != GOES_ON)
		return result;
	return carry_out(skb, work, forward(skb, work, port->vrf), 0);
}

/* The way of what no decision is known of. */
__noinline int send_anew(struct __sk_buff *skb)
{
	__u32 port_id;
	struct counted *counted;
	struct port *port;
	struct work *work;
	__u32 arrived = skb->len;
	int result;

	begin_general_way();
	port_id = port_of_device(skb->ifindex);
	port = port_id == NONE ? 0 : port_of(&port_id);
	work = new_work();
	if (!work || !port) {
		count_drop(REASON_PORT_DOWN);
		return VERDICT_DROP;
	}
	counted = bpf_map_lookup_elem(&port_counters, &port_id);
	result = port->has_link ? receive_frame(skb, port_id, port) : GOES_ON;
	/* A frame without a packet counts as one: there is nothing else of it. */
	if (counted)
		count_in(counted->slot + SLOT_RX, result == GOES_ON ? arrived - ETHERNET : arrived);
	if (result == ANSWERED)
		return TC_ACT_REDIRECT;
	if (result == GOES_ON) {
		if (observes() & OBSERVES_TRACES)
			begin_trace(skb, port_id, port->vrf);
		result = egress_steps(skb, port_id, port, work);
		if (work->is_traced)
			end_trace(result);
	}
	if (result == SENT) {
		learn_out(skb, port, work);
		return TC_ACT_REDIRECT;
	}
	if (result == CUT)
		return VERDICT_DROP;
	if (result < 0 || result >= MAX_REASONS)
		result = REASON_NO_NEXT_HOP;
	count_drop(result);
	if (counted)
		count_in(counted->slot + SLOT_DROPS, 0);
	if (result != REASON_TTL_EXPIRED && result != REASON_MTU_EXCEEDED)
		return VERDICT_DROP;
	return tell_sender(skb, port_id, work, result == REASON_MTU_EXCEEDED) ? TC_ACT_REDIRECT : VERDICT_DROP;
}

SEC("classifier")
int egress(struct __sk_buff *skb)
{
	int verdict = send_known(skb);

	return LIKELY(verdict != GOES_ON) ? verdict : send_anew(skb);
}
