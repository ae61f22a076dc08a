import { dropsOf, type PortObject, type RateLimits } from '@heddle/core'
import { only, testPacket, testSegment } from '@heddle/dataplane-conformance'
import { ManualClock } from '@heddle/io/testing'
import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { explain, ForwardingEngine, HEADROOM, PacketOut, RateMemory, SEND } from '../index.js'
import { Packet } from '../packet.js'
import { parseInner, PARSED } from '../parse.js'
import { CellRate } from './cell-rate.js'
import { segmentedOctets } from './octets.js'
import { RateMeter } from './port-rates.js'

const seed = Number(process.env['HEDDLE_SEED'] ?? Date.now() % 0x7fff_ffff)

it(`lets pass what the formula says, whatever the rate, but for a nanosecond that a packet is rounded by (seed ${seed})`, () => {
  const limit = fc.record({
    bitsPerSecond: fc.oneof(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1e6, max: 1e12 }), fc.constantFrom(1, 1e15)),
    burstOctets: fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.constant(536_870_911)),
  })
  const packets = fc.array(fc.record({ octets: fc.integer({ min: 20, max: 70_000 }), gap: fc.oneof(fc.nat(1000), fc.nat(1e9)) }), {
    minLength: 50,
    maxLength: 50,
  })
  fc.assert(
    fc.property(limit, packets, ({ bitsPerSecond, burstOctets }, sent) => {
      const meter = new RateMeter({ bitsPerSecond, burstOctets }, new CellRate())
      // In nanoseconds times the rate, in which nothing is rounded.
      const rate = BigInt(bitsPerSecond)
      const timeOf = (octets: number): bigint => BigInt(octets) * 8_000_000_000n
      let [now, due, passed] = [10n ** 15n, 0n, 0n]
      for (const { octets, gap } of sent) {
        now += BigInt(gap)
        const limitAt = now * rate + timeOf(burstOctets)
        if (meter.take(now, octets)) {
          expect(due).toBeLessThan(limitAt + rate)
          due = (due > now * rate ? due : now * rate) + timeOf(octets)
          passed++
        } else expect(due + passed * rate).toBeGreaterThanOrEqual(limitAt)
      }
    }),
    { seed, numRuns: 300 },
  )
})

describe('octets of a train', () => {
  const ends = { source: '10.0.0.1', destination: '10.1.0.1' }
  const six = { source: 'fd00::1', destination: 'fd01::1' }
  /** The extension header of options (RFC 8200 §4.3), before what was the payload. */
  const extended = (packet: Uint8Array): Uint8Array => {
    const bytes = Uint8Array.of(...packet.subarray(0, 40), packet[6], 0, 1, 4, 0, 0, 0, 0, ...packet.subarray(40))
    bytes[6] = 0
    bytes[5] += 8
    return bytes
  }
  it.each<[string, Uint8Array, number, number]>([
    ['a packet that is whole', testPacket({ ...ends, size: 1000 }), 1028, 1028],
    ['two datagrams', testPacket({ ...ends, size: 1000 }), 28 + 500, 1028 + 28],
    ['two datagrams and a short one', testPacket({ ...ends, size: 1001 }), 28 + 500, 1029 + 2 * 28],
    ['TCP with options', testSegment({ ...ends, flags: 16, options: [2, 4, 5, 180], size: 100 }), 44 + 25, 144 + 3 * 44],
    ['IPv6', testSegment({ ...six, flags: 16, options: [], size: 100 }), 60 + 50, 160 + 60],
    ['IPv6 with extension headers', extended(testSegment({ ...six, flags: 16, options: [], size: 100 })), 68 + 50, 168 + 68],
    ['what no offload cuts', testPacket({ ...ends, size: 100 }).with(9, 47), 60, 128],
    ['a segment without payload', testPacket({ ...ends, size: 100 }), 28, 128],
  ])('%s', (name, bytes, segment, octets) => {
    const packet = new Packet()
    packet.at(bytes, 0, bytes.length, segment)
    if (name !== 'what no offload cuts') expect(parseInner(packet)).toBe(PARSED)
    expect(segmentedOctets(packet)).toBe(octets)
  })
})

describe('an engine', () => {
  const LIMITS = { vrfs: 4, ports: 4, nextHops: 4, groups: 4, groupMembers: 2, labels: 4, vnis: 1, routes: 4, labelStackDepth: 2 }
  const [local, remote] = ['192.0.2.1', '192.0.2.2'].map((text) => IpAddress.parse(text))
  const slow = { bitsPerSecond: 8000, burstOctets: 1000 }

  const portWith = (rateLimits?: RateLimits): PortObject => ({
    id: 1,
    kind: 'endpoint',
    vrf: 1,
    allowedSources: [],
    gateways: [],
    mtu: 1400,
    ...(rateLimits && { rateLimits }),
  })
  const set = <T>(...objects: T[]): { readonly set: T[]; readonly remove: number[] } => ({ set: objects, remove: [] })

  function engineWith(rateLimits: RateLimits, clock: ManualClock | undefined, rateMemory?: ArrayBufferLike): ForwardingEngine {
    const engine = new ForwardingEngine({ limits: LIMITS, ...(clock && { clock }), ...(rateMemory && { rateMemory }) })
    const tunnel = {
      type: 'tunnel',
      encapsulation: 'mpls-udp',
      local,
      remote,
      labels: [99],
      ttlModel: 'pipe',
      trafficClassModel: 'pipe',
    } as const
    const { routes } = only(1, {})
    routes.push(1, IpPrefix.parse('10.1.0.0/16'), 1)
    const report = engine.apply(
      only(1, {
        vrfs: set({ id: 1, name: 'red' }),
        ports: set(portWith(rateLimits)),
        nextHops: set({ id: 1, action: tunnel }),
        groups: set({ id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 1 }),
        routes,
      }),
    )
    expect(report.failures).toEqual([])
    return engine
  }

  const packetOf = (octets: number): Uint8Array => testPacket({ source: '10.0.0.1', destination: '10.1.0.1', size: octets - 28 })

  function passes(engine: ForwardingEngine, octets: number, segment = octets): boolean {
    const bytes = Uint8Array.of(...new Uint8Array(HEADROOM), ...packetOf(octets))
    return engine.fromPort(1, bytes, HEADROOM, octets, new PacketOut(), segment) === SEND
  }

  it('counts a train as what its packets have, and lets it pass or drops it whole', () => {
    const clock = new ManualClock(1000)
    const engine = engineWith({ egress: slow }, clock)
    // Ten datagrams of 528 octets.
    expect(passes(engine, 5028, 528)).toBe(true)
    clock.advance(4279)
    expect(passes(engine, 528)).toBe(false)
    clock.advance(2)
    expect(passes(engine, 5028, 528)).toBe(true)
    expect(passes(engine, 5028, 528)).toBe(false)
    expect(dropsOf(engine.counters(), 'egress-rate')).toBe(2)
  })

  it('explains without counting, and tells which limit drops', () => {
    const clock = new ManualClock(1000)
    const engine = engineWith({ egress: slow }, clock)
    const input = { from: 'port', port: 1, packet: packetOf(1200) } as const
    for (let times = 0; times < 3; times++) expect(engine.explain(input).outcome.type).toBe('send')
    expect(passes(engine, 1200)).toBe(true)
    const { steps, outcome } = engine.explain(input)
    expect(outcome).toEqual({ type: 'drop', reason: 'egress-rate' })
    expect(steps.at(-1)).toEqual({ step: 'port', text: 'endpoint port 1 sends more than 8000 bit/s with bursts of 1000 octets' })
    clock.advance(201)
    expect(engine.explain(input).outcome.type).toBe('send')
    const told = explain({ ...engine.state(), devices: [] }, input, {
      capabilities: { limits: LIMITS, encapsulations: ['mpls-udp'], features: ['rate-limit'] },
    })
    expect(told.outcome.type).toBe('send')
  })

  it('shares with engines of the same memory what passed, and begins another limit anew once', () => {
    const clock = new ManualClock(1000)
    const memory = new SharedArrayBuffer(RateMemory.octets(LIMITS.ports))
    const judge = engineWith({ egress: slow }, clock, memory)
    const lanes = [1, 2].map(() => engineWith({ egress: slow }, clock, memory))
    expect(passes(lanes[0], 600)).toBe(true)
    expect(passes(lanes[1], 600)).toBe(true)
    expect(lanes.map((lane) => passes(lane, 100))).toEqual([false, false])
    // As threads are told: each lane programs, and the one that judges commits.
    const change = (rateLimits: RateLimits): void => {
      for (const lane of lanes) lane.program(only(2, { ports: set(portWith(rateLimits)) }))
      judge.commit(only(2, { ports: set(portWith(rateLimits)) }))
    }
    change({ egress: slow })
    expect(passes(lanes[0], 100)).toBe(false)
    change({ egress: { ...slow, burstOctets: 500 } })
    expect(passes(lanes[1], 600)).toBe(true)
    expect(passes(lanes[0], 600)).toBe(false)
  })

  it('goes on in another memory with what was saved, and forgets a port that is gone', () => {
    const clock = new ManualClock(1000)
    const memory = (): SharedArrayBuffer => new SharedArrayBuffer(RateMemory.octets(LIMITS.ports))
    const [first, second] = [memory(), memory()]
    const rates = new RateMemory(first)
    expect(passes(engineWith({ egress: slow }, clock, first), 1200)).toBe(true)
    expect(rates.save()).toEqual([[1, '2200000000', '0']])
    const successor = engineWith({ egress: slow }, clock, second)
    new RateMemory(second).load(rates.save())
    expect(passes(successor, 100)).toBe(false)
    clock.advance(201)
    expect(passes(successor, 100)).toBe(true)
    rates.forget(1)
    expect(rates.save()).toEqual([])
    expect(rates.of(1).egress.time).toBe(0n)
  })

  it('lets everything pass without a clock: its tables are judged, not forwarded by', () => {
    const engine = engineWith({ egress: { bitsPerSecond: 1, burstOctets: 1 } }, undefined)
    expect([1, 2, 3].map(() => passes(engine, 500))).toEqual([true, true, true])
  })
})
