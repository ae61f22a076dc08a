import { IpAddress, type AdministratorType } from '@heddle/wire'
import { administratorOf, administratorWords } from './administrator-words.js'
import { floatBits, floatOf } from './float.js'

/** Extended communities of layer-3 and layer-2 VPNs and of the protocols behind them. */
export type VpnCommunity =
  /** Route origin, also called site of origin (RFC 4360 §5); the value reads like a route target. */
  | { readonly kind: 'site-of-origin'; readonly type: AdministratorType; readonly administrator: number; readonly assigned: number }
  /** Octets a second, as a float (draft-ietf-idr-link-bandwidth §3). */
  | { readonly kind: 'link-bandwidth'; readonly transitive: boolean; readonly as: number; readonly bytesPerSecond: number }
  /** VRF route import (RFC 6514 §7). */
  | { readonly kind: 'vrf-route-import'; readonly address: IpAddress; readonly assigned: number }
  | { readonly kind: 'source-as'; readonly as: number; readonly assigned: number }
  /** Where the routes of an OSPF domain come from (RFC 4577 §4.2.4). */
  | { readonly kind: 'ospf-domain'; readonly type: AdministratorType; readonly administrator: number; readonly assigned: number }
  /** The kind of OSPF route: area, LSA type as in the LSA, and 1 in `options` for a metric of type 2 (RFC 4577 §4.2.6). */
  | { readonly kind: 'ospf-route-type'; readonly area: IpAddress; readonly routeType: number; readonly options: number }
  /** RFC 4577 §4.2.7. */
  | { readonly kind: 'ospf-router-id'; readonly routerId: IpAddress; readonly assigned: number }
  /** How frames of a VPLS are carried: encapsulation 19, control flags, MTU, preference (RFC 4761 §3.2.4). */
  | {
      readonly kind: 'layer2-info'
      readonly encapsulation: number
      readonly flags: number
      readonly mtu: number
      readonly preference: number
    }
  /** Result of origin validation that an iBGP peer found: 0 valid, 1 not found, 2 invalid (RFC 8097 §2). */
  | { readonly kind: 'origin-validation'; readonly state: number }

const SUBTYPE = { siteOfOrigin: 0x03, linkBandwidth: 0x04, ospfDomain: 0x05, sourceAs: 0x09, vrfRouteImport: 0x0b } as const
const OSPF_ROUTE_TYPE = 0x0306
const OSPF_ROUTER_ID = 0x0107
const LINK_BANDWIDTH = { transitive: 0x0004, nonTransitive: 0x4004 } as const
const ORIGIN_VALIDATION = 0x4300
const LAYER2_INFO = 0x800a

/** The community of the two words, or `undefined` where bits are set that none of them has. */
export function vpnCommunityFromWords(high: number, low: number): VpnCommunity | undefined {
  const type = high >>> 24
  const subtype = (high >>> 16) & 0xff
  const tail = high & 0xffff
  switch (high >>> 16) {
    case LINK_BANDWIDTH.transitive:
    case LINK_BANDWIDTH.nonTransitive: {
      const bytesPerSecond = floatOf(low)
      const transitive = type === 0
      return bytesPerSecond === undefined ? undefined : { kind: 'link-bandwidth', transitive, as: tail, bytesPerSecond }
    }
    case SUBTYPE.sourceAs:
      return { kind: 'source-as', as: tail, assigned: low }
    case OSPF_ROUTE_TYPE: {
      const area = IpAddress.v4(((tail << 16) | (low >>> 16)) >>> 0)
      return { kind: 'ospf-route-type', area, routeType: (low >>> 8) & 0xff, options: low & 0xff }
    }
    case OSPF_ROUTER_ID: {
      const { administrator, assigned } = administratorOf(1, high, low)
      return { kind: 'ospf-router-id', routerId: IpAddress.v4(administrator), assigned }
    }
    case LAYER2_INFO:
      return { kind: 'layer2-info', encapsulation: tail >>> 8, flags: tail & 0xff, mtu: low >>> 16, preference: low & 0xffff }
    case ORIGIN_VALIDATION:
      return tail === 0 && low <= 0xff ? { kind: 'origin-validation', state: low } : undefined
    default:
      break
  }
  if (type > 2) return undefined
  const form = type as AdministratorType
  if (subtype === SUBTYPE.siteOfOrigin) return { kind: 'site-of-origin', type: form, ...administratorOf(form, high, low) }
  if (subtype === SUBTYPE.ospfDomain) return { kind: 'ospf-domain', type: form, ...administratorOf(form, high, low) }
  if (form === 1 && subtype === SUBTYPE.vrfRouteImport) {
    const { administrator, assigned } = administratorOf(form, high, low)
    return { kind: 'vrf-route-import', address: IpAddress.v4(administrator), assigned }
  }
  return undefined
}

/** The two words of a community. */
export function vpnCommunityWords(community: VpnCommunity): readonly [number, number] {
  switch (community.kind) {
    case 'site-of-origin':
      return administratorWords(community.type, SUBTYPE.siteOfOrigin, community.administrator, community.assigned)
    case 'ospf-domain':
      return administratorWords(community.type, SUBTYPE.ospfDomain, community.administrator, community.assigned)
    case 'link-bandwidth': {
      const { transitive, nonTransitive } = LINK_BANDWIDTH
      return [start(community.transitive ? transitive : nonTransitive, community.as), floatBits(community.bytesPerSecond)]
    }
    case 'vrf-route-import':
      return administratorWords(1, SUBTYPE.vrfRouteImport, community.address.w0, community.assigned)
    case 'source-as':
      return [start(SUBTYPE.sourceAs, community.as), community.assigned]
    case 'ospf-route-type': {
      const { area, routeType, options } = community
      return [start(OSPF_ROUTE_TYPE, area.w0 >>> 16), ((area.w0 << 16) | (routeType << 8) | options) >>> 0]
    }
    case 'ospf-router-id':
      return administratorWords(1, 0x07, community.routerId.w0, community.assigned)
    case 'layer2-info': {
      const { encapsulation, flags, mtu, preference } = community
      return [start(LAYER2_INFO, (encapsulation << 8) | flags), ((mtu << 16) | preference) >>> 0]
    }
    default:
      return [start(ORIGIN_VALIDATION, 0), community.state]
  }
}

function start(type: number, tail: number): number {
  return ((type << 16) | tail) >>> 0
}
