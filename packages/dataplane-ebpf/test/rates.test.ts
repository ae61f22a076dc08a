import { DROP_REASONS, RouteBatch, type FibTransaction, type PortObject, type RateLimits } from '@heddle/core'
import { labelled, testPacket, testSegment } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK, LOCAL_KEY } from '../src/layout/structs/objects.js'
import { RATE, RATE_KEY } from '../src/layout/structs/rate.js'
import type { NativeObject } from '../src/native/binding.js'
import { call } from '../src/native/call.js'
import { KernelMaps } from '../src/tables/kernel-maps.js'
import { wordBytes } from '../src/layout/word.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import { mapSizes } from '../src/tables/map-sizes.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { bytesOf } from './support/twins.js'

const PORT = 1
const [INGRESS, EGRESS] = [0, 1]
const ATTEMPTS = 100
/** Nanoseconds of an octet at one bit a second. */
const OCTET = 8_000_000_000n
const ENDS = { 4: ['10.1.0.1', '10.2.0.1'], 6: ['fd01::1', 'fd02::1'] } as const
const LABEL = 1001

const port = (rateLimits?: RateLimits, id = PORT): PortObject => ({
  id,
  kind: 'endpoint',
  vrf: 1,
  allowedSources: [],
  gateways: [],
  mtu: 1400,
  ...(rateLimits && { rateLimits }),
})
const ports = (generation: number, ...set: readonly PortObject[]): FibTransaction => ({
  ...emptyTransaction(generation),
  ports: { set, remove: [] },
})

const localKey = (family: 4 | 6): Uint8Array => new View(LOCAL_KEY).set('family', family).setAddress('address', LOCAL[family]).bytes

/** What a limit remembers. */
function timeOf(maps: KernelMaps, direction: number, id = PORT): bigint | undefined {
  const value = maps.get('rates', new View(RATE_KEY).set('port', id).set('direction', direction).bytes)
  return value && new DataView(value.buffer, value.byteOffset).getBigUint64(RATE.offsetOf('time'), true)
}

describe.skipIf(missing() !== '')(titled('rate limits in the programs'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter

  beforeAll(async () => {
    namespace = new RouterNamespace('rates')
    router = await namespace.open({ fibBlocks: 1024, routes: 64, flows: 1024 })
    const routes = new RouteBatch()
    for (const family of [4, 6] as const) routes.push(1, IpPrefix.of(IpAddress.parse(ENDS[family][1])), 1)
    const tunnel = { type: 'tunnel', encapsulation: 'mpls-udp', local: LOCAL[4], remote: PEERS[4][0], labels: [16] } as const
    const wide = { bitsPerSecond: 1, burstOctets: 536_870_911 }
    const report = await router.apply({
      ...ports(1, port({ egress: wide, ingress: wide })),
      vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
      nextHops: { set: [{ id: 1, action: { ...tunnel, ttlModel: 'pipe', trafficClassModel: 'pipe' } }], remove: [] },
      groups: { set: [{ id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 1 }], remove: [] },
      tunnelSources: { set: [{ id: 1, prefixes: [PEERS[4][0], PEERS[6][0]].map((peer) => IpPrefix.of(peer)) }], remove: [] },
      labels: { set: [{ label: LABEL, action: { type: 'pop-forward', port: PORT }, sources: 1 }], remove: [] },
      routes,
    })
    expect(report).toMatchObject({ status: 'applied', failures: [] })
    router.parts.maps.set('links', PORT, new View(LINK).set('ifindex', 1).bytes)
    router.parts.maps.set('devices', 1, wordBytes(PORT))
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  interface Train {
    readonly direction: number
    readonly family: 4 | 6
    readonly isTcp: boolean
    readonly options: readonly number[]
    readonly payload: number
    readonly segments: number
  }
  const train: fc.Arbitrary<Train> = fc
    .record({
      direction: fc.constantFrom(INGRESS, EGRESS),
      family: fc.constantFrom(4 as const, 6 as const),
      isTcp: fc.boolean(),
      options: fc.constantFrom([], [1, 1, 1, 1], [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
      payload: fc.integer({ min: 1, max: 1300 }),
      segments: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1300 })),
    })
    .filter((one) => one.direction === INGRESS || isOfStack(one))

  /** Whether it is cut no finer than stacks cut. */
  function isOfStack({ isTcp, payload, segments }: Train): boolean {
    if (segments === 0 || payload <= segments) return true
    return isTcp ? segments >= 8 : payload <= segments * 128
  }

  function frameOf({ direction, family, isTcp, options, payload }: Train): Uint8Array {
    const [near, far] = ENDS[family]
    const [source, destination] = direction === EGRESS ? [near, far] : [far, near]
    const inner = isTcp
      ? testSegment({ source, destination, size: payload, options, flags: 0x10 })
      : testPacket({ source, destination, size: payload })
    const outer = {
      from: 'underlay',
      encapsulation: 'mpls-udp',
      source: PEERS[family][0],
      packet: labelled([{ label: LABEL }], inner),
    } as const
    const packet = direction === EGRESS ? inner : bytesOf(outer)
    return Uint8Array.of(...new Uint8Array(12), ...(packet[0] >> 4 === 4 ? [0x08, 0x00] : [0x86, 0xdd]), ...packet)
  }

  /** Octets of the packets that it stands for, one by one. */
  function octetsOf({ family, isTcp, options, payload, segments }: Train): number {
    const headers = (family === 4 ? 20 : 40) + (isTcp ? 20 + options.length : 8)
    let octets = 0
    for (let left = payload; left > 0; left -= segments || payload) octets += headers + Math.min(left, segments || payload)
    return octets
  }

  /** What a train from the port is dropped for, and octets that its limit counts meanwhile. */
  function sent(frame: Uint8Array, segments: number): { readonly reasons: readonly string[]; readonly octets: number } {
    const { maps } = router.parts
    const drops = (): number[] => DROP_REASONS.map((_, slot) => maps.sums(maps.get('drops', slot) ?? new Uint8Array(0), 1)[0])
    const [before, time] = [drops(), timeOf(maps, EGRESS) as bigint]
    router.run('egress', frame, segments)
    const after = drops()
    const octets = Number(((timeOf(maps, EGRESS) as bigint) - time) / OCTET)
    return { reasons: DROP_REASONS.filter((_, slot) => after[slot] !== before[slot]), octets }
  }

  /** Extension headers of IPv6 in front of a packet's payload. @param count more than eight are looked at by nobody */
  function behindHeaders(frame: Uint8Array, count: number): Uint8Array {
    const [at, next] = [54, frame[20]]
    const headers = Array.from({ length: count }, (_, index) => [index + 1 === count ? next : 60, 0, 1, 4, 0, 0, 0, 0])
    const copy = Uint8Array.of(...frame.subarray(0, at), ...headers.flat(), ...frame.subarray(at))
    if (count > 0) copy[20] = 60
    new DataView(copy.buffer).setUint16(18, copy.length - at)
    return copy
  }

  // They were charged by what their headers said, and sent whole, or charged to whom they were for as millions of octets.
  describe('count nothing of trains that no stack makes, which are dropped', () => {
    const NOTHING = { reasons: ['inner-malformed'], octets: 0 }
    const common = { direction: EGRESS, options: [], segments: 0 } as const
    /** Whether the flow is known or not. */
    const refused = (frame: Uint8Array, segments: number, plain = frame): void => {
      router.parts.maps.forgetDecisions()
      expect(sent(frame, segments)).toEqual(NOTHING)
      for (let times = 0; times < 3; times++) {
        router.run('egress', plain)
        expect(sent(frame, segments)).toEqual(NOTHING)
      }
    }

    it.each([4, 6] as const)('of IPv%i: longer than the packet', (family) => {
      for (const isTcp of [true, false]) {
        const short = frameOf({ ...common, family, isTcp, payload: 8 })
        expect(sent(short, 0).reasons).toEqual([])
        for (const more of [1, 1292, 2500]) {
          const frame = new Uint8Array(short.length + more)
          frame.set(short)
          refused(frame, 1292, short)
          // Of a single packet it is padding.
          if (more === 1) expect(sent(frame, 0).reasons).toEqual([])
        }
      }
    })

    it.each([4, 6] as const)('of IPv%i: cut finer than stacks cut', (family) => {
      for (const isTcp of [true, false]) {
        const [payload, least] = [1280, isTcp ? 8 : 10]
        const frame = frameOf({ ...common, family, isTcp, payload })
        for (const segments of [1, least - 1]) refused(frame, segments)
        const { reasons, octets } = sent(frame, least)
        expect(reasons).not.toContain('inner-malformed')
        expect(octets).toBe(octetsOf({ ...common, family, isTcp, payload, segments: least }))
      }
      // One packet is cut by nobody.
      for (const isTcp of [true, false]) expect(sent(frameOf({ ...common, family, isTcp, payload: 1 }), 1).octets).toBeGreaterThan(0)
    })

    it('of IPv6: behind extension headers', () => {
      for (const isTcp of [true, false]) {
        const [payload, least] = [1024, 8]
        const frame = frameOf({ ...common, family: 6, isTcp, payload })
        for (const count of [1, 3]) {
          refused(behindHeaders(frame, count), least - 1)
          expect(sent(behindHeaders(frame, count), least).octets).toBeGreaterThan(payload)
        }
        refused(behindHeaders(frame, 9), 1000)
        expect(sent(behindHeaders(frame, 9), 0)).toMatchObject({ reasons: [] })
      }
    })

    // Each piece has them: one frame stood for ten million octets, which the rate of whom it was for was charged with.
    it('of IPv6: behind long extension headers that every piece has', () => {
      const long = (isTcp: boolean, units: number): Uint8Array => {
        const frame = frameOf({ ...common, family: 6, isTcp, payload: 1016 })
        const header = Uint8Array.of(frame[20], units, 1, 4, ...new Uint8Array(4 + units * 8))
        const copy = Uint8Array.of(...frame.subarray(0, 54), ...header, ...frame.subarray(54))
        copy[20] = 60
        new DataView(copy.buffer).setUint16(18, copy.length - 54)
        return copy
      }
      for (const isTcp of [true, false]) {
        refused(long(isTcp, 160), 8)
        expect(sent(long(isTcp, 20), 100).octets).toBeGreaterThan(1016)
      }
    })

    it.each([4, 6] as const)('of IPv%i: but as finely as stacks cut, with all headers that they have, it may be', (family) => {
      const options = Array.from({ length: 40 }, () => 1)
      for (const one of [
        { ...common, family, isTcp: true, options, payload: 1280, segments: 8 },
        { ...common, family, isTcp: false, payload: 128, segments: 1 },
      ])
        expect(sent(frameOf(one), one.segments).octets).toBe(octetsOf(one))
    })

    it.each([
      ['another protocol', 47],
      ['SCTP', 132],
    ])('of IPv4: of %s', (_, protocol) => {
      const frame = frameOf({ ...common, family: 4, isTcp: false, payload: 1280 })
      frame[14 + 9] = protocol
      frame.set([0, 0], 14 + 10)
      const view = new DataView(frame.buffer, 14, 20)
      let sum = 0
      for (let at = 0; at < 20; at += 2) sum += view.getUint16(at)
      view.setUint16(10, 0xffff - ((sum & 0xffff) + (sum >>> 16)))
      refused(frame, 9)
      expect(sent(frame, 10).octets).toBeGreaterThan(1280)
    })
  })

  it('count the octets of every packet that a train stands for, and those of flows that are known', () => {
    const { maps } = router.parts
    const counts = { known: 0, trains: 0 }
    /** Octets that a limit counts while a frame goes in. */
    const counted = (direction: number, frame: Uint8Array, segments: number): number => {
      const before = timeOf(maps, direction) as bigint
      router.run(direction === EGRESS ? 'egress' : 'ingress', frame, segments)
      return Number(((timeOf(maps, direction) as bigint) - before) / OCTET)
    }
    /** Likewise, where there is nothing but what a CPU remembers of the flow. */
    const countedByMemory = (one: Train, frame: Uint8Array): number => {
      // Without the device of the port, or the router's own addresses.
      const [map, key] = one.direction === EGRESS ? (['devices', wordBytes(1)] as const) : (['locals', localKey(one.family)] as const)
      const value = maps.object.lookup(map, key) as Uint8Array
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        maps.object.remove(map, key)
        const octets = counted(one.direction, frame, one.segments)
        maps.object.update(map, key, value)
        if (octets > 0) return octets
        // This thread may have come to another CPU, which has yet to see the flow.
        counted(one.direction, frame, 0)
      }
      throw new TypeError('no CPU counts what it remembers')
    }
    // Behind these the times are ahead of the clock, and move by what counts alone.
    for (const direction of [INGRESS, EGRESS])
      counted(direction, frameOf({ direction, family: 4, isTcp: false, options: [], payload: 1000, segments: 0 }), 0)
    fc.assert(
      fc.property(train, (one) => {
        const frame = frameOf(one)
        maps.forgetDecisions()
        expect(counted(one.direction, frame, one.segments)).toBe(octetsOf(one))
        expect(counted(one.direction, frame, 0)).toBe(octetsOf({ ...one, segments: 0 }))
        expect(countedByMemory(one, frame)).toBe(octetsOf(one))
        counts.known++
        if (octetsOf(one) > frame.length) counts.trains++
      }),
      { numRuns: 200 },
    )
    process.stdout.write(`${counts.known} packets of known flows, ${counts.trains} trains\n`)
    expect(counts.trains).toBeGreaterThan(0)
  })
})

describe.skipIf(missing() !== '')(titled('rate limits in the maps'), () => {
  let object: NativeObject
  beforeAll(() => {
    object = call((native) => native.objectLoad(readBpfObject(), mapSizes({ fibBlocks: 1024, routes: 16, flows: 1024, ports: 4 })))
  })
  afterAll(() => object?.close())

  it('are told as they were set, and go on, also behind a restart, until they are others or gone', () => {
    const maps = new KernelMaps(object)
    const slow = { bitsPerSecond: 1000, burstOctets: 2000 }
    const most = { bitsPerSecond: 1e15, burstOctets: 536_870_911 }
    let tables = new KernelTables(maps)
    let generation = 0
    const set = (limits?: RateLimits, id?: number): void => {
      const wanted = port(limits, id)
      expect(tables.program(ports(++generation, wanted))).toEqual([])
      expect(tables.dump().ports.find((found) => found.id === wanted.id)).toEqual(wanted)
    }
    /** As if packets had passed. */
    const pass = (direction: number, time: number): void => {
      const key = new View(RATE_KEY).set('port', PORT).set('direction', direction).bytes
      maps.set('rates', key, new View(RATE, maps.get('rates', key)).setLarge('time', time).bytes)
    }
    const times = (): readonly (bigint | undefined)[] => [timeOf(maps, INGRESS), timeOf(maps, EGRESS)]

    set({ egress: slow, ingress: most })
    pass(INGRESS, 7)
    pass(EGRESS, 9)
    set({ egress: { ...slow }, ingress: { ...most } })
    expect(times()).toEqual([7n, 9n])
    tables = new KernelTables(maps)
    set({ egress: slow, ingress: most })
    expect(times()).toEqual([7n, 9n])
    set({ egress: slow, ingress: { ...most, burstOctets: 1 } })
    expect(times()).toEqual([0n, 9n])
    set({ egress: slow })
    expect(times()).toEqual([undefined, 9n])
    set({})
    expect(times()).toEqual([undefined, undefined])
    set({ egress: slow, ingress: slow })
    set()
    expect(times()).toEqual([undefined, undefined])
    // Room for both of every port, and none is left behind.
    for (const id of [1, 2, 3, 4]) set({ egress: slow, ingress: slow }, id)
    expect(tables.program({ ...emptyTransaction(++generation), ports: { set: [], remove: [1, 2, 3, 4] } })).toEqual([])
    expect([...maps.entries('rates')]).toEqual([])
  })
})
