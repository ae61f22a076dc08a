import {
  L2VPN_EVPN,
  encapsulationsOf,
  type EvpnIpPrefix,
  type ExtendedCommunity,
  type LocalRouteKey,
  type PathAttributes,
} from '@heddle/bgp'
import type { VpnRoute, VpnRouteKey } from '@heddle/core'
import { IpAddress, type MacAddress } from '@heddle/wire'
import { encapsulationsOfPath } from './encapsulation.js'

/*
 * IP prefix routes of EVPN between IP-VRFs without an interface of their own (RFC 9136 §4.4.1): neither segment nor gateway, the label field is the VNI or
 * a label of MPLS, and for VXLAN a community names the MAC address of the router behind it.
 */

const NO_SEGMENT = new Uint8Array(10)
/** A label of MPLS lies in the high 20 bits of the field, a VNI in all 24 (RFC 9136 §3.1, RFC 8365 §5.1.3). */
const LABEL_SHIFT = 4

/** How packets reach the router that tells a route. */
export type LabelAndTunnel = Pick<VpnRoute, 'label' | 'encapsulations' | 'routerMac'>

/** Whether the model has routes like it. One with an Ethernet tag is another route than the one without, and belongs to a bridge table. */
export function isInterfaceless(nlri: { readonly kind: string }): nlri is EvpnIpPrefix {
  const { kind, route, ethernetTag } = nlri as EvpnIpPrefix
  return kind === 'evpn' && route === 'ip-prefix' && ethernetTag === 0
}

/**
 * How packets reach the router that tells a route; `undefined` when they cannot: it is reached by another route (a segment or a gateway), says nothing that
 * the model can send, or names no router behind VXLAN. A route that says nothing of encapsulations is one of MPLS (RFC 8365 §5.1.3); one that takes both
 * has a VNI.
 */
export function labelAndTunnelOf(
  { esi, gateway, label: field }: EvpnIpPrefix,
  attributes: PathAttributes,
  nextHop: IpAddress | undefined,
): LabelAndTunnel | undefined {
  if (esi.some((octet) => octet !== 0) || !gateway.isUnspecified) return undefined
  const all = encapsulationsOfPath(attributes, nextHop)
  const routerMac = routerMacOf(attributes)
  if (all.includes('vxlan') && routerMac !== undefined) return { label: field, encapsulations: ['vxlan'], routerMac }
  const encapsulations = all.filter((encapsulation) => encapsulation !== 'vxlan')
  const saysNothing = encapsulationsOf(attributes.extendedCommunities).length === 0 && (attributes.tunnelEncapsulation ?? []).length === 0
  return encapsulations.length > 0 || saysNothing ? { label: field >>> LABEL_SHIFT, encapsulations } : undefined
}

/** The name of a route of ours in EVPN. */
export function ipPrefixKeyOf({ rd, prefix }: Pick<VpnRouteKey, 'rd' | 'prefix'>, field = 0): LocalRouteKey {
  const gateway = prefix.family === 4 ? IpAddress.v4(0) : IpAddress.v6(0, 0, 0, 0)
  const nlri = { kind: 'evpn', route: 'ip-prefix', rd, esi: NO_SEGMENT, ethernetTag: 0, prefix, gateway, label: field } as const
  return { family: L2VPN_EVPN, nlri }
}

/** The label field of a route of ours. */
export function labelFieldOf({ label, routerMac }: Pick<VpnRoute, 'label' | 'routerMac'>): number {
  return routerMac === undefined ? label << LABEL_SHIFT : label
}

/** What a route of ours tells of the router behind its VNI. @see RFC 9135 §8.1 */
export function routerMacCommunities({ routerMac }: Pick<VpnRoute, 'routerMac'>): readonly ExtendedCommunity[] {
  return routerMac === undefined ? [] : [{ kind: 'router-mac', mac: routerMac }]
}

/** The router behind the VNI, if a usable address is told; the first one of several. */
function routerMacOf({ extendedCommunities = [] }: PathAttributes): MacAddress | undefined {
  const told = extendedCommunities.find((community) => community.kind === 'router-mac')
  if (told?.kind !== 'router-mac') return undefined
  const { mac } = told
  const isGroup = (mac.high & 0x01_00_00) !== 0
  return isGroup || (mac.high | mac.low) === 0 ? undefined : mac
}
