import type { IpAddress, MacAddress, RouteTarget } from '@heddle/wire'

/**
 * An extended community (RFC 4360). Each kind stands for exactly one bit pattern a value; what has bits that no kind models stays `unknown`,
 * so that any eight octets survive decoding and encoding.
 */
export type ExtendedCommunity =
  | { readonly kind: 'route-target'; readonly target: RouteTarget }
  /** Route origin, also called site of origin (RFC 4360 §5); the value reads like a route target. */
  | { readonly kind: 'site-of-origin'; readonly type: 0 | 1 | 2; readonly administrator: number; readonly assigned: number }
  /** Tunnel type by which the next hop may be reached (RFC 9012 §4.1): 2 GRE, 8 VXLAN, 13 MPLS in UDP. */
  | { readonly kind: 'encapsulation'; readonly tunnelType: number }
  | { readonly kind: 'color'; readonly flags: number; readonly color: number }
  | { readonly kind: 'default-gateway' }
  | { readonly kind: 'mac-mobility'; readonly sticky: boolean; readonly sequence: number }
  | { readonly kind: 'esi-label'; readonly singleActive: boolean; readonly label: number }
  | { readonly kind: 'es-import'; readonly mac: MacAddress }
  | { readonly kind: 'router-mac'; readonly mac: MacAddress }
  /** Octets a second, as a float (draft-ietf-idr-link-bandwidth §3). */
  | { readonly kind: 'link-bandwidth'; readonly transitive: boolean; readonly as: number; readonly bytesPerSecond: number }
  /** VRF route import (RFC 6514 §7). */
  | { readonly kind: 'vrf-route-import'; readonly address: IpAddress; readonly assigned: number }
  | { readonly kind: 'source-as'; readonly as: number; readonly assigned: number }
  | { readonly kind: 'unknown'; readonly high: number; readonly low: number }
