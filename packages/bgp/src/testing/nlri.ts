import { IpAddress } from '@heddle/wire'
import fc, { type Arbitrary } from 'fast-check'
import type { NextHop } from '../next-hop/next-hop.js'
import { AFI } from '../iana.js'
import {
  BGP_LS,
  BGP_LS_VPN,
  IPV4_FLOWSPEC,
  IPV4_LABELED_UNICAST,
  IPV4_MCAST_VPN,
  IPV4_MULTICAST,
  IPV4_MUP,
  IPV4_SR_POLICY,
  IPV4_UNICAST,
  IPV6_FLOWSPEC,
  IPV6_LABELED_UNICAST,
  IPV6_MCAST_VPN,
  IPV6_MULTICAST,
  IPV6_MUP,
  IPV6_SR_POLICY,
  IPV6_UNICAST,
  L2VPN_EVPN,
  L2VPN_FLOWSPEC,
  L2VPN_VPLS,
  RTC,
  VPNV4_FLOWSPEC,
  VPNV4_MULTICAST,
  VPNV4_UNICAST,
  VPNV6_FLOWSPEC,
  VPNV6_MULTICAST,
  VPNV6_UNICAST,
  type Family,
} from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import type { NlriMode } from '../nlri/nlri-mode.js'
import { flowspec } from './flowspec.js'
import { evpnMulticast, linkState, mup, mvpn, srPolicy, vpls } from './overlay-nlri.js'
import { ipv4Address, ipv4Prefix, ipv6Address, ipv6Prefix, label, macAddress, octets, routeDistinguisher, word } from './values.js'

/** Families whose NLRI become values. */
export const typedFamily: Arbitrary<Family> = fc.constantFrom(
  IPV4_UNICAST,
  IPV6_UNICAST,
  IPV4_LABELED_UNICAST,
  IPV6_LABELED_UNICAST,
  VPNV4_UNICAST,
  VPNV6_UNICAST,
  RTC,
  L2VPN_EVPN,
  L2VPN_FLOWSPEC,
  IPV4_FLOWSPEC,
  IPV6_FLOWSPEC,
  VPNV4_FLOWSPEC,
  VPNV6_FLOWSPEC,
  IPV4_SR_POLICY,
  IPV6_SR_POLICY,
  L2VPN_VPLS,
  IPV4_MCAST_VPN,
  IPV6_MCAST_VPN,
  IPV4_MUP,
  IPV6_MUP,
  BGP_LS,
  IPV4_MULTICAST,
  IPV6_MULTICAST,
  VPNV4_MULTICAST,
  VPNV6_MULTICAST,
)

/** NLRI of `family` in normal form: what decoding makes of it is equal to it. Withdrawals may have no label. */
export function nlri(family: Family, { addPath, withdraw }: NlriMode): Arbitrary<Nlri> {
  const path: Arbitrary<{ pathId?: number }> = addPath ? word.map((pathId) => ({ pathId })) : fc.constant({})
  return fc.tuple(bare(family, withdraw), path).map(([value, pathId]) => Object.assign(value, pathId))
}

function bare(family: Family, withdraw: boolean): Arbitrary<Nlri> {
  const prefix = family.afi === AFI.ipv6 ? ipv6Prefix : ipv4Prefix
  switch (family) {
    case IPV4_UNICAST:
    case IPV6_UNICAST:
    case IPV4_MULTICAST:
    case IPV6_MULTICAST:
      return fc.record({ kind: fc.constant('unicast'), prefix })
    case IPV4_LABELED_UNICAST:
    case IPV6_LABELED_UNICAST:
      return fc.record({ kind: fc.constant('labeled-unicast'), labels: labels(withdraw, 4), prefix })
    case VPNV4_UNICAST:
    case VPNV6_UNICAST:
    case VPNV4_MULTICAST:
    case VPNV6_MULTICAST:
      return fc.record({ kind: fc.constant('vpn'), labels: labels(withdraw, 2), rd: routeDistinguisher, prefix })
    case RTC:
      return routeTargetMembership
    case L2VPN_EVPN:
      return evpn
    case IPV4_FLOWSPEC:
    case IPV6_FLOWSPEC:
    case VPNV4_FLOWSPEC:
    case VPNV6_FLOWSPEC:
      return flowspec(family)
    case L2VPN_FLOWSPEC:
      return octets({ minLength: 1, maxLength: 0xef }).map((rule) => ({ kind: 'raw', bytes: Uint8Array.of(rule.length, ...rule) }))
    case IPV4_SR_POLICY:
    case IPV6_SR_POLICY:
      return srPolicy(family)
    case L2VPN_VPLS:
      return vpls
    case IPV4_MCAST_VPN:
    case IPV6_MCAST_VPN:
      return mvpn
    case IPV4_MUP:
    case IPV6_MUP:
      return mup
    case BGP_LS:
      return linkState
    case BGP_LS_VPN:
      return fc.tuple(linkState, routeDistinguisher).map(([value, rd]) => (value.object === 'other' ? value : { ...value, rd }))
    default:
      return fc.record({ kind: fc.constant('raw'), bytes: octets({ minLength: 1, maxLength: 40 }) })
  }
}

/** A label stack. On a withdrawal 0 and 524,288 on top mean that there is none, so they are not there. */
function labels(withdraw: boolean, maxLength: number): Arbitrary<number[]> {
  const stack = fc.array(label, { minLength: 1, maxLength })
  if (!withdraw) return stack
  return fc.oneof(
    fc.constant<number[]>([]),
    stack.filter(([top]) => top !== 0 && top !== 0x8_0000),
  )
}

const routeTargetMembership: Arbitrary<Nlri> = fc
  .record({ length: fc.oneof(fc.constant(0), fc.constant(96), fc.integer({ min: 32, max: 96 })), originAs: word, high: word, low: word })
  .map(({ length, originAs, high, low }) => ({
    kind: 'rtc' as const,
    length,
    originAs: cut(originAs, length),
    high: cut(high, length - 32),
    low: cut(low, length - 64),
  }))

/** The first `bits` bits of a word. */
function cut(value: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? value : (value & ~(0xffff_ffff >>> bits)) >>> 0
}

const label24 = fc.nat(0xff_ffff)
const esi = octets({ minLength: 10, maxLength: 10 })
const anyAddress = fc.oneof(ipv4Address, ipv6Address)
const evpnKind = fc.constant('evpn' as const)

const evpn: Arbitrary<Nlri> = fc.oneof(
  evpnMulticast,
  fc.record(
    {
      kind: evpnKind,
      route: fc.constant('mac-ip' as const),
      rd: routeDistinguisher,
      esi,
      ethernetTag: word,
      mac: macAddress,
      ip: anyAddress,
      label1: label24,
      label2: label24,
    },
    { requiredKeys: ['kind', 'route', 'rd', 'esi', 'ethernetTag', 'mac', 'label1'] },
  ),
  fc.record({
    kind: evpnKind,
    route: fc.constant('ethernet-auto-discovery' as const),
    rd: routeDistinguisher,
    esi,
    ethernetTag: word,
    label: label24,
  }),
  fc.record({ kind: evpnKind, route: fc.constant('ethernet-segment' as const), rd: routeDistinguisher, esi, originator: anyAddress }),
  fc.record({
    kind: evpnKind,
    route: fc.constant('inclusive-multicast' as const),
    rd: routeDistinguisher,
    ethernetTag: word,
    originator: anyAddress,
  }),
  fc.oneof(fc.record({ prefix: ipv4Prefix, gateway: ipv4Address }), fc.record({ prefix: ipv6Prefix, gateway: ipv6Address })).chain((pair) =>
    fc.record({
      kind: evpnKind,
      route: fc.constant('ip-prefix' as const),
      rd: routeDistinguisher,
      esi,
      ethernetTag: word,
      prefix: fc.constant(pair.prefix),
      gateway: fc.constant(pair.gateway),
      label: label24,
    }),
  ),
  fc.record({
    kind: evpnKind,
    route: fc.constant('other' as const),
    routeType: fc.constantFrom(0, 12, 99),
    value: octets({ maxLength: 60 }),
  }),
)

/** A next hop that announcements of `family` may have in MP_REACH_NLRI. */
export function nextHop(family: Family): Arbitrary<NextHop> {
  const linkLocal = fc.tuple(word, word).map(([high, low]) => IpAddress.v6(0xfe80_0000, 0, high, low))
  const six = fc.record({ address: ipv6Address, linkLocal }, { requiredKeys: ['address'] })
  const four = fc.record({ address: ipv4Address })
  return family.afi === AFI.ipv6 ? six : fc.oneof(four, six)
}
