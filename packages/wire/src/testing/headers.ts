import fc from 'fast-check'
import type { ArpPacket } from '../header/arp.js'
import type { EthernetHeader } from '../header/ethernet.js'
import type { GreHeader } from '../header/gre.js'
import {
  ETHER_TYPE_ARP,
  ETHER_TYPE_IPV4,
  ETHER_TYPE_IPV6,
  ETHER_TYPE_MPLS,
  ETHER_TYPE_SERVICE_VLAN,
  ETHER_TYPE_VLAN,
} from '../header/iana.js'
import { ICMPV4_FRAGMENTATION_NEEDED, type Icmpv4Message } from '../header/icmpv4.js'
import type { Icmpv6Message } from '../header/icmpv6.js'
import { IPV4_HEADER_SIZE, type Ipv4Header } from '../header/ipv4.js'
import type { Ipv6Extension } from '../header/ipv6-extension.js'
import type { Ipv6Header } from '../header/ipv6.js'
import type { TcpHeader } from '../header/tcp.js'
import type { UdpHeader } from '../header/udp.js'
import { ipv4Address, ipv6Address, macAddress } from './values.js'

const u8 = fc.nat(0xff)
const u16 = fc.nat(0xffff)
const u32 = fc.nat(0xffffffff)
const octets = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })

/** Octets whose count is `base` plus a multiple of `unit`. */
function paddedOctets(base: number, unit: number, maxUnits: number): fc.Arbitrary<Uint8Array> {
  return fc.nat(maxUnits).chain((units) => fc.uint8Array({ minLength: base + units * unit, maxLength: base + units * unit }))
}

/** Ethernet headers with up to two tags. */
export function ethernetHeader(): fc.Arbitrary<EthernetHeader> {
  const tag = fc.record({
    protocol: fc.constantFrom(ETHER_TYPE_VLAN, ETHER_TYPE_SERVICE_VLAN),
    priority: fc.nat(7),
    dropEligible: fc.boolean(),
    id: fc.nat(0xfff),
  })
  return fc.record({
    destination: macAddress(),
    source: macAddress(),
    tags: fc.array(tag, { maxLength: 2 }),
    etherType: fc.constantFrom(ETHER_TYPE_IPV4, ETHER_TYPE_ARP, ETHER_TYPE_IPV6, ETHER_TYPE_MPLS, 0x0600, 0xffff),
  })
}

/** ARP packets for IPv4 over Ethernet. */
export function arpPacket(): fc.Arbitrary<ArpPacket> {
  return fc.record({
    operation: u16,
    senderMac: macAddress(),
    senderAddress: ipv4Address(),
    targetMac: macAddress(),
    targetAddress: ipv4Address(),
  })
}

/** IPv4 headers with any options and fragment fields; the total length is any that is not shorter than the header. */
export function ipv4Header(): fc.Arbitrary<Ipv4Header> {
  return paddedOctets(0, 4, 10).chain((options) =>
    fc.record({
      dscp: fc.nat(63),
      ecn: fc.nat(3),
      totalLength: fc.integer({ min: IPV4_HEADER_SIZE + options.length, max: 0xffff }),
      identification: u16,
      dontFragment: fc.boolean(),
      moreFragments: fc.boolean(),
      fragmentOffset: fc.nat(0x1fff).map((units) => units * 8),
      ttl: u8,
      protocol: u8,
      source: ipv4Address(),
      destination: ipv4Address(),
      options: fc.constant(options),
    }),
  )
}

/** IPv6 headers. */
export function ipv6Header(): fc.Arbitrary<Ipv6Header> {
  return fc.record({
    dscp: fc.nat(63),
    ecn: fc.nat(3),
    flowLabel: fc.nat(0xfffff),
    payloadLength: u16,
    nextHeader: u8,
    hopLimit: u8,
    source: ipv6Address(),
    destination: ipv6Address(),
  })
}

/** Chains of extension headers that may be walked: hop-by-hop options first if at all, a later fragment last. */
export function ipv6Extensions(): fc.Arbitrary<Ipv6Extension[]> {
  const hopByHop = fc.record({ type: fc.constant('hop-by-hop' as const), data: paddedOctets(6, 8, 3) })
  const destination = fc.record({ type: fc.constant('destination-options' as const), data: paddedOctets(6, 8, 3) })
  const routing = fc.record({ type: fc.constant('routing' as const), routingType: u8, segmentsLeft: u8, data: paddedOctets(4, 8, 3) })
  const fragment = (offset: fc.Arbitrary<number>): fc.Arbitrary<Ipv6Extension> =>
    fc.record({ type: fc.constant('fragment' as const), offset, moreFragments: fc.boolean(), identification: u32 })
  const middle = fc.array(fc.oneof(destination, routing, fragment(fc.constant(0))), { maxLength: 4 })
  const last = fc.array(fragment(fc.integer({ min: 1, max: 0x1fff }).map((units) => units * 8)), { maxLength: 1 })
  return fc
    .tuple(fc.array(hopByHop, { maxLength: 1 }), middle, last)
    .map(([first, between, end]): Ipv6Extension[] => [...first, ...between, ...end])
}

/** ICMP messages of each kind. */
export function icmpv4Message(): fc.Arbitrary<Icmpv4Message> {
  const quote = octets(64)
  return fc.oneof(
    fc.record({ type: fc.constantFrom('echo-request' as const, 'echo-reply' as const), identifier: u16, sequence: u16, data: octets(64) }),
    fc.record({ type: fc.constant('destination-unreachable' as const), code: fc.constant(ICMPV4_FRAGMENTATION_NEEDED), mtu: u16, quote }),
    fc.record({ type: fc.constant('destination-unreachable' as const), code: fc.nat(3), mtu: fc.constant(0), quote }),
    fc.record({ type: fc.constant('time-exceeded' as const), code: fc.nat(1), quote }),
    fc.record({ type: fc.constant('other' as const), number: fc.integer({ min: 12, max: 255 }), code: u8, rest: u32, data: octets(64) }),
  )
}

/** ICMPv6 messages of each kind, neighbor discovery included. */
export function icmpv6Message(): fc.Arbitrary<Icmpv6Message> {
  const quote = octets(64)
  const target = ipv6Address()
  return fc.oneof(
    fc.record({ type: fc.constantFrom('echo-request' as const, 'echo-reply' as const), identifier: u16, sequence: u16, data: octets(64) }),
    fc.record({ type: fc.constantFrom('destination-unreachable' as const, 'time-exceeded' as const), code: u8, quote }),
    fc.record({ type: fc.constant('packet-too-big' as const), mtu: u32, quote }),
    fc.record({ type: fc.constant('router-solicitation' as const), sourceLinkLayer: macAddress() }, { requiredKeys: ['type'] }),
    fc.record(
      {
        type: fc.constant('router-advertisement' as const),
        hopLimit: u8,
        flags: u8,
        lifetime: u16,
        reachableTime: u32,
        retransTimer: u32,
        sourceLinkLayer: macAddress(),
      },
      { requiredKeys: ['type', 'hopLimit', 'flags', 'lifetime', 'reachableTime', 'retransTimer'] },
    ),
    fc.record(
      { type: fc.constant('neighbor-solicitation' as const), target, sourceLinkLayer: macAddress() },
      { requiredKeys: ['type', 'target'] },
    ),
    fc.record(
      {
        type: fc.constant('neighbor-advertisement' as const),
        target,
        router: fc.boolean(),
        solicited: fc.boolean(),
        override: fc.boolean(),
        targetLinkLayer: macAddress(),
      },
      { requiredKeys: ['type', 'target', 'router', 'solicited', 'override'] },
    ),
    fc.record({ type: fc.constant('other' as const), number: fc.integer({ min: 137, max: 255 }), code: u8, rest: u32, data: octets(64) }),
  )
}

/** UDP headers. */
export function udpHeader(): fc.Arbitrary<UdpHeader> {
  return fc.record({ sourcePort: u16, destinationPort: u16, length: fc.integer({ min: 8, max: 0xffff }), checksum: u16 })
}

/** TCP headers with options of any content. */
export function tcpHeader(): fc.Arbitrary<TcpHeader> {
  return fc.record({
    sourcePort: u16,
    destinationPort: u16,
    sequence: u32,
    acknowledgment: u32,
    flags: u8,
    window: u16,
    checksum: u16,
    urgentPointer: u16,
    options: paddedOctets(0, 4, 10),
  })
}

/** GRE headers with any of checksum, key and sequence number. */
export function greHeader(): fc.Arbitrary<GreHeader> {
  return fc.record({ protocol: u16, checksum: fc.boolean(), key: u32, sequence: u32 }, { requiredKeys: ['protocol', 'checksum'] })
}
