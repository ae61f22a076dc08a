import { RouteTarget } from '@heddle/wire'
import { evpnCommunityFromWords, evpnCommunityWords, type EvpnCommunity } from './evpn-communities.js'
import { flowspecActionFromWords, flowspecActionWords, type FlowspecAction } from './flowspec-actions.js'
import { jointLabelsFromWords, jointLabelsWords, type JointLabelsCommunity } from './joint-labels.js'
import { vpnCommunityFromWords, vpnCommunityWords, type VpnCommunity } from './vpn-communities.js'

/**
 * An extended community (RFC 4360). Each kind stands for exactly one bit pattern a value; what has bits that no kind models stays `unknown`,
 * so that any eight octets survive decoding and encoding.
 */
export type ExtendedCommunity =
  | { readonly kind: 'route-target'; readonly target: RouteTarget }
  /** Tunnel type by which the next hop may be reached (RFC 9012 §4.1): 2 GRE, 8 VXLAN, 13 MPLS in UDP. */
  | { readonly kind: 'encapsulation'; readonly tunnelType: number }
  /** RFC 9012 §4.3. */
  | { readonly kind: 'color'; readonly flags: number; readonly color: number }
  /** RFC 7432 §7.8. */
  | { readonly kind: 'default-gateway' }
  | VpnCommunity
  | EvpnCommunity
  | FlowspecAction
  | JointLabelsCommunity
  | { readonly kind: 'unknown'; readonly high: number; readonly low: number }

/** First two octets of opaque communities: type with the transitivity bit, and sub-type (IANA bgp-extended-communities). */
const OPAQUE = { color: 0x030b, encapsulation: 0x030c, defaultGateway: 0x030d } as const

/** An extended community from its two words. Never fails: what no kind models is `unknown`. */
export function extendedCommunityFromWords(high: number, low: number): ExtendedCommunity {
  const target = RouteTarget.fromWords(high, low)
  if (target !== undefined) return { kind: 'route-target', target }
  return (
    opaqueFromWords(high, low) ??
    vpnCommunityFromWords(high, low) ??
    evpnCommunityFromWords(high, low) ??
    jointLabelsFromWords(high, low) ??
    flowspecActionFromWords(high, low) ?? { kind: 'unknown', high, low }
  )
}

function opaqueFromWords(high: number, low: number): ExtendedCommunity | undefined {
  const tail = high & 0xffff
  switch (high >>> 16) {
    case OPAQUE.encapsulation:
      return tail === 0 && low <= 0xffff ? { kind: 'encapsulation', tunnelType: low } : undefined
    case OPAQUE.color:
      return { kind: 'color', flags: tail, color: low }
    case OPAQUE.defaultGateway:
      return tail === 0 && low === 0 ? { kind: 'default-gateway' } : undefined
    default:
      return undefined
  }
}

/** The two words of an extended community. */
export function extendedCommunityWords(community: ExtendedCommunity): readonly [high: number, low: number] {
  switch (community.kind) {
    case 'route-target':
      return [community.target.high, community.target.low]
    case 'encapsulation':
      return [OPAQUE.encapsulation * 0x1_0000, community.tunnelType]
    case 'color':
      return [OPAQUE.color * 0x1_0000 + community.flags, community.color]
    case 'default-gateway':
      return [OPAQUE.defaultGateway * 0x1_0000, 0]
    case 'joint-labels':
      return jointLabelsWords(community)
    case 'unknown':
      return [community.high, community.low]
    case 'traffic-rate-bytes':
    case 'traffic-rate-packets':
    case 'traffic-action':
    case 'redirect':
    case 'traffic-marking':
    case 'redirect-to-next-hop':
      return flowspecActionWords(community)
    case 'site-of-origin':
    case 'link-bandwidth':
    case 'vrf-route-import':
    case 'source-as':
    case 'ospf-domain':
    case 'ospf-route-type':
    case 'ospf-router-id':
    case 'layer2-info':
    case 'origin-validation':
      return vpnCommunityWords(community)
    default:
      return evpnCommunityWords(community)
  }
}

/** The route targets among `communities`, in their order. */
export function routeTargetsOf(communities: readonly ExtendedCommunity[] | undefined): RouteTarget[] {
  return (communities ?? []).flatMap((community) => (community.kind === 'route-target' ? [community.target] : []))
}

/** Tunnel types of the encapsulation communities, in their order (RFC 9012 §4.1). */
export function encapsulationsOf(communities: readonly ExtendedCommunity[] | undefined): number[] {
  return (communities ?? []).flatMap((community) => (community.kind === 'encapsulation' ? [community.tunnelType] : []))
}
