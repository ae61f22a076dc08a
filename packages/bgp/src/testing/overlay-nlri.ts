import fc, { type Arbitrary } from 'fast-check'
import { AFI } from '../iana.js'
import type { LinkStateNlri, LinkStateTlv } from '../nlri/bgp-ls.js'
import type { EvpnMulticastNlri } from '../nlri/evpn-multicast.js'
import type { Family } from '../nlri/family.js'
import type { MupNlri } from '../nlri/mup.js'
import type { MvpnNlri } from '../nlri/mvpn.js'
import type { SrPolicyNlri } from '../nlri/sr-policy.js'
import type { VplsNlri } from '../nlri/vpls.js'
import { identifier } from './flowspec.js'
import { ipv4Address, ipv6Address, octets, routeDistinguisher, word } from './values.js'

const anyAddress = fc.oneof(ipv4Address, ipv6Address)
const u16 = fc.nat(0xffff)
const u8 = fc.nat(0xff)
const label24 = fc.nat(0xff_ffff)
const constant = <const K extends string>(value: K): Arbitrary<K> => fc.constant(value)

/** Records of which the source and the group may be wildcards. */
function flow<T extends object>(required: { [K in keyof T]: Arbitrary<T[K]> }): Arbitrary<T> {
  const wildcards = fc.record({ source: anyAddress, group: anyAddress }, { requiredKeys: [] })
  return fc.tuple(fc.record(required), wildcards).map(([value, addresses]) => ({ ...value, ...addresses }))
}

/** SR policies of the family. */
export function srPolicy({ afi }: Family): Arbitrary<SrPolicyNlri> {
  const endpoint = afi === AFI.ipv6 ? ipv6Address : ipv4Address
  return fc.record({ kind: constant('sr-policy'), distinguisher: word, color: word, endpoint })
}

/** VPLS of both forms. */
export const vpls: Arbitrary<VplsNlri> = fc.oneof(
  fc.record({
    kind: constant('vpls'),
    route: constant('edge'),
    rd: routeDistinguisher,
    edgeId: u16,
    blockOffset: u16,
    blockSize: u16,
    labelBase: label24,
  }),
  fc.record({ kind: constant('vpls'), route: constant('discovery'), rd: routeDistinguisher, address: ipv4Address }),
)

const kind = constant('mvpn')
const rd = routeDistinguisher

/** Multicast VPN routes of all types. */
export const mvpn: Arbitrary<MvpnNlri> = fc.oneof<Arbitrary<MvpnNlri>[]>(
  fc.record({ kind, route: constant('intra-as-i-pmsi'), rd, originator: anyAddress }),
  fc.record({ kind, route: constant('inter-as-i-pmsi'), rd, sourceAs: word }),
  flow({ kind, route: constant('s-pmsi'), rd, originator: anyAddress }),
  octets({ maxLength: 30 }).chain((key) =>
    fc.record({ kind, route: constant('leaf'), routeKey: fc.constant(Uint8Array.of(3, key.length, ...key)), originator: anyAddress }),
  ),
  flow({ kind, route: constant('source-active'), rd }),
  flow({ kind, route: fc.constantFrom('shared-tree-join' as const, 'source-tree-join' as const), rd, sourceAs: word }),
  fc.record({ kind, route: constant('other'), routeType: fc.integer({ min: 8, max: 255 }), value: octets({ maxLength: 40 }) }),
)

/** Routes of the mobile user plane. */
export const mup: Arbitrary<MupNlri> = fc.record({
  kind: constant('mup'),
  architecture: u8,
  routeType: u16,
  rd,
  value: octets({ maxLength: 60 }),
})

const tlv: Arbitrary<LinkStateTlv> = fc.record({ type: fc.integer({ min: 258, max: 0xffff }), value: octets({ maxLength: 20 }) })
const nodeDescriptors: Arbitrary<LinkStateTlv> = fc.record({ type: fc.constantFrom(256, 257), tlvs: fc.array(tlv, { maxLength: 3 }) })

/** BGP-LS objects of all types. */
export const linkState: Arbitrary<LinkStateNlri> = fc.oneof<Arbitrary<LinkStateNlri>[]>(
  fc.record({
    kind: constant('bgp-ls'),
    object: fc.constantFrom('node', 'link', 'ipv4-prefix', 'ipv6-prefix', 'srv6-sid'),
    protocol: u8,
    identifier,
    tlvs: fc.array(fc.oneof(tlv, nodeDescriptors), { maxLength: 4 }),
  }),
  fc.record({
    kind: constant('bgp-ls'),
    object: constant('other'),
    nlriType: fc.integer({ min: 7, max: 0xffff }),
    value: octets({ maxLength: 40 }),
  }),
)

const evpn = constant('evpn')
const esi = octets({ minLength: 10, maxLength: 10 })

/** EVPN routes of types 6 to 11. */
export const evpnMulticast: Arbitrary<EvpnMulticastNlri> = fc.oneof<Arbitrary<EvpnMulticastNlri>[]>(
  flow({ kind: evpn, route: constant('selective-multicast'), rd, ethernetTag: word, originator: anyAddress, flags: u8 }),
  flow({ kind: evpn, route: constant('membership-report-synch'), rd, esi, ethernetTag: word, originator: anyAddress, flags: u8 }),
  flow({
    kind: evpn,
    route: constant('leave-synch'),
    rd,
    esi,
    ethernetTag: word,
    originator: anyAddress,
    maximumResponseTime: u8,
    flags: u8,
  }),
  fc.record({
    kind: evpn,
    route: constant('per-region-i-pmsi'),
    rd,
    ethernetTag: word,
    regionId: octets({ minLength: 8, maxLength: 8 }),
  }),
  flow({ kind: evpn, route: constant('s-pmsi'), rd, ethernetTag: word, originator: anyAddress }),
  octets({ maxLength: 30 }).chain((key) =>
    fc.record({
      kind: evpn,
      route: constant('leaf'),
      routeKey: fc.constant(Uint8Array.of(10, key.length, ...key)),
      originator: anyAddress,
    }),
  ),
)
