import fc from 'fast-check'
import type { Tables } from '../tables.js'
import { labelled, testPacket, testSegment, type TestPacket } from '../packets.js'
import { testIcmp } from '../packets-of-flows.js'
import type { PacketInput } from './packets.js'
import { POOL_ADDRESSES } from './pools.js'
import { SERVICE_PORT, VIRTUAL_ADDRESSES } from './services.js'
import { LABELS, PORTS, type Surroundings } from './tables.js'

/*
 *   ports 1 and 2 in VRF 1 ─ default route: look up in VRF 2 ─ ports 3 and 4 in VRF 2
 *                          ─ 10.0.0.1, fd00::1: port 1
 *                                                  default route: port 3 or 4, and back into VRF 1 for 10.0.0.2, fd00::2
 */

/** The same objects, routed so that most flows are translated: out of VRF 1 through a pool, or to a backend, on either side. */
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
    routes: [
      ...routes(1, 5, '0.0.0.0/0', '::/0'),
      ...routes(1, 1, '10.0.0.1/32', 'fd00::1/128'),
      ...routes(1, 2, '10.0.0.2/32', 'fd00::2/128'),
      ...routes(2, 3, '0.0.0.0/0', '::/0'),
      ...routes(2, 6, '10.0.0.2/32', 'fd00::2/128'),
    ],
  }
}

const ADDRESSES = {
  4: { near: ['10.0.0.1', '10.0.0.2'], far: ['10.1.0.1', '10.0.0.3'] },
  6: { near: ['fd00::1', 'fd00::2'], far: ['fd00:0:0:1::1', 'fd00::3'] },
} as const

/** Draws packets of few flows, most of which belong together; for tables of `translating`. */
export function arbitraryTranslated({ underlays, encapsulations }: Surroundings): fc.Arbitrary<PacketInput> {
  const packet = fc.constantFrom(4 as const, 6 as const).chain((family) => {
    const virtual = [...VIRTUAL_ADDRESSES, ...POOL_ADDRESSES].filter((one) => one.includes(':') === (family === 6))
    const { near, far } = ADDRESSES[family]
    const port = fc.constantFrom(9, 10, 40_000, SERVICE_PORT)
    const ends = fc.record({
      source: fc.constantFrom(...near, ...far),
      destination: fc.constantFrom(...near, ...far, ...virtual, ...virtual),
      sourcePort: port,
      destinationPort: port,
    })
    return ends.chain((flow) =>
      fc.oneof({ weight: 6, arbitrary: arbitraryKind(flow) }, { weight: 1, arbitrary: arbitraryError(flow, virtual) }),
    )
  })
  const ways: fc.Arbitrary<(bytes: Uint8Array) => PacketInput>[] = PORTS.map((port) =>
    fc.constant((bytes: Uint8Array): PacketInput => ({ from: 'port', port, packet: bytes })),
  )
  if (encapsulations.includes('mpls-udp')) {
    const [source] = underlays[0].peers
    const behind =
      (vrf: number) =>
      (bytes: Uint8Array): PacketInput => {
        return { from: 'underlay', encapsulation: 'mpls-udp', source, packet: labelled([{ label: LABELS[vrf] }], bytes) }
      }
    ways.push(fc.constantFrom(behind(1), behind(2)))
  }
  return fc.tuple(fc.oneof(...ways), packet).map(([into, bytes]) => into(bytes))
}

type Flow = Required<Pick<TestPacket, 'source' | 'destination' | 'sourcePort' | 'destinationPort'>>

function arbitraryKind(flow: Flow): fc.Arbitrary<Uint8Array> {
  const isV4 = !String(flow.source).includes(':')
  const echo = fc
    .record({ type: fc.constantFrom(...(isV4 ? [8, 0] : [128, 129])), rest: fc.constantFrom(0x1_0001, 0x2_0001, 0x9_0001) })
    .map((message) => testIcmp({ ...flow, ...message }))
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(testPacket(flow)) },
    { weight: 3, arbitrary: fc.constantFrom(2, 18, 16).map((flags) => testSegment({ ...flow, flags })) },
    { weight: 2, arbitrary: echo },
  )
}

/** An error about a packet that may have gone the other way, as it was on either side of a translation. */
function arbitraryError({ source, destination, ...ports }: Flow, virtual: readonly string[]): fc.Arbitrary<Uint8Array> {
  const isV4 = !String(source).includes(':')
  return fc
    .record({
      quotedSource: fc.constantFrom(destination, ...virtual),
      type: fc.constantFrom(...(isV4 ? [3, 11] : [1, 3])),
      isTcp: fc.boolean(),
    })
    .map(({ quotedSource, type, isTcp }) => {
      const back = { source: quotedSource, destination: source, sourcePort: ports.destinationPort, destinationPort: ports.sourcePort }
      return testIcmp({ source, destination: quotedSource, type, body: isTcp ? testSegment(back) : testPacket(back) })
    })
}
