/**
 * Why a packet was discarded. A reason's place in this list is its slot in `CounterSnapshot.drops`; new reasons are appended, so that a slot
 * never changes its meaning.
 */
export const DROP_REASONS = [
  /** Malformed or truncated outer header, or one whose checksum is wrong. */
  'outer-malformed',
  /** Malformed or truncated inner IP packet. */
  'inner-malformed',
  /** No incoming label map entry for the label. */
  'label-unknown',
  /** A special-purpose label that may not arrive here (RFC 7274), such as 3 or an unassigned one. */
  'label-special',
  /** The bottom of the label stack is missing, or lies deeper than the engine looks. */
  'label-stack',
  /** The label or VNI exists, but not for this tunnel source. */
  'tunnel-source',
  /** No VRF for the VNI. */
  'vni-unknown',
  /** The VRF has no route for the destination. */
  'no-route',
  /** The route leads to a discard next hop without a reason of its own. */
  'discard',
  /** The group has no usable member. */
  'no-next-hop',
  /** The source address is not allowed on this port. */
  'source-address',
  /** TTL or hop limit ran out. */
  'ttl-expired',
  /** The packet is larger than the next hop takes, and may not be fragmented. */
  'mtu-exceeded',
  /** Neither IPv4 nor IPv6, or a family the port does not carry. */
  'family-unsupported',
  /** Multicast, broadcast, loopback or link-local traffic that has no place in a VRF. */
  'destination-invalid',
  /** More VRF lookups in a row than the loop bound. */
  'lookup-loop',
  /** The encapsulation is not among the adapter's capabilities. */
  'encapsulation-unsupported',
  /** The port's device or socket took no more. */
  'queue-full',
  /** The device or the underlay is gone or unreachable. */
  'port-down',
  /** The underlay marked congestion on a packet whose sender cannot be told of it (RFC 6040 §4.2). */
  'congestion',
  /** A policy of the port says so. */
  'policy',
  /** The port has as many flows as it may have. */
  'flow-limit',
  /** Where flows matter: a fragment whose first one was not let through, or headers that are cut so that they cannot be judged (RFC 1858). */
  'fragment',
  /** The service has no backend that takes new flows. */
  'no-backend',
  /** No source port is left that would tell the flow from others. */
  'nat-exhausted',
  /** The kernel dropped it at a socket of the underlay, by the socket's own counter: the receive buffer was full. */
  'kernel-socket',
  /** The kernel dropped it because of its UDP checksum; counted for the whole network namespace of the underlay, whoever the datagram was for. */
  'kernel-checksum',
  /** The kernel dropped it at a port's device, by the device's own counters: the queue was full, or what was written is no packet. */
  'kernel-device',
  /** The endpoint sends more than `RateLimits.egress` lets it. */
  'egress-rate',
  /** More is to be delivered to the endpoint than `RateLimits.ingress` lets. */
  'ingress-rate',
] as const

/** Why a packet was discarded; see `DROP_REASONS`. */
export type DropReason = (typeof DROP_REASONS)[number]

/** Slot of `reason` in `CounterSnapshot.drops`. */
export function dropReasonIndex(reason: DropReason): number {
  return INDEX.get(reason) as number
}

const INDEX: ReadonlyMap<DropReason, number> = new Map(DROP_REASONS.map((reason, index) => [reason, index]))
