import { arbitraryPacket, arbitraryTables, only, stateOf, testPacket, testSegment, type Tables } from '@heddle/dataplane-conformance'
import { DATAPLANE_FEATURES, ENCAPSULATIONS, type DataplaneLimits, type DataplaneState } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { FastPath } from '../src/fast-path.js'
import { ForwardingEngine, HEADROOM, PacketOut } from '../src/index.js'

const LIMITS: DataplaneLimits = {
  vrfs: 8,
  ports: 8,
  nextHops: 16,
  groups: 16,
  groupMembers: 8,
  labels: 16,
  vnis: 4,
  routes: 64,
  labelStackDepth: 16,
}
const [LOCAL, ...PEERS] = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map((text) => IpAddress.parse(text))
const [LOCAL6, ...PEERS6] = ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8::4'].map((text) => IpAddress.parse(text))
const around = {
  encapsulations: ENCAPSULATIONS,
  underlays: [
    { local: LOCAL, peers: PEERS },
    { local: LOCAL6, peers: PEERS6 },
  ],
  features: ['ecn', 'mss-clamp', 'fragmentation'] as const,
}
/** No packet fits it, but an engine that has it looks at each: nothing takes the fast path. */
const WATCHED = { id: 1, filter: { vrf: 99 } }

/** What some next hops depend on. */
const WATCH = { id: 1, local: LOCAL, remote: PEERS[0], hops: 'single', desiredMinTx: 300, requiredMinRx: 300, multiplier: 3 } as const

type State = Omit<DataplaneState, 'devices'>

interface Around {
  readonly outer: 'socket' | 'full'
  readonly underlayMtu: number
  /** Whether what is watched is down. */
  readonly isDown: boolean
}

/** An engine with tables, and one that takes every packet through the nine steps. */
function engines(state: State, { outer, underlayMtu, isDown }: Around): readonly [ForwardingEngine, ForwardingEngine] {
  const make = (isWatched: boolean): ForwardingEngine => {
    const options = { limits: LIMITS, outer, underlayMtu, encapsulations: ENCAPSULATIONS.filter((one) => one !== 'mpls') }
    const engine = new ForwardingEngine({ ...options, features: DATAPLANE_FEATURES, observe: () => undefined })
    engine.load(state)
    if (isWatched) engine.program(only(2, { traces: { set: [WATCHED], remove: [] } }))
    if (isDown) engine.setLiveness(WATCH.id, false)
    return engine
  }
  return [make(false), make(true)]
}

/** The same tables with more tunnels, of which some are watched, and a route in each VRF for whatever has no other. */
function withTunnels(tables: Tables): Tables {
  const tunnels = tables.nextHops.filter(({ action }) => action.type === 'tunnel')
  const nextHops = tables.nextHops.map(({ id, action }) => {
    const isReplaced = tunnels.length > 0 && id % 4 > 0
    return { id, action: isReplaced ? tunnels[id % tunnels.length].action : action, ...(id % 3 === 0 && { liveness: WATCH.id }) }
  })
  const routes = tables.vrfs.map(({ id }) => ({ vrf: id, prefix: '0.0.0.0/0', group: id }))
  return { ...tables, nextHops, liveness: [WATCH], routes: [...routes, ...tables.routes.filter(({ prefix }) => prefix !== '0.0.0.0/0')] }
}

/** Of everything that an engine says and writes about a packet. */
function outcomeOf(engine: ForwardingEngine, port: number, packet: Uint8Array, room: number, segment: number): unknown {
  const buffer = new Uint8Array(room + packet.length + 64).fill(0xa5)
  buffer.set(packet, room)
  const out = new PacketOut()
  const verdict = engine.fromPort(port, buffer, room, packet.length, out, segment)
  return { ...Object.fromEntries(Object.entries(out)), verdict, octets: Buffer.from(buffer).toString('hex') }
}

/** What the fast path may take, or may not by a hair. */
const plain = fc
  .record({
    source: fc.constantFrom('10.0.0.1', '10.0.0.2', '192.168.0.1'),
    destination: fc.constantFrom('10.0.0.2', '10.1.0.1', '198.51.100.1'),
    ttl: fc.constantFrom(64, 2, 1),
    trafficClass: fc.nat(255),
    size: fc.oneof(fc.nat(40), fc.integer({ min: 1250, max: 1310 })),
    flags: fc.constantFrom(2, 16),
    options: fc.constantFrom([], [2, 4, 5, 180]),
    isSegment: fc.boolean(),
  })
  .map(({ isSegment, flags, options, ...packet }) => (isSegment ? testSegment({ ...packet, flags, options }) : testPacket(packet)))

test('the fast path decides, writes and counts what the nine steps do', () => {
  const send = vi.spyOn(FastPath.prototype, 'send')
  const input = fc.record({
    port: fc.integer({ min: 0, max: 5 }),
    packet: fc.oneof(
      arbitraryPacket().filter(({ length }) => length > 0),
      plain,
    ),
    room: fc.integer({ min: HEADROOM, max: HEADROOM + 20 }),
    parts: fc.constantFrom(1, 1, 1, 2, 5),
  })
  fc.assert(
    fc.property(
      arbitraryTables(around),
      fc.array(input, { minLength: 20, maxLength: 40 }),
      fc.constantFrom('socket' as const, 'full' as const),
      fc.constantFrom(1330, 1500),
      fc.boolean(),
      (tables, inputs, outer, underlayMtu, isDown) => {
        const [fast, slow] = engines({ ...stateOf(withTunnels(tables)), generation: 1 }, { outer, underlayMtu, isDown })
        for (const { port, packet, room, parts } of inputs) {
          const segment = Math.ceil(packet.length / parts)
          expect(outcomeOf(fast, port, packet, room, segment)).toEqual(outcomeOf(slow, port, packet, room, segment))
        }
        expect(fast.counters()).toEqual(slow.counters())
      },
    ),
    { numRuns: 150 },
  )
  const taken = send.mock.results.filter(({ value }) => value === true).length
  expect(taken).toBeGreaterThan(200)
  send.mockRestore()
})
