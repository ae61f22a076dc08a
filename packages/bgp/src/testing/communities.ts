import fc, { type Arbitrary } from 'fast-check'
import { extendedCommunityFromWords, type ExtendedCommunity } from '../community/extended.js'
import type { Ipv6ExtendedCommunity } from '../community/ipv6.js'
import { ipv4Address, ipv6Address, macAddress, octets, routeTarget, word } from './values.js'

const constant = <const K extends string>(value: K): Arbitrary<K> => fc.constant(value)
const u16 = fc.nat(0xffff)
const u8 = fc.nat(0xff)
const rate = fc.float({ min: 0, noNaN: true, noDefaultInfinity: true })

/** Types with an administrator: AS number, IPv4 address, four-octet AS number. */
const administrated = fc.oneof(
  fc.record({ type: fc.constant(0 as const), administrator: u16, assigned: word }),
  fc.record({ type: fc.constantFrom(1 as const, 2 as const), administrator: word, assigned: u16 }),
)

const withAdministrator = fc
  .tuple(fc.constantFrom('site-of-origin' as const, 'ospf-domain' as const, 'redirect' as const), administrated)
  .map(([kind, fields]): ExtendedCommunity => ({ kind, ...fields }))

/** Extended communities of each kind, and any eight octets. */
export const extendedCommunity: Arbitrary<ExtendedCommunity> = fc.oneof<Arbitrary<ExtendedCommunity>[]>(
  routeTarget.map((target) => ({ kind: 'route-target', target })),
  fc.constantFrom(2, 7, 8, 13).map((tunnelType) => ({ kind: 'encapsulation', tunnelType })),
  fc.record({ kind: constant('color'), flags: u16, color: word }),
  fc.constant<ExtendedCommunity>({ kind: 'default-gateway' }),
  fc.record({ kind: constant('mac-mobility'), sticky: fc.boolean(), sequence: word }),
  macAddress.map((mac) => ({ kind: 'router-mac', mac })),
  fc.record({ kind: constant('esi-label'), singleActive: fc.boolean(), label: fc.nat(0xff_ffff) }),
  fc.record({ kind: constant('evpn-layer2-attributes'), flags: u16, mtu: u16 }),
  fc.record({ kind: constant('e-tree'), leaf: fc.boolean(), label: fc.nat(0xff_ffff) }),
  fc.record({ kind: constant('df-election'), algorithm: fc.nat(31), bitmap: u16 }),
  fc.record({ kind: constant('arp-nd'), flags: u8 }),
  fc.record({ kind: constant('multicast-flags'), flags: u16 }),
  fc.record({ kind: constant('evi-route-target'), form: fc.constantFrom(0 as const, 1 as const, 2 as const), tail: u16, value: word }),
  fc.record({ kind: constant('service-carving-time'), seconds: word, fraction: u16 }),
  fc.record({ kind: constant('link-bandwidth'), transitive: fc.boolean(), as: u16, bytesPerSecond: rate }),
  fc.record({ kind: constant('traffic-rate-bytes'), as: u16, bytesPerSecond: rate }),
  fc.record({ kind: constant('traffic-rate-packets'), as: u16, packetsPerSecond: rate }),
  fc.record({ kind: constant('traffic-action'), sample: fc.boolean(), terminal: fc.boolean() }),
  fc.record({ kind: constant('traffic-marking'), dscp: fc.nat(63) }),
  fc.record({ kind: constant('redirect-to-next-hop'), copy: fc.boolean() }),
  withAdministrator,
  fc.record({ kind: constant('vrf-route-import'), address: ipv4Address, assigned: u16 }),
  fc.record({ kind: constant('source-as'), as: u16, assigned: word }),
  fc.record({ kind: constant('ospf-route-type'), area: ipv4Address, routeType: u8, options: u8 }),
  fc.record({ kind: constant('ospf-router-id'), routerId: ipv4Address, assigned: u16 }),
  fc.record({ kind: constant('layer2-info'), encapsulation: u8, flags: u8, mtu: u16, preference: u16 }),
  fc.record({ kind: constant('origin-validation'), state: u8 }),
  octets({ minLength: 6, maxLength: 6 }).map((nextHop) => ({ kind: 'joint-labels', nextHop })),
  fc.tuple(word, word).map(([high, low]) => extendedCommunityFromWords(high, low)),
)

/** IPv6 address specific extended communities of each kind, and others. */
export const ipv6ExtendedCommunity: Arbitrary<Ipv6ExtendedCommunity> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('route-target' as const, 'site-of-origin' as const, 'vrf-route-import' as const, 'redirect' as const),
    address: ipv6Address,
    assigned: u16,
  }),
  octets({ minLength: 20, maxLength: 20 })
    .filter(([type]) => type !== 0)
    .map((bytes): Ipv6ExtendedCommunity => ({ kind: 'unknown', bytes })),
)
