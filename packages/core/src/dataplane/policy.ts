import type { IpPrefix } from '@heddle/wire'

/** What a rule says of a packet that it fits. */
export type PolicyVerdict = 'allow' | 'deny'

/** Numbers from `first` to `last`, both counted. */
export interface NumberRange {
  readonly first: number
  readonly last: number
}

/** A rule fits a packet when each of its conditions does; one that is left out fits every packet. */
export interface PolicyRule {
  readonly verdict: PolicyVerdict
  /** Where the far end is: the destination of what leaves the endpoint (`egress`), the source of what comes to it (`ingress`). */
  readonly peers?: readonly IpPrefix[]
  /** The endpoint's own address. */
  readonly locals?: readonly IpPrefix[]
  /** IP protocol number, 0–255. */
  readonly protocol?: number
  /** Destination ports, 0–65,535, of TCP, UDP or SCTP. */
  readonly ports?: readonly NumberRange[]
  /** Source ports. */
  readonly sourcePorts?: readonly NumberRange[]
  /** ICMP types and codes, each 0–255, of ICMPv4 or ICMPv6 by the packet's family; without `code` any. */
  readonly icmpTypes?: readonly { readonly type: number; readonly code?: number }[]
  /** Id of a mirror that gets a copy of each packet of the flows that the rule judges, both ways, as the policy sees it; needs the feature `mirror`. */
  readonly mirror?: number
}

/**
 * Which connections an endpoint may open (`egress`) or be opened to it (`ingress`): the first rule that fits judges the first packet of a flow.
 * Replies pass, so do ICMP errors about the flow that go to whom the packet came from that they quote, whoever sends them, and fragments as their first
 * one did; an error that quotes a packet of anybody else is judged by the rules, as it could carry anything to anybody. A port without a policy for a
 * direction lets everything pass in it. When a policy changes, flows are judged again. Needs the feature `policy`.
 */
export interface PolicyObject {
  readonly id: number
  /** Id of the port; at most one policy for each direction of it. */
  readonly port: number
  readonly direction: 'ingress' | 'egress'
  readonly rules: readonly PolicyRule[]
  /** Of a flow that no rule fits. */
  readonly defaultVerdict: PolicyVerdict
}
