import fc, { type Arbitrary } from 'fast-check'
import type { BfdDiscriminator } from '../attribute/bfd-discriminator.js'
import type { DomainPath } from '../attribute/domain-path.js'
import type { PmsiTunnel } from '../attribute/pmsi-tunnel.js'
import type { PmsiTunnelIdentifier } from '../attribute/pmsi-tunnel-identifier.js'
import type { PrefixSidTlv } from '../attribute/prefix-sid.js'
import type { SegmentSubTlv } from '../attribute/segment-list.js'
import type { Srv6ServiceSubTlv } from '../attribute/srv6-service.js'
import type { Tunnel } from '../attribute/tunnel-encapsulation.js'
import type { TunnelSubTlv } from '../attribute/tunnel-sub-tlv.js'
import type { LinkStateTlv } from '../nlri/bgp-ls.js'
import type { IpAddress } from '@heddle/wire'
import { ipv4Address, ipv6Address, label, macAddress, octets, word } from './values.js'

const constant = <const K extends string | boolean>(value: K): Arbitrary<K> => fc.constant(value)
const u16 = fc.nat(0xffff)
const u8 = fc.nat(0xff)
const u24 = fc.nat(0xff_ffff)

const structure = fc.record({
  kind: constant('structure'),
  locatorBlockLength: u8,
  locatorNodeLength: u8,
  functionLength: u8,
  argumentLength: u8,
  transpositionLength: u8,
  transpositionOffset: u8,
})
const srv6Unknown = fc.record({ kind: constant('unknown'), type: fc.integer({ min: 2, max: 255 }), value: octets({ maxLength: 12 }) })

const srv6SubTlv: Arbitrary<Srv6ServiceSubTlv> = fc.oneof(
  fc.record({
    kind: constant('sid-information'),
    sid: ipv6Address,
    flags: u8,
    behavior: u16,
    subTlvs: fc.array(fc.oneof(structure, srv6Unknown), { maxLength: 2 }),
  }),
  srv6Unknown,
)

/** TLVs of Prefix-SID. */
export const prefixSidTlv: Arbitrary<PrefixSidTlv> = fc.oneof<Arbitrary<PrefixSidTlv>[]>(
  fc.record({ kind: constant('label-index'), flags: u16, labelIndex: word }),
  fc.record({
    kind: constant('originator-srgb'),
    flags: u16,
    ranges: fc.array(fc.record({ base: u24, size: u24 }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constantFrom('srv6-l3-service', 'srv6-l2-service'), subTlvs: fc.array(srv6SubTlv, { maxLength: 2 }) }),
  fc.record({ kind: constant('unknown'), type: fc.integer({ min: 7, max: 255 }), value: octets({ maxLength: 20 }) }),
)

const segment: Arbitrary<SegmentSubTlv> = fc.oneof<Arbitrary<SegmentSubTlv>[]>(
  fc.record({ kind: constant('weight'), flags: u8, weight: word }),
  fc.record({ kind: constant('label'), flags: u8, entry: word }),
  fc.record(
    { kind: constant('srv6'), flags: u8, sid: ipv6Address, behavior: octets({ minLength: 8, maxLength: 8 }) },
    { requiredKeys: ['kind', 'flags', 'sid'] },
  ),
  fc.record({ kind: constant('unknown'), type: fc.constantFrom(3, 4, 200), value: octets({ maxLength: 20 }) }),
)

const shared: Arbitrary<TunnelSubTlv>[] = [
  fc.record({ kind: constant('protocol-type'), protocol: u16 }),
  fc.record({ kind: constant('color'), flags: u16, color: word }),
  fc.record(
    { kind: constant('egress-endpoint'), address: fc.oneof(ipv4Address, ipv6Address), reserved: fc.integer({ min: 1, max: 0xffff_ffff }) },
    { requiredKeys: ['kind'] },
  ),
  fc.record({ kind: constant('ds-field'), value: u8 }),
  fc.record({ kind: constant('udp-destination-port'), port: u16 }),
  fc.record({ kind: constant('embedded-label-handling'), value: u8 }),
  fc.record({
    kind: constant('label-stack'),
    labels: fc.array(fc.record({ label, trafficClass: fc.nat(7), bottom: fc.boolean(), ttl: u8 }), { maxLength: 3 }),
  }),
  fc.record({ kind: constant('prefix-sid'), tlvs: fc.array(prefixSidTlv, { maxLength: 1 }) }),
  fc.record({ kind: constant('preference'), flags: u8, preference: word }),
  fc.record({ kind: constant('binding-sid'), flags: u8 }),
  fc.record({ kind: constant('binding-sid'), flags: u8, label: word }),
  fc.record({ kind: constant('binding-sid'), flags: u8, sid: ipv6Address }),
  fc.record({ kind: constant('explicit-null'), flags: u8, policy: u8 }),
  fc.record({ kind: constant('priority'), priority: u8 }),
  fc.record({ kind: constant('segment-list'), segments: fc.array(segment, { maxLength: 3 }) }),
  fc.record({ kind: fc.constantFrom('candidate-path-name', 'policy-name'), name: fc.string({ maxLength: 12 }) }),
  fc.record({ kind: constant('unknown'), type: fc.integer({ min: 30, max: 127 }), value: octets({ maxLength: 20 }) }),
  fc.record({ kind: constant('unknown'), type: fc.integer({ min: 131, max: 255 }), value: octets({ maxLength: 300 }) }),
]

/** Sub-TLVs of a tunnel of the type, its encapsulation among them. */
export function tunnelSubTlv(tunnelType: number): Arbitrary<TunnelSubTlv> {
  switch (tunnelType) {
    case 8:
    case 9:
      return fc.oneof(...shared, fc.record({ kind: constant('virtual-network'), flags: u8, vni: u24, mac: macAddress }))
    case 1:
      return fc.oneof(...shared, fc.record({ kind: constant('l2tpv3'), sessionId: word, cookie: octets({ maxLength: 8 }) }))
    case 2:
    case 11:
      return fc.oneof(...shared, fc.record({ kind: constant('gre-key'), key: word }))
    default:
      return fc.oneof(...shared)
  }
}

/** Tunnels of all types. */
export const tunnel: Arbitrary<Tunnel> = fc
  .oneof(fc.constantFrom(1, 2, 8, 9, 11, 13, 15), u16)
  .chain((type) => fc.record({ type: fc.constant(type), subTlvs: fc.array(tunnelSubTlv(type), { maxLength: 3 }) }))

/** BFD discriminators with a source address. */
export const bfdDiscriminator: Arbitrary<BfdDiscriminator> = fc.record({
  mode: u8,
  discriminator: word,
  tlvs: fc.array(fc.record({ type: u8, value: octets({ minLength: 4, maxLength: 16 }) }), { minLength: 1, maxLength: 2 }),
})

/** Domain paths of a few segments. */
export const domainPath: Arbitrary<DomainPath> = fc.array(
  fc.array(fc.record({ globalAdministrator: word, localAdministrator: u16, safi: fc.constantFrom(0, 1, 70, 128) }), {
    minLength: 1,
    maxLength: 3,
  }),
  { minLength: 1, maxLength: 2 },
)

/** TLVs of the BGP-LS attribute. */
export const linkStateAttribute: Arbitrary<readonly LinkStateTlv[]> = fc.array(fc.record({ type: u16, value: octets({ maxLength: 20 }) }), {
  minLength: 1,
  maxLength: 3,
})

const ofOneFamily = (address: Arbitrary<IpAddress>): Arbitrary<PmsiTunnelIdentifier> =>
  fc.oneof<Arbitrary<PmsiTunnelIdentifier>[]>(
    fc.record({ kind: constant('rsvp-te-p2mp'), extendedTunnelId: address, reserved: u16, tunnelId: u16, p2mpId: word }),
    fc.record({ kind: constant('mldp-p2mp'), fec: fc.constant(6), root: address, opaque: octets({ maxLength: 12 }) }),
    fc.record({ kind: constant('mldp-mp2mp'), fec: fc.constantFrom(7, 8), root: address, opaque: octets({ maxLength: 12 }) }),
    fc.record({ kind: constant('mldp-opaque'), type: fc.nat(6), value: octets({ maxLength: 12 }) }),
    fc.record({ kind: fc.constantFrom('pim-ssm', 'pim-sm', 'bidir-pim'), root: address, group: address }),
    fc.record({ kind: fc.constantFrom('ingress-replication', 'assisted-replication'), endpoint: address }),
    fc.record({ kind: constant('bier'), subDomain: u8, bfrId: u16, bfrPrefix: address }),
    fc.record({ kind: fc.constantFrom('sr-mpls-p2mp', 'srv6-p2mp'), treeId: word, root: address }),
  )

/** PMSI tunnels of all types. */
export const pmsiTunnel: Arbitrary<PmsiTunnel> = fc.record(
  {
    flags: u8,
    label: u24,
    composite: constant(true),
    tunnel: fc.oneof(fc.constant({ kind: 'none' } as const), ofOneFamily(ipv4Address), ofOneFamily(ipv6Address)),
  },
  { requiredKeys: ['flags', 'label', 'tunnel'] },
)
