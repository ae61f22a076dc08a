import type { NatPoolObject, NextHopObject, ServiceBackend, ServiceObject } from '@heddle/core'
import { partOf, testIcmp, testPacket, testSegment, type Tables } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { LOCAL, PEERS } from './router.js'

/*
 * Two VRFs in a router, red with services, red hidden from blue behind pools:
 *
 *     port 1  red  10.0.0.1 ┐                        ┌ 10.1.0.0/24 behind peer 0, red
 *     port 2  red  10.0.0.2 ├── 10.200.0.0/24: blue ─┤
 *     port 3  blue 10.0.0.1 ┘                        └ 10.200.0.0/24 behind peer 0, blue
 *
 * There are few addresses and ports, so that flows get into each other's way.
 */

const [RED, BLUE] = [1, 2]
const text = (family: 4 | 6, v4: string): string => (family === 4 ? v4 : `fd00::${v4.replaceAll('.', ':')}`)
const net = (family: 4 | 6, v4: string): string => `${text(family, `${v4}.0`)}/${family === 4 ? 24 : 112}`
const FAMILIES = [4, 6] as const

/** Where packets come from: a port, or the underlay by the label of a VRF. */
export type Place = { readonly port: number } | { readonly label: number }

const PLACES: readonly (readonly [Place, string])[] = [
  [{ port: 1 }, '10.0.0.1'],
  [{ port: 2 }, '10.0.0.2'],
  [{ port: 3 }, '10.0.0.1'],
  [{ label: 110 }, '10.1.0.1'],
  [{ label: 110 }, '10.1.0.2'],
  [{ label: 120 }, '10.200.0.9'],
]
const VIRTUAL = ['10.96.0.1', '10.96.0.2']
const DESTINATIONS = [
  '10.96.0.1',
  '10.96.0.1',
  '10.96.0.1',
  '10.96.0.2',
  '10.0.0.1',
  '10.1.0.1',
  '10.200.0.9',
  '10.200.0.9',
  '10.200.0.8',
  '172.20.0.1',
]

/** The tables, with services and pools. */
export function natTables(services: readonly ServiceObject[], natPools: readonly NatPoolObject[]): Tables {
  const ports = [
    { id: 1, vrf: RED, address: '10.0.0.1' },
    { id: 2, vrf: RED, address: '10.0.0.2' },
    { id: 3, vrf: BLUE, address: '10.0.0.1' },
  ]
  const tunnel = (id: number, label: number): NextHopObject => {
    const common = { type: 'tunnel', encapsulation: 'mpls-udp', ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
    return { id, action: { ...common, local: LOCAL[4], remote: PEERS[4][0], labels: [label] } }
  }
  return {
    vrfs: [
      { id: RED, name: 'red' },
      { id: BLUE, name: 'blue' },
    ],
    ports: ports.map(({ id, vrf }) => ({ id, kind: 'endpoint', vrf, allowedSources: [], gateways: [], mtu: 1400 })),
    nextHops: [
      ...ports.map(({ id }): NextHopObject => ({ id, action: { type: 'port', port: id } })),
      tunnel(11, 2001),
      tunnel(12, 2002),
      { id: 50, action: { type: 'lookup', vrf: BLUE } },
    ],
    groups: [1, 2, 3, 11, 12, 50].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 7 })),
    tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][0])] }],
    labels: [
      { label: 110, action: { type: 'pop-lookup', vrf: RED }, sources: 1 },
      { label: 120, action: { type: 'pop-lookup', vrf: BLUE }, sources: 1 },
    ],
    vnis: [],
    // Policies that allow everything remember flows by the ends that they are shown.
    policies: ports.slice(0, 2).map(({ id }) => ({ id, port: id, direction: 'ingress', rules: [], defaultVerdict: 'allow' })),
    services,
    natPools,
    routes: FAMILIES.flatMap((family) => [
      ...ports.map(({ id, vrf, address }) => ({ vrf, prefix: text(family, address), group: id })),
      { vrf: RED, prefix: net(family, '10.1.0'), group: 11 },
      { vrf: RED, prefix: net(family, '10.200.0'), group: 50 },
      { vrf: BLUE, prefix: net(family, '10.200.0'), group: 12 },
      { vrf: BLUE, prefix: net(family, '10.1.0'), group: 12 },
    ]),
  }
}

const arbitraryBackend = (family: 4 | 6): fc.Arbitrary<ServiceBackend> =>
  fc.record(
    {
      address: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.1.0.1').map((address) => IpAddress.parse(text(family, address))),
      port: fc.constantFrom(53, 8080),
      weight: fc.constantFrom(0, 1, 1, 2, 0xffffffff),
      state: fc.constantFrom('ready' as const, 'draining' as const),
    },
    { requiredKeys: ['address', 'port', 'weight'] },
  )

/** Services at some of the places that packets go to. */
export const arbitraryServices: fc.Arbitrary<readonly ServiceObject[]> = fc
  .subarray(
    FAMILIES.flatMap((family) =>
      VIRTUAL.flatMap((address) => (['tcp', 'udp', 'sctp'] as const).map((protocol) => ({ family, address, protocol }))),
    ),
  ) // prettier-ignore
  .chain((places) =>
    fc.tuple(
      ...places.map(({ family, address, protocol }, id) =>
        fc
          .record(
            {
              backends: fc.array(arbitraryBackend(family), { maxLength: 5 }),
              affinity: fc.constant(3_600_000),
              natSide: fc.constantFrom('destination' as const, 'both' as const),
              seed: fc.nat(0xffffffff),
            },
            { requiredKeys: ['backends', 'seed'] },
          )
          .map(({ backends, ...rest }): ServiceObject => ({
            id,
            vrf: RED,
            address: IpAddress.parse(text(family, address)),
            protocol,
            port: 53,
            ...rest,
            backends: backends.map((backend) => (protocol === 'sctp' ? { ...backend, port: 53 } : backend)),
          })),
      ),
    ),
  )

/** Pools with few ports. */
export const arbitraryPools: fc.Arbitrary<readonly NatPoolObject[]> = fc
  .tuple(fc.subarray([...FAMILIES]), fc.nat(3))
  .map(([families, more]) =>
    families.map((family) => ({
      id: family,
      vrf: RED,
      outside: BLUE,
      address: IpAddress.parse(text(family, '172.20.0.1')),
      ports: { first: 4000, last: 4000 + more },
    })),
  )

/** A packet, and where it comes from. */
export interface Sending {
  readonly place: Place
  readonly packet: Uint8Array
}

/** Packets of few flows, whole or in part. */
export const arbitrarySending: fc.Arbitrary<Sending> = fc
  .record({
    family: fc.constantFrom(...FAMILIES),
    from: fc.constantFrom(...PLACES),
    destination: fc.constantFrom(...DESTINATIONS),
    sourcePort: fc.constantFrom(53, 4000, 4001, 8080),
    destinationPort: fc.constantFrom(53, 53, 53, 8080),
    protocol: fc.constantFrom('tcp', 'tcp', 'udp', 'udp', 'sctp', 'echo', 'message'),
    flags: fc.constantFrom(2, 16, 17),
    checksum: fc.constantFrom('right', 'right', 'wrong', 'none'),
    ttl: fc.constantFrom(64, 64, 64, 64, 64, 1),
    part: fc.constantFrom(
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      { offset: 0, size: 8 },
      { offset: 0, size: 24 },
      { offset: 8 },
      { offset: 24 },
    ),
  })
  .map(({ family, from: [place, source], destination, protocol, checksum, flags, part, ...rest }): Sending => {
    const ends = { ...rest, source: text(family, source), destination: text(family, destination) }
    const whole = made(protocol, family, ends, flags)
    const at = (family === 4 ? 20 : 40) + (protocol === 'tcp' ? 16 : protocol === 'echo' || protocol === 'message' ? 2 : 6)
    if (checksum === 'none' && protocol === 'udp') whole.set([0, 0], at)
    if (checksum === 'wrong') whole[at] ^= 0x5a
    return { place, packet: part === undefined ? whole : partOf(whole, part) }
  })

interface Ends {
  readonly source: string
  readonly destination: string
  readonly sourcePort: number
  readonly destinationPort: number
  readonly ttl: number
}

function made(protocol: string, family: 4 | 6, ends: Ends, flags: number): Uint8Array {
  const { source, destination, sourcePort, ttl } = ends
  if (protocol === 'tcp') return testSegment({ ...ends, flags, size: 20 })
  if (protocol === 'echo')
    return testIcmp({ source, destination, ttl, type: family === 4 ? 8 : 128, rest: sourcePort * 65_536 + 1, body: new Uint8Array(32) })
  if (protocol === 'message') return testIcmp({ source, destination, ttl, type: family === 4 ? 13 : 133, body: new Uint8Array(32) })
  const packet = testPacket({ ...ends, size: 40 })
  if (protocol === 'sctp') setProtocol(packet, 132)
  return packet
}

/** Writes a protocol into a packet without extension headers. */
function setProtocol(packet: Uint8Array, protocol: number): void {
  const isV4 = packet[0] >> 4 === 4
  const before = packet[isV4 ? 9 : 6]
  packet[isV4 ? 9 : 6] = protocol
  if (!isV4) return
  // The difference goes to the other octet of the identification, so that the sum stays.
  packet[5] = (packet[5] - (protocol - before) + 256) % 256
}

/** The packet that answers another one: its ends change sides, an echo becomes a reply. */
export function answerTo(packet: Uint8Array): Uint8Array {
  const answer = packet.slice()
  const isV4 = packet[0] >> 4 === 4
  const [from, size, transport, protocol] = isV4 ? [12, 4, 20, packet[9]] : [8, 16, 40, packet[6]]
  answer.copyWithin(from, from + size, from + size * 2)
  answer.set(packet.subarray(from, from + size), from + size)
  if (protocol === 6 || protocol === 17 || protocol === 132) {
    answer.copyWithin(transport, transport + 2, transport + 4)
    answer.set(packet.subarray(transport, transport + 2), transport + 2)
  } else if (packet[transport] === 8) answer[transport] = 0
  else if (packet[transport] === 128) answer[transport] = 129
  return answer
}

/** An ICMP error about a packet, from the end that it was for or from a router on the way. */
export function errorAbout(packet: Uint8Array, isFromEnd: boolean): Uint8Array {
  const family = packet[0] >> 4 === 4 ? 4 : 6
  const [from, size] = family === 4 ? [12, 4] : [8, 16]
  const address = (at: number): IpAddress => IpAddress.fromBytes(packet.slice(at, at + size))
  const source = isFromEnd ? address(from + size) : IpAddress.parse(text(family, '10.1.0.7'))
  return testIcmp({ source, destination: address(from), type: family === 4 ? 3 : 1, code: 1, body: packet.slice(0, 576) })
}
