import type { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { onTheWire, type UnderlayInput, type WireEncapsulation } from '../harness.js'
import {
  greBefore,
  labelled,
  mssOption,
  testPacket,
  testSegment,
  vxlanBefore,
  type TestLabel,
  type TestPacket,
  type TestSegment,
} from '../packets.js'
import { MOST_EXTENSIONS, partOf, testIcmp, withExtensions, withOptions, type TestExtension } from '../packets-of-flows.js'
import { POOL_ADDRESSES } from './pools.js'
import { SERVICE_PORT, VIRTUAL_ADDRESSES } from './services.js'
import { LABELS, MACS, PORTS, VNIS, type Surroundings } from './tables.js'

/** A packet, and where it enters. */
export type PacketInput =
  | { readonly from: 'port'; readonly port: number; readonly packet: Uint8Array }
  | ({ readonly from: 'underlay' } & UnderlayInput)

const ADDRESSES_V4 = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.254', '10.1.0.1', '192.168.0.1', '224.0.0.1', '127.0.0.1', '169.254.0.1']
const ADDRESSES_V6 = ['fd00::1', 'fd00::2', 'fd00::254', 'fd00:0:0:1::1', '2001:db8::1', 'ff02::1', 'fe80::1', '::1']

/** Mostly one of the first, which tables have routes for. */
function address(addresses: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...addresses.slice(0, 2)) },
    { weight: 1, arbitrary: fc.constantFrom(...addresses) },
  )
}

/** Draws an IP packet, mostly sound. */
export function arbitraryPacket(): fc.Arbitrary<Uint8Array> {
  const family = (addresses: readonly string[]): fc.Arbitrary<Uint8Array> => {
    const virtual = [...VIRTUAL_ADDRESSES, ...POOL_ADDRESSES].filter((one) => one.includes(':') === addresses[0]?.includes(':'))
    return fc
      .record({
        source: address(addresses),
        destination: fc.oneof({ weight: 5, arbitrary: address(addresses) }, { weight: 1, arbitrary: fc.constantFrom(...virtual) }),
        ttl: fc.constantFrom(64, 255, 128, 3, 2, 1, 0),
        trafficClass: fc.nat(255),
        sourcePort: fc.oneof(fc.nat(65_535), fc.constantFrom(9, 40_000)),
        destinationPort: fc.constantFrom(9, 40_000, SERVICE_PORT),
        size: fc.oneof({ weight: 6, arbitrary: fc.nat(64) }, { weight: 1, arbitrary: fc.integer({ min: 1240, max: 1310 }) }),
        dontFragment: fc.boolean(),
      })
      .chain((packet) =>
        fc.oneof(
          { weight: 5, arbitrary: fc.constant(testPacket(packet)) },
          { weight: 1, arbitrary: arbitrarySegment(packet) },
          { weight: 1, arbitrary: arbitraryIcmp(packet) },
          { weight: 1, arbitrary: arbitraryPart(testPacket(packet)) },
          ...(addresses === ADDRESSES_V6 ? [{ weight: 2, arbitrary: arbitraryExtended(packet) }] : []),
        ),
      )
  }
  const sound = fc.oneof(family(ADDRESSES_V4), family(ADDRESSES_V6))
  const cut = fc.tuple(sound, fc.nat(60)).map(([packet, length]) => packet.subarray(0, Math.min(length, packet.length)))
  const changed = fc.tuple(sound, fc.nat(47), fc.nat(255)).map(([packet, at, octet]) => {
    const copy = packet.slice()
    if (at < copy.length) copy[at] = octet
    return copy
  })
  const padded = fc.tuple(sound, fc.uint8Array({ minLength: 1, maxLength: 6 })).map(([packet, tail]) => Uint8Array.of(...packet, ...tail))
  return fc.oneof(
    { weight: 12, arbitrary: sound },
    { weight: 1, arbitrary: cut },
    { weight: 1, arbitrary: changed },
    { weight: 1, arbitrary: padded },
  )
}

/** Echoes with few identifiers, other messages, and errors about what may have gone the other way, or wrongly about what went the same way. */
function arbitraryIcmp({ source, destination, ttl, ...rest }: TestPacket): fc.Arbitrary<Uint8Array> {
  const isV4 = !String(source).includes(':')
  const ends = { source, destination, ...(ttl === undefined ? {} : { ttl }) }
  const echo = fc.record({ type: fc.constantFrom(...(isV4 ? [8, 0, 13] : [128, 129, 140])), rest: fc.constantFrom(0x1_0001, 0x2_0001) })
  const { sourcePort = 9, destinationPort = 9 } = rest
  const back = { source: destination, destination: source, sourcePort: destinationPort, destinationPort: sourcePort, size: 8 }
  const there = { source, destination, sourcePort, destinationPort, size: 8 }
  const error = fc.record({
    type: fc.constantFrom(...(isV4 ? [3, 11] : [1, 2, 3])),
    body: fc.oneof(
      fc.constantFrom(testPacket(back), testSegment(back), testIcmp({ ...back, type: isV4 ? 8 : 128, rest: 0x1_0001 }), testPacket(there)),
      fc.nat(30).map((length) => testPacket(back).subarray(0, length)),
    ),
  })
  return fc.oneof(echo, error).map((message) => testIcmp({ ...ends, ...message }))
}

/** Datagrams and segments behind extension headers; small, as what is said of large ones does not depend on these. */
function arbitraryExtended({ size = 0, ...packet }: TestPacket): fc.Arbitrary<Uint8Array> {
  const small = { ...packet, size: size % 64 }
  return fc
    .oneof(fc.constant(testPacket(small)), arbitrarySegment(small))
    .chain((whole) => arbitraryExtensions().map((extensions) => withExtensions(whole, extensions)))
}

/** Draws extension headers, up to one more than are looked through; hop-by-hop options stand first (RFC 8200 §4.1), but for few. */
export function arbitraryExtensions(): fc.Arbitrary<readonly TestExtension[]> {
  const extension = (...protocols: TestExtension['protocol'][]): fc.Arbitrary<TestExtension> =>
    fc.record({ protocol: fc.constantFrom(...protocols), units: fc.constantFrom(0, 0, 0, 1, 2) })
  const count = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(1, 2) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: MOST_EXTENSIONS + 1 }) },
    { weight: 2, arbitrary: fc.constantFrom(MOST_EXTENSIONS, MOST_EXTENSIONS + 1) },
  )
  return count.chain((length) => {
    const others = fc.oneof({ weight: 30, arbitrary: extension(43, 60) }, { weight: 1, arbitrary: extension(0) })
    return fc
      .tuple(extension(0, 43, 60), fc.array(others, { minLength: length - 1, maxLength: length - 1, size: 'max' }))
      .map(([first, rest]) => [first, ...rest])
  })
}

function arbitraryPart(packet: Uint8Array): fc.Arbitrary<Uint8Array> {
  const ways = packet[0] >> 4 === 6 ? [packet, withOptions(packet)] : [packet]
  return fc
    .record({
      offset: fc.constantFrom(0, 0, 8, 16),
      size: fc.constantFrom(8, 16),
      identification: fc.nat(1),
      whole: fc.constantFrom(...ways),
    })
    .map(({ whole, ...part }) => partOf(whole, part))
}

function arbitrarySegment(packet: Omit<TestSegment, 'options' | 'flags'>): fc.Arbitrary<Uint8Array> {
  const mss = fc.constantFrom(536, 1220, 1240, 1260, 1300, 1460, 8960).map(mssOption)
  const options = fc.oneof(
    mss,
    fc.constant([]),
    fc.tuple(mss, fc.constant([1, 1, 1, 0])).map(([one, rest]) => [...rest.slice(0, 3), ...one, 0]),
  )
  return fc.tuple(options, fc.constantFrom(2, 18, 16)).map(([list, flags]) => testSegment({ ...packet, options: list, flags }))
}

/** Draws a packet from a port or from the underlay, for tables of `arbitraryTables`. */
export function arbitraryInput(around: Surroundings): fc.Arbitrary<PacketInput> {
  // No device hands over an empty packet.
  const packet = arbitraryPacket().filter(({ length }) => length > 0)
  const fromPort = fc.record({ from: fc.constant('port' as const), port: fc.constantFrom(...PORTS), packet })
  return fc.oneof(fromPort, arbitraryUnderlayInput(around))
}

/** Most octets behind the outer headers of a packet, that of UDP among them, which an underlay of 1,500 octets carries over IPv6: a larger one never arrives. */
const MOST_BEHIND_OUTER = 1500 - 40 - 8

/** @param mpls what is behind the headers of tunnels for labels, but for a joint label */
export function arbitraryUnderlayInput(
  { encapsulations, underlays, trafficClasses = [0] }: Surroundings,
  mpls: fc.Arbitrary<Uint8Array> = arbitraryMpls(),
): fc.Arbitrary<PacketInput> {
  const sources: readonly IpAddress[] = underlays.flatMap(({ peers }) => peers.slice(0, 3))
  return fc
    .record({
      encapsulation: fc.constantFrom(...new Set(encapsulations.map(onTheWire))),
      source: fc.constantFrom(...sources),
      trafficClass: fc.constantFrom(...trafficClasses),
    })
    .chain(({ encapsulation, source, trafficClass }) =>
      arbitraryTunnelled(encapsulation, mpls)
        .filter(({ length }) => length <= MOST_BEHIND_OUTER)
        .map((packet): PacketInput => ({ from: 'underlay', encapsulation, source, packet, trafficClass })),
    )
}

function arbitraryTunnelled(encapsulation: WireEncapsulation, mpls: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  if (encapsulation === 'vxlan') {
    return fc
      .tuple(
        fc.constantFrom(...VNIS),
        fc.constantFrom(...MACS),
        arbitraryPacket().filter(({ length }) => length > 0),
      )
      .map(([vni, mac, packet]) => vxlanBefore(vni, mac, MACS[0], packet))
  }
  if (encapsulation === 'mpls-udp') return fc.tuple(arbitraryJoint(), mpls).map(([joint, bytes]) => Uint8Array.from([...joint, ...bytes]))
  if (encapsulation !== 'mpls-gre') return mpls
  const gre = fc.record({ checksum: fc.boolean() }, { requiredKeys: [] })
  const options = fc.oneof(gre, fc.record({ key: fc.nat(0xffff) }), fc.record({ sequence: fc.nat(0xffff), checksum: fc.boolean() }))
  return fc.tuple(mpls, options).map(([bytes, header]) => greBefore(bytes, header))
}

function arbitraryMpls(): fc.Arbitrary<Uint8Array> {
  const stack = fc.tuple(arbitraryStack(), arbitraryPacket()).map(([labels, packet]) => labelled(labels, packet))
  return fc.oneof({ weight: 15, arbitrary: stack }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 24, size: 'max' }) })
}

/** What may stand before a stack in MPLS over UDP: mostly nothing or a joint label, at times two, or what is nearly one. */
function arbitraryJoint(): fc.Arbitrary<readonly number[]> {
  const joint = fc.nat(2).map((ttl) => [12, 0, 0, ttl])
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant([]) },
    { weight: 5, arbitrary: joint },
    { weight: 1, arbitrary: fc.tuple(joint, joint).map((two) => two.flat()) },
    { weight: 1, arbitrary: fc.constantFrom([12, 0, 0, 3], [12, 0, 2, 1], [12, 0, 1, 1], [12, 0, 16, 1], [11, 255, 240, 1]) },
  )
}

function arbitraryStack(): fc.Arbitrary<Required<TestLabel>[]> {
  const nulls = fc.array(arbitraryEntry([0, 2]), { maxLength: 2 })
  return fc.oneof(
    { weight: 8, arbitrary: fc.tuple(nulls, arbitraryEntry(LABELS), nulls).map(([above, label, below]) => [...above, label, ...below]) },
    { weight: 1, arbitrary: fc.array(arbitraryEntry([...LABELS, 0, 1, 2, 3, 14]), { minLength: 1, maxLength: 20, size: 'max' }) },
  )
}

/** Draws an entry of a stack with one of `labels`. */
export function arbitraryEntry(labels: readonly number[]): fc.Arbitrary<Required<TestLabel>> {
  return fc.record({ label: fc.constantFrom(...labels), ttl: fc.constantFrom(255, 64, 2, 1, 0), trafficClass: fc.nat(7) })
}
