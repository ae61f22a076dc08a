import { DROP_REASONS, type NatPoolObject } from '@heddle/core'
import {
  EMPTY,
  labelled,
  partOf,
  testIcmp,
  testPacket,
  testSegment,
  transition,
  type PacketInput,
  type Tables,
} from '@heddle/dataplane-conformance'
import { IpAddress } from '@heddle/wire'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import type { EbpfFeatureName } from '../src/probe.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { AFFINITY, NAT_FLOW } from '../src/layout/structs/service.js'
import { encodePool } from '../src/layout/service.js'
import { natTables } from './support/nat-world.js'
import { missing, titled } from './support/requirements.js'
import { PEERS, RouterNamespace } from './support/router.js'
import { byEngine, byMemory, byProgram, cutToLoopback, newEngine, type Result } from './support/twins.js'

const CLIENT = '10.0.0.1'
const VIRTUAL = '10.96.0.1'
const BACKENDS = ['10.1.0.1', '10.1.0.2', '10.1.0.3'] as const
/** Bit of an entry that is of the direction in which its flow was opened. */
const OPENS = 4
/** Octets of what a tunnel has before the packet; offset of UDP's checksum behind IPv4. */
const [OUTER, UDP_SUM] = [32, 26]

interface Part {
  readonly backends?: readonly string[]
  readonly affinity?: number
}

/** Red with one service. */
function tablesOf({ backends = BACKENDS, affinity }: Part): Tables {
  const service = { id: 1, vrf: 1, address: IpAddress.parse(VIRTUAL), protocol: 'tcp', port: 80, seed: 3 } as const
  const list = backends.map((address) => ({ address: IpAddress.parse(address), port: 8080, weight: 1 }))
  return natTables([{ ...service, backends: list, ...(affinity !== undefined && { affinity }) }], [])
}

const request = (sourcePort: number, flags = 2): PacketInput => ({
  from: 'port',
  port: 1,
  packet: testSegment({ source: CLIENT, destination: VIRTUAL, sourcePort, destinationPort: 80, flags }),
})

// What the kernel knows of a checksum is read in its own packet, or asked for.
for (const without of [[], ['kernel-packet']] as const) {
  const title = ['flows that are translated', ...without].join(', without ')
  describe.skipIf(missing() !== '')(titled(title), () => judge(without))
}

function judge(without: readonly EbpfFeatureName[]): void {
  let namespace: RouterNamespace
  let router: EbpfRouter
  let tables: Tables = EMPTY
  let generation = 0
  beforeAll(() => {
    namespace = new RouterNamespace('nat-flows')
  })
  beforeEach(async () => {
    router = await namespace.open({ flows: 1024, without })
    cutToLoopback(router)
    tables = EMPTY
    generation = 0
  })
  afterEach(() => router.close())
  afterAll(() => namespace?.close())

  async function program(next: Tables): Promise<void> {
    expect(await router.apply(transition(++generation, tables, next))).toMatchObject({ status: 'applied', failures: [] })
    tables = next
    for (const { id } of next.ports) router.parts.maps.set('links', id, new View(LINK).set('ifindex', 1).bytes)
  }
  const sweep = (): unknown => Array.from(router.parts.tables.sweep())
  const flows = (): [Uint8Array, View<'seen' | 'told' | 'lifetime' | 'state' | 'ports'>][] =>
    Array.from(router.parts.maps.entries('nat_flows'), ([key, value]) => [key, new View(NAT_FLOW, value)])
  const isOpening = (state: number): boolean => (state & OPENS) !== 0
  /** Backend that a packet went to, by its place in the list. */
  const backendOf = (input: PacketInput): number => {
    const { packet, verdict } = byProgram(router, input)
    expect(verdict).toBe('send')
    return BACKENDS.findIndex((address) => packet.includes(Buffer.from(IpAddress.parse(address).toBytes()).toString('hex')))
  }

  it('draw the backend that the forwarder in TypeScript draws, of many with any weights', async () => {
    const weights = [1, 2, 3, 5, 7, 11, 0, 100, 0xffffffff, 0x7fffffff]
    const drawn = new Map<string, number>()
    for (const first of [0, 5]) {
      const base = tablesOf({})
      const services = base.services?.map((service) => ({
        ...service,
        seed: 12_345 + first,
        backends: Array.from({ length: 200 }, (_, index) => ({
          address: IpAddress.parse(`10.1.0.${index + 1}`),
          port: 8080 + (index % 3),
          weight: first === 0 ? weights[index % 8] : weights[8 + (index % 2)],
        })),
      }))
      const engine = newEngine()
      const next = { ...base, services: services ?? [] }
      expect(engine.apply(transition(1, EMPTY, next)).status).toBe('applied')
      await program(EMPTY)
      await program(next)
      for (let port = 1; port <= 150; port++) {
        const result = byProgram(router, request(port))
        expect([port, result]).toEqual([port, byEngine(engine, request(port))])
        drawn.set(result.packet.slice(96, 104), 1)
      }
    }
    expect(drawn.size).toBeGreaterThan(60)
  })

  it('are taken away in both directions when they are too old, and a packet of such a flow opens another', async () => {
    await program(tablesOf({}))
    const first = backendOf(request(1))
    expect(new Set(flows().map(([, flow]) => isOpening(flow.get('state'))))).toEqual(new Set([false, true]))
    for (const [key, flow] of flows()) router.parts.maps.set('nat_flows', key, flow.set('lifetime', 0).bytes)
    await program({ ...tablesOf({ backends: BACKENDS.filter((_, index) => index !== first) }) })
    expect(flows()).toEqual([])
    expect(backendOf(request(1))).not.toBe(first)
    for (const [key, flow] of flows()) router.parts.maps.set('nat_flows', key, flow.set('lifetime', 0).bytes)
    backendOf(request(1))
    expect(flows().map(([, flow]) => flow.get('lifetime'))).toEqual([240_000, 240_000])
    for (const [key, flow] of flows()) router.parts.maps.set('nat_flows', key, flow.set('lifetime', 0).bytes)
    sweep()
    expect(flows()).toEqual([])
  })

  // Of a flow that is known the programs write checksums themselves.
  it('keep checksums of UDP as RFC 768 says: zero says that there is none, and what comes to zero is written as all ones', async () => {
    const udp = tablesOf({}).services?.map((service) => ({ ...service, protocol: 'udp' as const })) ?? []
    await program(natTables(udp, []))
    const packet = testPacket({ source: CLIENT, destination: VIRTUAL, sourcePort: 5, destinationPort: 80 })
    const sent = (): number[] =>
      [1, 2, 3].map(() => Buffer.from(byProgram(router, { from: 'port', port: 1, packet }).packet, 'hex').readUInt16BE(OUTER + UDP_SUM))
    const view = new DataView(packet.buffer, packet.byteOffset)
    const added = (...words: readonly number[]): number =>
      words.reduce((sum, word) => ((sum + word) % 0x10000) + Math.floor((sum + word) / 0x10000), 0)
    const [sum, again, last] = sent()
    expect([again, last]).toEqual([sum, sum])
    // What is added to the payload is what the sum lacked.
    const word = view.getUint16(UDP_SUM + 2)
    const next = added(word, sum)
    view.setUint16(UDP_SUM + 2, next)
    view.setUint16(UDP_SUM, 0xffff - added(0xffff - view.getUint16(UDP_SUM), 0xffff - word, next))
    expect(sent()).toEqual([0xffff, 0xffff, 0xffff])
    view.setUint16(UDP_SUM, 0)
    expect(sent()).toEqual([0, 0, 0])
  })

  it('are made whole again when a full table forgot one direction', async () => {
    await program(tablesOf({}))
    const first = backendOf(request(1))
    const [[key]] = flows().filter(([, flow]) => !isOpening(flow.get('state')))
    router.parts.maps.delete('nat_flows', key)
    for (const [opening, flow] of flows()) router.parts.maps.set('nat_flows', opening, flow.setLarge('told', 0).bytes)
    expect(backendOf(request(1))).toBe(first)
    expect(flows().map(([found]) => found.join())).toContain(key.join())
  })

  it('end when a full table forgot one direction, and another client of the same host number has its ends by now', async () => {
    const service = { id: 1, vrf: 1, address: IpAddress.parse('fd00::10'), protocol: 'tcp', port: 80, seed: 3, natSide: 'both' } as const
    await program(natTables([{ ...service, backends: [{ address: IpAddress.parse('fd00::10:1:0:1'), port: 8080, weight: 1 }] }], []))
    const from = (source: string): PacketInput => ({
      from: 'port',
      port: 1,
      packet: testSegment({ source, destination: 'fd00::10', sourcePort: 4000, destinationPort: 80 }),
    })
    const portOf = (input: PacketInput): number => {
      const { packet, verdict } = byProgram(router, input)
      expect(verdict).toBe('send')
      return Number.parseInt(packet.slice((32 + 40) * 2, (32 + 42) * 2), 16)
    }
    expect(portOf(from('fd00:0:1::5'))).toBe(4000)
    const [[reply]] = flows().filter(([, flow]) => !isOpening(flow.get('state')))
    router.parts.maps.delete('nat_flows', reply)
    expect(portOf(from('fd00:0:2::5'))).toBe(4000)
    for (const [opening, flow] of flows()) router.parts.maps.set('nat_flows', opening, flow.setLarge('told', 0).bytes)
    portOf(from('fd00:0:1::5'))
    expect(portOf(from('fd00:0:1::5'))).not.toBe(4000)
    expect(portOf(from('fd00:0:2::5'))).toBe(4000)
  })

  it('leave another flow the ends that were theirs until a full table forgot one direction, when they are too old', async () => {
    const service = { id: 1, vrf: 1, address: IpAddress.parse(VIRTUAL), protocol: 'tcp', port: 80, seed: 3, natSide: 'both' } as const
    await program(natTables([{ ...service, backends: [{ address: IpAddress.parse(BACKENDS[0]), port: 8080, weight: 1 }] }], []))
    const open = (source: string): void => {
      const packet = testSegment({ source, destination: VIRTUAL, sourcePort: 4000, destinationPort: 80 })
      expect(byProgram(router, { from: 'port', port: 1, packet })).toMatchObject({ verdict: 'send' })
    }
    open(CLIENT)
    const [[opening, flow]] = flows().filter(([, found]) => isOpening(found.get('state')))
    const [[reply]] = flows().filter(([, found]) => !isOpening(found.get('state')))
    router.parts.maps.delete('nat_flows', reply)
    open('10.0.0.2')
    const others = flows().flatMap(([key]) => (key.join() === opening.join() ? [] : [key.join()]))
    expect(others).toContain(reply.join())
    router.parts.maps.set('nat_flows', opening, flow.set('lifetime', 0).bytes)
    sweep()
    expect(flows().map(([key]) => key.join())).toEqual(others)
  })

  it('do not take replies of another virtual address for their own, once a full table has forgotten theirs', async () => {
    const backends = [{ address: IpAddress.parse(BACKENDS[0]), port: 8080, weight: 1 }]
    const service = { vrf: 1, protocol: 'tcp', port: 80, seed: 3, backends } as const
    const addresses = [VIRTUAL, '10.96.0.11']
    await program(
      natTables(
        addresses.map((address, index) => ({ ...service, id: index + 1, address: IpAddress.parse(address) })),
        [],
      ),
    )
    const send = (destination: string): void => {
      const packet = testSegment({ source: CLIENT, destination, sourcePort: 4000, destinationPort: 80 })
      expect(byProgram(router, { from: 'port', port: 1, packet })).toMatchObject({ verdict: 'send' })
    }
    send(addresses[0])
    const [[opening, flow]] = flows().filter(([, found]) => isOpening(found.get('state')))
    const [[reply]] = flows().filter(([, found]) => !isOpening(found.get('state')))
    router.parts.maps.delete('nat_flows', reply)
    send(addresses[1])
    expect(flows().map(([key]) => key.join())).toContain(reply.join())
    const others = flows().flatMap(([key]) => (key.join() === opening.join() ? [] : [key.join()]))
    // As a second later, when it tells its other direction that it lives.
    router.parts.maps.set('nat_flows', opening, flow.setLarge('told', 0).bytes)
    send(addresses[0])
    expect(flows().map(([key]) => key.join())).toEqual(others)
  })

  // What one CPU remembers of a flow is of the ends that it had; another one may give it others, here by a packet that goes the whole way.
  it.each(['opened anew', 'found to have lost its ends'])('are known by new ends at once when one is %s', async (what) => {
    const service = { id: 1, vrf: 1, address: IpAddress.parse(VIRTUAL), protocol: 'tcp', port: 80, seed: 3, natSide: 'both' } as const
    const next = natTables([{ ...service, backends: [{ address: IpAddress.parse(BACKENDS[0]), port: 8080, weight: 1 }] }], [])
    const from = (source: string, flags = 0x10): PacketInput => ({
      from: 'port',
      port: 1,
      packet: testSegment({ source, destination: VIRTUAL, sourcePort: 4000, destinationPort: 80, flags }),
    })
    const portOf = (result: Result | undefined): number | undefined =>
      result === undefined ? undefined : Number.parseInt(result.packet.slice((32 + 20) * 2, (32 + 22) * 2), 16)
    const { object } = router.parts.maps
    /** Ports by which flows were known, and are; undefined when this process came to another CPU, or took longer than one remembers, before the end. */
    function portsKnown() {
      // The packet that opens a flow is not remembered: what was known of such packets ends with it.
      for (let packet = 0; packet < 2; packet++) expect(portOf(byProgram(router, from(CLIENT)))).toBe(4000)
      const before = [portOf(byMemory(router, from(CLIENT)))]
      // A full table forgets it, and who comes next has its ends; nothing of that is a change of tables.
      const parts = flows()
      const [[opening, first]] = parts.filter(([, flow]) => isOpening(flow.get('state')))
      for (const [key] of parts) object.remove('nat_flows', key)
      for (let packet = 0; packet < 2; packet++) expect(portOf(byProgram(router, from('10.0.0.2')))).toBe(4000)
      before.push(portOf(byMemory(router, from(CLIENT))))
      if (what !== 'opened anew') object.update('nat_flows', opening, first.setLarge('told', 0).bytes)
      byProgram(router, from(CLIENT, 0x11))
      expect(byMemory(router, from(CLIENT))).toBeUndefined()
      byProgram(router, from(CLIENT))
      const port = portOf(byProgram(router, from(CLIENT)))
      expect(port).not.toBe(4000)
      const after = [CLIENT, '10.0.0.2'].map((source) => portOf(byMemory(router, from(source))))
      return [...before, ...after].includes(undefined) ? undefined : { before, port, after }
    }
    let known: ReturnType<typeof portsKnown>
    for (let tries = 0; tries < 50 && known === undefined; tries++) {
      await program(EMPTY)
      await program(next)
      known = portsKnown()
    }
    expect(known).toEqual({ before: [4000, 4000], port: known?.port, after: [known?.port, 4000] })
  })

  it('leave no reply behind when the direction that opened them was forgotten, but for one that may be about to be opened', async () => {
    await program(tablesOf({}))
    backendOf(request(1))
    const [[key]] = flows().filter(([, flow]) => isOpening(flow.get('state')))
    router.parts.maps.delete('nat_flows', key)
    const [[reply, flow]] = flows()
    sweep()
    expect(flows().map(([found]) => found)).toEqual([reply])
    await program(tablesOf({ backends: BACKENDS.toReversed() }))
    expect(flows().map(([found]) => found)).toEqual([reply])
    router.parts.maps.set('nat_flows', reply, flow.setLarge('seen', flow.getLarge('seen') - 4000).bytes)
    sweep()
    expect(flows()).toEqual([])
  })

  it('leave no reply behind that may be about to be opened, when its service or pool goes', async () => {
    const pool: NatPoolObject = { id: 1, vrf: 1, outside: 2, address: IpAddress.parse('172.20.0.1'), ports: { first: 4000, last: 4999 } }
    const hidden = testPacket({ source: CLIENT, destination: '10.200.0.9', sourcePort: 4000, destinationPort: 53 })
    const moved = natTables([], [{ ...pool, vrf: 3 }])
    const cases = [
      { before: tablesOf({}), input: request(1), after: natTables([], []) },
      {
        before: natTables([], [pool]),
        input: { from: 'port', port: 1, packet: hidden } as const,
        after: { ...moved, vrfs: [...moved.vrfs, { id: 3, name: 'third' }] },
      },
    ]
    for (const { before, input, after } of cases) {
      await program(before)
      expect(byProgram(router, input)).toMatchObject({ verdict: 'send' })
      const [[opening]] = flows().filter(([, flow]) => isOpening(flow.get('state')))
      router.parts.maps.delete('nat_flows', opening)
      sweep()
      expect(flows().length).toBe(1)
      await program(after)
      expect(flows()).toEqual([])
    }
  })

  it('live as long as RFC 5382 says, in both directions', async () => {
    await program(tablesOf({}))
    backendOf(request(1))
    const lifetimes = (): number[] => flows().map(([, flow]) => flow.get('lifetime'))
    expect(lifetimes()).toEqual([240_000, 240_000])
    const { packet } = byProgram(router, request(1))
    const there = new Uint8Array(Buffer.from(packet, 'hex')).subarray(32)
    const backend = IpAddress.fromBytes(there.slice(16, 20))
    const reply = testSegment({ source: backend, destination: CLIENT, sourcePort: 8080, destinationPort: 1, flags: 18 })
    router.parts.maps.set('devices', 1, Uint8Array.of(2, 0, 0, 0))
    byProgram(router, { from: 'port', port: 2, packet: reply })
    expect(lifetimes()).toEqual([7_440_000, 7_440_000])
    backendOf(request(1, 17))
    expect(lifetimes()).toEqual([240_000, 240_000])
    // Another connection by the same ports.
    backendOf(request(1))
    expect(lifetimes()).toEqual([240_000, 240_000])
    byProgram(router, { from: 'port', port: 2, packet: reply })
    expect(lifetimes()).toEqual([7_440_000, 7_440_000])
  })

  // Each direction has a CPU of its own: of two that have news at once, one tells the other of what it read before.
  it('end as soon as one direction has ended, whatever the other one tells meanwhile', async () => {
    await program(tablesOf({}))
    const there = new Uint8Array(Buffer.from(byProgram(router, request(1)).packet, 'hex')).subarray(32)
    const backend = IpAddress.fromBytes(there.slice(16, 20))
    const reply = (flags: number): PacketInput => ({
      from: 'port',
      port: 2,
      packet: testSegment({ source: backend, destination: CLIENT, sourcePort: 8080, destinationPort: 1, flags }),
    })
    router.parts.maps.set('devices', 1, Uint8Array.of(2, 0, 0, 0))
    const stateOf = (isOpened: boolean): number[] => {
      const [[, flow]] = flows().filter(([, found]) => isOpening(found.get('state')) === isOpened)
      return [flow.get('state') & ~OPENS, flow.get('lifetime')]
    }
    byProgram(router, reply(18))
    expect([stateOf(true), stateOf(false)]).toEqual([1, 1].map((state) => [state, 7_440_000]))
    for (const [key, flow] of flows()) {
      const isOpened = isOpening(flow.get('state'))
      // The backend's RST, of which this CPU has not heard.
      if (!isOpened) flow.set('state', 3).set('lifetime', 240_000)
      router.parts.maps.set('nat_flows', key, flow.setLarge('told', 0).bytes)
    }
    backendOf(request(1, 16))
    expect([stateOf(true), stateOf(false)]).toEqual([
      [1, 7_440_000],
      [3, 240_000],
    ])
    for (const [key, flow] of flows()) router.parts.maps.set('nat_flows', key, flow.setLarge('told', 0).bytes)
    byProgram(router, reply(16))
    expect([stateOf(true), stateOf(false)]).toEqual([3, 3].map((state) => [state, 240_000]))
    // Another connection by the same ports: it has not been answered.
    backendOf(request(1))
    expect([stateOf(true), stateOf(false)]).toEqual([0, 0].map((state) => [state, 240_000]))
  })

  it('come to the backend of their client, until it has been quiet for as long as the service says', async () => {
    await program(tablesOf({ affinity: 1000 }))
    const alone = backendOf(request(1))
    await program(tablesOf({ affinity: 1000, backends: BACKENDS.toReversed() }))
    for (let port = 2; port < 20; port++) expect(backendOf(request(port))).toBe(alone)
    const other = (alone + 1) % BACKENDS.length
    const [[key, value]] = router.parts.maps.entries('affinities')
    const affinity = new View(AFFINITY, value).setAddress('address', IpAddress.parse(BACKENDS[other]))
    router.parts.maps.set('affinities', key, affinity.bytes)
    expect(backendOf(request(20))).toBe(other)
    router.parts.maps.set('affinities', key, affinity.setLarge('lifetime', 0).bytes)
    expect(backendOf(request(21))).toBe(alone)
    router.parts.maps.set('affinities', key, affinity.setLarge('lifetime', 0).bytes)
    sweep()
    expect([...router.parts.maps.entries('affinities')]).toEqual([])
  })

  describe('hidden by a pool', () => {
    const [OUTSIDE, HIDDEN] = ['10.200.0.9', '172.20.0.1']
    const pool: NatPoolObject = { id: 1, vrf: 1, outside: 2, address: IpAddress.parse(HIDDEN), ports: { first: 4000, last: 4999 } }
    const there: PacketInput = {
      from: 'port',
      port: 1,
      packet: testPacket({ source: CLIENT, destination: OUTSIDE, sourcePort: 4000, destinationPort: 53 }),
    }
    const reply = testPacket({ source: OUTSIDE, destination: HIDDEN, sourcePort: 53, destinationPort: 4000, size: 64 })
    /** What becomes of a packet that comes from outside. */
    const wayBack = (packet: Uint8Array): string => {
      const input = labelled([{ label: 120 }], packet)
      const { verdict, reason } = byProgram(router, { from: 'underlay', source: PEERS[4][0], encapsulation: 'mpls-udp', packet: input })
      return reason ?? verdict
    }
    /** What comes back: a reply, its parts, the later one of a datagram whose first one came in time, and an error. */
    const first = partOf(reply, { offset: 0, size: 24 })
    const ways = (): [string, Uint8Array][] => [
      ['reply', reply],
      ['first', first],
      ['later', partOf(reply, { offset: 24 })],
      ['error', testIcmp({ source: OUTSIDE, destination: HIDDEN, type: 3, body: hidden() })],
    ]
    const hidden = (): Uint8Array => testPacket({ source: HIDDEN, destination: OUTSIDE, sourcePort: 4000, destinationPort: 53 })

    // Blue has another machine at the client's address: it got what was for the client.
    it('come back to nobody once the pool is gone', async () => {
      await program(natTables([], [pool]))
      expect(byProgram(router, there)).toMatchObject({ verdict: 'send' })
      for (const [what, packet] of ways()) expect([what, wayBack(packet)]).toEqual([what, 'deliver'])
      wayBack(first)
      router.parts.maps.delete('nat_pools', 1)
      for (const [what, packet] of ways()) expect([what, wayBack(packet)]).toEqual([what, 'nat-exhausted'])
      const { packet } = byProgram(router, there)
      expect(packet).toBe('')
    })

    it('are opened by no pool that has moved from where programs are still led to it', async () => {
      await program(natTables([], [pool]))
      const moved = [{ vrf: 3 }, { outside: 3 }, { address: IpAddress.parse('fd00::1') }]
      for (const change of moved) {
        router.parts.maps.set('nat_pools', 1, encodePool({ ...pool, ...change }))
        expect(byProgram(router, there)).toMatchObject({ verdict: 'drop', reason: 'nat-exhausted' })
      }
    })
  })

  it('refuse none of a full table: the quietest go', async () => {
    await program(tablesOf({}))
    for (let port = 1; port <= 1200; port++) byProgram(router, request(port))
    expect(flows().length).toBeLessThanOrEqual(2048)
    const { drops } = await router.counters()
    expect(DROP_REASONS.filter((_, slot) => drops[slot] > 0)).toEqual([])
  })
}
