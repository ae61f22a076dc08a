import type { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import type { DropReason } from './drop-reason.js'
import type { RateLimits } from './rate-limit.js'

/*
 * The objects of a transaction. Ids are small integers given by the caller, so that an adapter can index arrays or maps by them; every kind has
 * an id space of its own. 0 is a valid id.
 */

/** How packets travel between virtual routers. `mpls-udp-joint` is `mpls-udp` with a joint label on top, for ends that read it (ADR 0025). */
export const ENCAPSULATIONS = ['mpls-udp', 'mpls-gre', 'mpls', 'vxlan', 'mpls-udp-joint'] as const
/** One of `ENCAPSULATIONS`. */
export type Encapsulation = (typeof ENCAPSULATIONS)[number]

/** A routing instance. */
export interface VrfObject {
  readonly id: number
  readonly name: string
}

/** Where packets enter and leave: an endpoint's device, the uplink to the underlay, or the host itself. */
export interface PortObject {
  readonly id: number
  readonly kind: 'endpoint' | 'uplink' | 'host'
  /** The VRF of an endpoint or host port; an uplink has none. */
  readonly vrf?: number
  /**
   * Addresses that packets from this port may come from; empty: none is checked. When one goes, the endpoint may be another one: flows that policies
   * remember for the port are forgotten (`keepsFlows`).
   */
  readonly allowedSources: readonly IpPrefix[]
  /** Addresses that the virtual router answers for on this port. */
  readonly gateways: readonly IpAddress[]
  /** Largest IP packet to and from the port, 68–65,535 octets. */
  readonly mtu: number
  /** TCP connections to and from the port agree on segments that fit its MTU and the tunnel (RFC 6691); needs the feature `mss-clamp`. */
  readonly clampMss?: boolean
  /**
   * The device carries Ethernet frames, and this is the router's address on it: endpoints that take their subnet for a link find every neighbour but
   * themselves there, by ARP (RFC 826, RFC 1027) and Neighbor Discovery (RFC 4861 §7.2.8). Left out: it carries IP packets. Needs the feature `ethernet`.
   */
  readonly link?: { readonly mac: MacAddress }
  /** Most flows that are remembered for the port at once, 0 and up; packets of further ones are dropped as `flow-limit`. Needs the feature `policy`. */
  readonly maxFlows?: number
  /** How fast the endpoint may send and get; not for an uplink. Needs the feature `rate-limit`. */
  readonly rateLimits?: RateLimits
}

/**
 * Whether flows that policies remember for a port still count when it is replaced: they do while its endpoint keeps its VRF and all its addresses. Of
 * an address that went, a flow that was opened from it would let in what its new owner never asked for.
 */
export function keepsFlows(before: PortObject, after: PortObject): boolean {
  const isAllowed = (source: IpPrefix): boolean => after.allowedSources.some((prefix) => prefix.covers(source))
  if (before.vrf !== after.vrf) return false
  if (after.allowedSources.length === 0) return true
  return before.allowedSources.length > 0 && before.allowedSources.every(isAllowed)
}

/** Whether the inner TTL and traffic class are seen by the tunnel (RFC 3443, RFC 3270). */
export type TunnelModel = 'uniform' | 'pipe'

/** Where a packet goes next. */
export type NextHopAction =
  | { readonly type: 'port'; readonly port: number }
  | {
      readonly type: 'tunnel'
      readonly encapsulation: Encapsulation
      readonly local: IpAddress
      readonly remote: IpAddress
      /** Top of the stack first, each 0–1,048,575; the bottom one names the VRF or endpoint at the far end. For VXLAN empty. */
      readonly labels: readonly number[]
      /** For VXLAN: 0–16,777,215. */
      readonly vni?: number
      /** For VXLAN: the far router's MAC address, the inner destination (RFC 9135 §4.1). */
      readonly routerMac?: MacAddress
      readonly ttlModel: TunnelModel
      readonly trafficClassModel: TunnelModel
      /** Of the outer header; `compatibility` when left out. `normal` needs the feature `ecn`, here and at the far end. @see RFC 6040 §4.1 */
      readonly ecn?: 'normal' | 'compatibility'
    }
  | { readonly type: 'lookup'; readonly vrf: number }
  | { readonly type: 'local' }
  | { readonly type: 'discard'; readonly reason?: DropReason }

/** What happens to a packet at the end of its look-up. */
export interface NextHopObject {
  readonly id: number
  readonly action: NextHopAction
  /** Id of the liveness object without which the next hop takes no packets; needs the feature `liveness`. */
  readonly liveness?: number
}

/** Members among which flows are spread. Adding or losing a member moves only its share. */
export interface GroupObject {
  readonly id: number
  readonly members: readonly { readonly nextHop: number; readonly weight: number }[]
  /** Seed of the flow hash, an unsigned 32-bit integer, so that routers in a row do not choose alike. */
  readonly seed: number
}

/** A set of underlay addresses from which a label or VNI is accepted. */
export interface TunnelSourcesObject {
  readonly id: number
  readonly prefixes: readonly IpPrefix[]
}

/** An entry of the incoming label map. */
export interface LabelObject {
  /** 16–1,048,575, but not 49,152: as a joint label it is passed over on top of a stack, and would never be found (`dataplane.joint-label`). */
  readonly label: number
  readonly action:
    | { readonly type: 'pop-forward'; readonly port: number }
    | { readonly type: 'pop-lookup'; readonly vrf: number }
    | { readonly type: 'swap'; readonly nextHop: number }
  /** Id of the tunnel sources it is accepted from; every other source is dropped as `tunnel-source`. */
  readonly sources: number
  /**
   * Whether the label's traffic class becomes the packet's class selector; `pipe` when left out, which keeps the packet's DSCP. `uniform` needs the
   * feature `traffic-class-pop`. @see RFC 3270 §2.6
   */
  readonly trafficClassModel?: TunnelModel
}

/** A virtual network identifier that this router terminates. */
export interface VniObject {
  /** 0–16,777,215. */
  readonly vni: number
  readonly vrf: number
  readonly routerMac: MacAddress
  /** Id of the tunnel sources it is accepted from. */
  readonly sources: number
}
