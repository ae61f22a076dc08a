import type { NatPoolObject, ServiceObject } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import type { Tables } from '../tables.js'
import { labelled, testPacket, testSegment, type TestPacket } from '../packets.js'
import { testIcmp, withExtensions } from '../packets-of-flows.js'
import { arbitraryExtensions, type PacketInput } from './packets.js'
import { POOL_ADDRESSES, POOL_PORTS } from './pools.js'
import { BACKEND_PORTS, BACKENDS, SERVICE_PORT, VIRTUAL_ADDRESSES } from './services.js'
import { LABELS, PORTS, type Surroundings } from './tables.js'

/*
 *   ports 1 and 2 in VRF 1 ─ default route: look up in VRF 2 ─ ports 3 and 4 in VRF 2
 *                          ─ 10.0.0.1, fd00::1: port 1
 *                                                  default route: port 3 or 4, and back into VRF 1 for 10.0.0.2, fd00::2
 */

/**
 * The same objects, routed so that most flows are translated: out of VRF 1 through a pool, or to a backend, on either side. There is a pool for each family
 * that goes out of VRF 1, and a ready backend for each service in it.
 */
export function translating(tables: Tables): Tables {
  const group = (id: number, ...nextHops: number[]) => ({ id, members: nextHops.map((nextHop) => ({ nextHop, weight: 1 })), seed: id })
  const routes = (vrf: number, id: number, ...prefixes: string[]) => prefixes.map((prefix) => ({ vrf, prefix, group: id }))
  return {
    ...tables,
    ports: tables.ports.map((port) => ({ ...port, vrf: port.id < 3 ? 1 : 2, allowedSources: [], gateways: [] })),
    nextHops: [
      ...PORTS.map((port) => ({ id: port, action: { type: 'port', port } as const })),
      { id: 5, action: { type: 'lookup', vrf: 2 } },
      { id: 6, action: { type: 'lookup', vrf: 1 } },
    ],
    groups: [group(1, 1), group(2, 2), group(3, 3, 4), group(5, 5), group(6, 6)],
    labels: [1, 2].map((vrf) => ({ label: LABELS[vrf], action: { type: 'pop-lookup', vrf } as const, sources: 0 })),
    services: withServices(tables.services ?? []),
    natPools: withPools(tables.natPools ?? []),
    routes: [
      ...routes(1, 5, '0.0.0.0/0', '::/0'),
      ...routes(1, 1, '10.0.0.1/32', 'fd00::1/128'),
      ...routes(1, 2, '10.0.0.2/32', 'fd00::2/128'),
      ...routes(2, 3, '0.0.0.0/0', '::/0'),
      ...routes(2, 6, '10.0.0.2/32', 'fd00::2/128'),
    ],
  }
}

/** Ids that nothing drawn has. */
const OWN_ID = 100

function withServices(drawn: readonly ServiceObject[]): ServiceObject[] {
  const usable = drawn.filter(({ vrf, backends }) => vrf !== 1 || backends.some(({ weight, state }) => weight > 0 && state !== 'draining'))
  const places = VIRTUAL_ADDRESSES.flatMap((text) =>
    (['udp', 'tcp'] as const).map((protocol) => ({ protocol, address: IpAddress.parse(text) })),
  )
  const own = places.map(({ protocol, address }, index): ServiceObject => {
    const backends = BACKENDS[address.family].map((text) => ({ address: IpAddress.parse(text), port: BACKEND_PORTS[protocol], weight: 1 }))
    return { id: OWN_ID + index, vrf: 1, protocol, address, port: SERVICE_PORT, backends, seed: index }
  })
  const isMissing = ({ protocol, address }: ServiceObject): boolean =>
    !usable.some((one) => one.vrf === 1 && one.protocol === protocol && one.address.equals(address))
  return [...usable, ...own.filter(isMissing)]
}

function withPools(drawn: readonly NatPoolObject[]): NatPoolObject[] {
  const own = POOL_ADDRESSES.map((text, index) => ({
    id: OWN_ID + index,
    vrf: 1,
    outside: 2,
    address: IpAddress.parse(text),
    ports: { first: 9, last: 10 },
  }))
  const isMissing = ({ address }: NatPoolObject): boolean =>
    !drawn.some(({ vrf, outside, address: { family } }) => vrf === 1 && outside === 2 && family === address.family)
  return [...drawn, ...own.filter(isMissing)]
}

const ADDRESSES = {
  4: { near: ['10.0.0.1', '10.0.0.2'], far: ['10.1.0.1', '10.0.0.3'] },
  6: { near: ['fd00::1', 'fd00::2'], far: ['fd00:0:0:1::1', 'fd00::3'] },
} as const

/** Draws packets of few flows, there and back, and errors about them, as they may be on either side of a translation; for tables of `translating`. */
export function arbitraryTranslated(around: Surroundings, count: number): fc.Arbitrary<readonly PacketInput[]> {
  return fc.array(arbitraryFlow(), { minLength: 1, maxLength: 3 }).chain((flows) => {
    const flow = fc.oneof({ weight: 7, arbitrary: fc.constantFrom(...flows) }, { weight: 1, arbitrary: arbitraryFlow() })
    const input = flow.chain(arbitraryOfFlow).chain(({ from, packet }) => arbitraryWay(around, from).map((into) => into(packet)))
    return fc.array(input, { minLength: count, maxLength: count })
  })
}

/** Draws where a packet enters, at a port or through a tunnel: mostly in the VRF that has its source. */
function arbitraryWay({ underlays, encapsulations }: Surroundings, source: string): fc.Arbitrary<(packet: Uint8Array) => PacketInput> {
  const isNear = Object.values(ADDRESSES).some(({ near }) => near.some((address) => address === source))
  const into = (vrf: 1 | 2): fc.Arbitrary<(packet: Uint8Array) => PacketInput> => {
    const ways = [2 * vrf - 1, 2 * vrf].map((port) => (packet: Uint8Array): PacketInput => ({ from: 'port', port, packet }))
    if (!encapsulations.includes('mpls-udp')) return fc.constantFrom(...ways)
    const common = { from: 'underlay', encapsulation: 'mpls-udp', source: underlays[0].peers[0] } as const
    return fc.constantFrom(...ways, (packet) => ({ ...common, packet: labelled([{ label: LABELS[vrf] }], packet) }))
  }
  return fc.oneof({ weight: 4, arbitrary: into(isNear ? 1 : 2) }, { weight: 1, arbitrary: into(isNear ? 2 : 1) })
}

/** Both ends of a packet; for an echo the source port is its identifier. */
type Ends = Required<Pick<TestPacket, 'sourcePort' | 'destinationPort'>> & { readonly source: string; readonly destination: string }
/** A packet, and its source. */
interface Sent {
  readonly from: string
  readonly packet: Uint8Array
}
interface Kind {
  readonly kind: 'udp' | 'tcp' | 'echo'
  /** Whether its IPv6 packets may have extension headers. */
  readonly isExtended: boolean
}
/** A flow, by the ends of its first packet. */
type Flow = Ends & Kind

function arbitraryFlow(): fc.Arbitrary<Flow> {
  return fc.constantFrom(4 as const, 6 as const).chain((family) => {
    const { near, far } = ADDRESSES[family]
    const [virtual, pool] = virtualOf(family)
    return fc.record({
      kind: fc.constantFrom('udp' as const, 'udp' as const, 'tcp' as const, 'tcp' as const, 'echo' as const),
      source: fc.constantFrom(...near, ...near, ...near, ...far),
      destination: fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(...far) },
        { weight: 5, arbitrary: fc.constant(virtual) },
        { weight: 2, arbitrary: fc.constantFrom(...near, pool) },
      ),
      // Mostly one that a pool keeps.
      sourcePort: fc.constantFrom(9, 9, 9, 10, 40_000, SERVICE_PORT),
      destinationPort: fc.constantFrom(9, 10, SERVICE_PORT, SERVICE_PORT, SERVICE_PORT, SERVICE_PORT),
      isExtended: fc.boolean(),
    })
  })
}

/** Draws a packet of `flow`, of what may be a reply, or an error about one of them. */
function arbitraryOfFlow(flow: Flow): fc.Arbitrary<Sent> {
  const back = arbitraryBack(flow)
  const either = fc.oneof(fc.constant<Ends>(flow), back)
  return fc.oneof(
    { weight: 3, arbitrary: arbitraryMessage(flow, flow, 'request') },
    { weight: 5, arbitrary: back.chain((ends) => arbitraryMessage(flow, ends, 'reply')) },
    { weight: 4, arbitrary: either.chain((ends) => arbitraryError(flow, ends)) },
  )
}

/** Draws the ends of a reply: from where the flow went, or from a backend, to where it came from, or to an address that hides it. */
function arbitraryBack({ kind, source, destination, sourcePort, destinationPort }: Flow): fc.Arbitrary<Ends> {
  const family = source.includes(':') ? 6 : 4
  const isServed = VIRTUAL_ADDRESSES.includes(destination) && kind !== 'echo'
  const from = isServed
    ? fc
        .constantFrom(...BACKENDS[family])
        .map((backend): Pick<Ends, 'source' | 'sourcePort'> => ({ source: backend, sourcePort: BACKEND_PORTS[kind] }))
    : fc.constant({ source: destination, sourcePort: destinationPort })
  const [virtual, pool] = virtualOf(family)
  const hidden = fc.record({
    destination: fc.constantFrom(pool, pool, pool, virtual),
    destinationPort: fc.constantFrom(...POOL_PORTS.flatMap((port) => [port, sourcePort])),
  })
  const shown = fc.constant({ destination: source, destinationPort: sourcePort })
  const to = fc.oneof({ weight: isServed ? 3 : 1, arbitrary: shown }, { weight: isServed ? 1 : 3, arbitrary: hidden })
  return fc.tuple(from, to).map(([one, other]) => ({ ...one, ...other, ...(kind === 'echo' && { sourcePort: other.destinationPort }) }))
}

/** Draws a message; of a flow that has extension headers mostly behind some. */
function arbitraryMessage(flow: Kind, ends: Ends, way: 'request' | 'reply'): fc.Arbitrary<Sent> {
  const plain = arbitraryPlain(flow.kind, ends, way)
  if (!flow.isExtended || !ends.source.includes(':')) return plain
  const extended = fc
    .tuple(plain, arbitraryExtensions())
    .map(([{ from, packet }, extensions]) => ({ from, packet: withExtensions(packet, extensions) }))
  return fc.oneof({ weight: 1, arbitrary: plain }, { weight: 2, arbitrary: extended })
}

function arbitraryPlain(kind: Flow['kind'], ends: Ends, way: 'request' | 'reply'): fc.Arbitrary<Sent> {
  const from = ends.source
  if (kind === 'udp') return fc.constant({ from, packet: testPacket(ends) })
  if (kind === 'tcp') return fc.constantFrom(2, 18, 16).map((flags) => ({ from, packet: testSegment({ ...ends, flags }) }))
  const [request, reply] = ends.source.includes(':') ? [128, 129] : [8, 0]
  const type = way === 'request' ? request : reply
  return fc.constant({ from, packet: testIcmp({ ...ends, type, rest: ends.sourcePort * 65_536 + 1 }) })
}

/** Draws an error about what went the other way, from its destination or from a router before that, on either side, now and then to somebody else than its source. */
function arbitraryError(flow: Kind, { source, destination, sourcePort, destinationPort }: Ends): fc.Arbitrary<Sent> {
  const family = source.includes(':') ? 6 : 4
  const { near, far } = ADDRESSES[family]
  const ports = flow.kind === 'echo' ? { sourcePort, destinationPort } : { sourcePort: destinationPort, destinationPort: sourcePort }
  return fc
    .record({
      from: fc.constantFrom(source, source, source, source, near[1], far[1]),
      to: fc.oneof({ weight: 8, arbitrary: fc.constant(destination) }, { weight: 1, arbitrary: fc.constantFrom(...near, ...far) }),
      type: fc.constantFrom(...(family === 4 ? [3, 11] : [1, 3])),
      about: arbitraryMessage(flow, { source: destination, destination: source, ...ports }, 'request'),
    })
    .map(({ from, to, type, about }) => ({ from, packet: testIcmp({ source: from, destination: to, type, body: about.packet }) }))
}

function virtualOf(family: 4 | 6): string[] {
  return [...VIRTUAL_ADDRESSES, ...POOL_ADDRESSES].filter((address) => address.includes(':') === (family === 6))
}
