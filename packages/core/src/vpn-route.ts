import type { IpAddress, IpPrefix, MacAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type { Encapsulation } from './dataplane/objects.js'

/**
 * A route of a VPN as the model sees it, whichever protocol brought it. Its identity is (source, rd, prefix, pathId, evpn): two routes with the same
 * identity are two versions of one.
 */
export interface VpnRoute {
  /** Who told us: a BGP peer's address, `local`, `static`… */
  readonly source: string
  readonly rd: RouteDistinguisher
  readonly prefix: IpPrefix
  /** ADD-PATH identifier, 0 without. */
  readonly pathId: number
  /** Told as an IP prefix route of EVPN (RFC 9136), beside which one of VPNv4 or VPNv6 with the same names is another route. */
  readonly evpn?: true
  readonly routeTargets: readonly RouteTarget[]
  /** VPN label 0–1,048,575, or, beside a router MAC, the VNI 1–16,777,215 that the far end takes. */
  readonly label: number
  /** The far tunnel end, in the underlay. IPv4-mapped addresses are given unmapped. */
  readonly nextHop: IpAddress
  /** What the far end said it can take, best first; empty when it said nothing. */
  readonly encapsulations: readonly Encapsulation[]
  /** The far router in the virtual network of the VNI: the route leads into VXLAN, and nowhere else (RFC 9136 §3.2, RFC 9135 §8.1). */
  readonly routerMac?: MacAddress
  readonly preference: RoutePreference
  /** Kept over a restart of its source (RFC 4724); used only while nothing better is there. */
  readonly stale?: boolean
}

/** The attributes that decide between routes (RFC 4271 §9.1), already compared-ready. */
export interface RoutePreference {
  /** Higher wins; 100 when unknown. */
  readonly localPref: number
  /** Shorter wins (RFC 4271 §9.1.2.2 a). */
  readonly asPathLength: number
  /** 0 IGP, 1 EGP, 2 incomplete; lower wins. */
  readonly origin: 0 | 1 | 2
  /** Lower wins among routes from one neighbouring AS. */
  readonly med: number
  /** AS from which the path entered, 0 for our own. */
  readonly neighborAs: number
  /** External (eBGP) wins over internal. */
  readonly external: boolean
  /** Shorter cluster list wins (RFC 4456 §9). */
  readonly clusterListLength: number
  /** ORIGINATOR_ID or the peer's BGP identifier, as a word; lower wins. */
  readonly originatorId: number
}

/** Names a `VpnRoute`. */
export type VpnRouteKey = Pick<VpnRoute, 'source' | 'rd' | 'prefix' | 'pathId' | 'evpn'>

/** The seam between protocols and model; moves in batches. */
export type VpnRouteChange = { readonly kind: 'announce'; readonly route: VpnRoute } | ({ readonly kind: 'withdraw' } & VpnRouteKey)
