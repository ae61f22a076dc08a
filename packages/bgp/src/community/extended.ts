import { IpAddress, MacAddress, RouteTarget, type AdministratorType } from '@heddle/wire'

/**
 * An extended community (RFC 4360). Each kind stands for exactly one bit pattern a value; what has bits that no kind models stays `unknown`,
 * so that any eight octets survive decoding and encoding.
 */
export type ExtendedCommunity =
  | { readonly kind: 'route-target'; readonly target: RouteTarget }
  /** Route origin, also called site of origin (RFC 4360 §5); the value reads like a route target. */
  | { readonly kind: 'site-of-origin'; readonly type: AdministratorType; readonly administrator: number; readonly assigned: number }
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

/** First octet: type with the transitivity bit (IANA bgp-extended-communities). */
const TYPE = { opaque: 0x03, evpn: 0x06, linkBandwidth: 0x40 } as const

/** An extended community from its two words. Never fails: what no kind models is `unknown`. */
export function extendedCommunityFromWords(high: number, low: number): ExtendedCommunity {
  const type = high >>> 24
  const subtype = (high >>> 16) & 0xff
  const tail = high & 0xffff
  if (type <= 2) return administratorKind(type as AdministratorType, subtype, high, low)
  if (type === TYPE.opaque) {
    if (subtype === 0x0c && tail === 0 && low <= 0xffff) return { kind: 'encapsulation', tunnelType: low }
    if (subtype === 0x0b) return { kind: 'color', flags: tail, color: low }
    if (subtype === 0x0d && tail === 0 && low === 0) return { kind: 'default-gateway' }
  }
  if (type === TYPE.evpn) {
    if (subtype === 0x00 && (tail & 0xfeff) === 0) return { kind: 'mac-mobility', sticky: tail === 0x100, sequence: low }
    if (subtype === 0x01 && (tail & 0xfeff) === 0 && low <= 0xff_ffff)
      return { kind: 'esi-label', singleActive: tail === 0x100, label: low }
    if (subtype === 0x02) return { kind: 'es-import', mac: macOf(tail, low) }
    if (subtype === 0x03) return { kind: 'router-mac', mac: macOf(tail, low) }
  }
  if (type === TYPE.linkBandwidth && subtype === 0x04) return linkBandwidth(false, tail, low) ?? { kind: 'unknown', high, low }
  return { kind: 'unknown', high, low }
}

function administratorKind(type: AdministratorType, subtype: number, high: number, low: number): ExtendedCommunity {
  const target = RouteTarget.fromWords(high, low)
  if (target !== undefined) return { kind: 'route-target', target }
  if (subtype === 0x03) return { kind: 'site-of-origin', type, ...administratorOf(type, high, low) }
  if (type === 0 && subtype === 0x04) return linkBandwidth(true, high & 0xffff, low) ?? { kind: 'unknown', high, low }
  if (type === 1 && subtype === 0x0b) {
    const { administrator, assigned } = administratorOf(type, high, low)
    return { kind: 'vrf-route-import', address: IpAddress.v4(administrator), assigned }
  }
  if (type === 0 && subtype === 0x09) return { kind: 'source-as', as: high & 0xffff, assigned: low }
  return { kind: 'unknown', high, low }
}

/** The two words of an extended community. */
export function extendedCommunityWords(community: ExtendedCommunity): readonly [high: number, low: number] {
  switch (community.kind) {
    case 'route-target':
      return [community.target.high, community.target.low]
    case 'site-of-origin':
      return administratorWords(community.type, 0x03, community.administrator, community.assigned)
    case 'encapsulation':
      return [0x030c_0000, community.tunnelType]
    case 'color':
      return [(0x030b_0000 | community.flags) >>> 0, community.color]
    case 'default-gateway':
      return [0x030d_0000, 0]
    case 'mac-mobility':
      return [community.sticky ? 0x0600_0100 : 0x0600_0000, community.sequence]
    case 'esi-label':
      return [community.singleActive ? 0x0601_0100 : 0x0601_0000, community.label]
    case 'es-import':
      return macWords(0x0602_0000, community.mac)
    case 'router-mac':
      return macWords(0x0603_0000, community.mac)
    case 'link-bandwidth':
      return [((community.transitive ? 0x0004_0000 : 0x4004_0000) | community.as) >>> 0, floatBits(community.bytesPerSecond)]
    case 'vrf-route-import':
      return administratorWords(1, 0x0b, community.address.w0, community.assigned)
    case 'source-as':
      return [0x0009_0000 | community.as, community.assigned]
    default:
      return [community.high, community.low]
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

function administratorOf(type: AdministratorType, high: number, low: number): { administrator: number; assigned: number } {
  return type === 0
    ? { administrator: high & 0xffff, assigned: low }
    : { administrator: (((high & 0xffff) << 16) | (low >>> 16)) >>> 0, assigned: low & 0xffff }
}

function administratorWords(type: AdministratorType, subtype: number, administrator: number, assigned: number): readonly [number, number] {
  const head = (type << 24) | (subtype << 16)
  return type === 0
    ? [(head | administrator) >>> 0, assigned]
    : [(head | (administrator >>> 16)) >>> 0, (((administrator & 0xffff) << 16) | assigned) >>> 0]
}

/** The address whose first two octets end the first word. */
function macOf(tail: number, low: number): MacAddress {
  return MacAddress.of((tail << 8) | (low >>> 24), low & 0xff_ffff)
}

function macWords(head: number, { high, low }: MacAddress): readonly [number, number] {
  return [head | (high >>> 8), ((high << 24) | low) >>> 0]
}

/** Not-a-number has many bit patterns, so it stays `unknown`. */
function linkBandwidth(transitive: boolean, as: number, low: number): ExtendedCommunity | undefined {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, low)
  const bytesPerSecond = view.getFloat32(0)
  return Number.isNaN(bytesPerSecond) ? undefined : { kind: 'link-bandwidth', transitive, as, bytesPerSecond }
}

function floatBits(value: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, value)
  return view.getUint32(0)
}
