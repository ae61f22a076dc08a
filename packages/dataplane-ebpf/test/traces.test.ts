import { RouteBatch, type DataplaneEvent, type FibTransaction, type TracedPacket, type TraceObject } from '@heddle/core'
import { EMPTY, labelled, testPacket, testSegment, transition, type PacketInput, type Tables } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { Struct, View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { TRACE_FILTER } from '../src/layout/structs/observe.js'
import { decodeTrace, encodeTrace } from '../src/layout/trace.js'
import { observe } from '../src/tables/config.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { byProgram } from './support/twins.js'

const FILTER = { vrf: 1, ends: [IpPrefix.parse('10.2.0.0/16')], protocol: 17, port: 9, dropped: false }
const TRACE: TraceObject = { id: 3, filter: FILTER }
const OUT: PacketInput = {
  from: 'port',
  port: 1,
  packet: testPacket({ source: '10.1.0.1', destination: '10.2.0.1', destinationPort: 9, size: 200 }),
}
const BACK: PacketInput = {
  from: 'underlay',
  encapsulation: 'mpls-udp',
  source: PEERS[4][0],
  packet: labelled([{ label: 1001 }], testPacket({ source: '10.2.0.1', destination: '10.1.0.1', destinationPort: 9 })),
}

/** As in `bpf/trace.h`. */
const TOLD_COUNT = new Struct('told_count', { second: 'u64', count: 'u64' })

/** A pool whose address differs from the client's in the middle alone. */
const HIDING: Tables = {
  ...EMPTY,
  vrfs: [
    { id: 1, name: 'red' },
    { id: 2, name: 'blue' },
  ],
  ports: [1, 2].map((id) => ({ id, kind: 'endpoint', vrf: id, allowedSources: [], gateways: [], mtu: 1300 })),
  nextHops: [
    { id: 1, action: { type: 'lookup', vrf: 2 } },
    { id: 2, action: { type: 'port', port: 2 } },
  ],
  groups: [1, 2].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 0 })),
  routes: [1, 2].map((vrf) => ({ vrf, prefix: 'fd01::/32', group: vrf })),
  natPools: [{ id: 1, vrf: 1, outside: 2, address: IpAddress.parse('fd00:0:7::1'), ports: { first: 1, last: 65_535 } }],
  traces: [{ id: 5, filter: {} }],
}

function transaction(generation: number, traces: readonly TraceObject[]): FibTransaction {
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse('10.2.0.0/16'), 2)
  const tunnel = { type: 'tunnel', encapsulation: 'mpls-udp', local: LOCAL[4], remote: PEERS[4][0], labels: [70, 71] } as const
  return {
    ...emptyTransaction(generation),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: { set: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }], remove: [] },
    nextHops: { set: [{ id: 2, action: { ...tunnel, ttlModel: 'pipe', trafficClassModel: 'pipe' } }], remove: [] },
    groups: { set: [{ id: 2, members: [{ nextHop: 2, weight: 1 }], seed: 0 }], remove: [] },
    tunnelSources: { set: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][0])] }], remove: [] },
    labels: { set: [{ label: 1001, action: { type: 'pop-forward', port: 1 }, sources: 1 }], remove: [] },
    policies: {
      set: [{ id: 0, port: 1, direction: 'egress', rules: [{ verdict: 'allow', protocol: 17 }], defaultVerdict: 'deny' }],
      remove: [],
    },
    traces: { set: traces, remove: [] },
    routes,
  }
}

describe.skipIf(missing() !== '')(titled('traces in the kernel'), () => {
  let namespace: RouterNamespace
  let folder: string
  let router: EbpfRouter | undefined
  beforeAll(() => {
    namespace = new RouterNamespace('tracing')
    folder = makeFolder('traces')
  })
  afterEach(async () => {
    await router?.close()
    router = undefined
  })
  afterAll(() => {
    namespace.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const open = async (): Promise<[EbpfRouter, TracedPacket[]]> => {
    const opened = await namespace.open({ pinDirectory: join(folder, 'pins') })
    const told: TracedPacket[] = []
    void (async () => {
      for await (const event of opened.events as AsyncIterable<DataplaneEvent>) if (event.type === 'traced') told.push(event)
    })()
    return [(router = opened), told]
  }
  const comes = (told: readonly TracedPacket[], count: number): Promise<void> =>
    expect.poll(() => told.length, { timeout: 20_000 * PACE }).toBeGreaterThanOrEqual(count)

  it('tell what a pool makes of a source, however little that is', async () => {
    const [opened, told] = await open()
    expect(await opened.apply(transition(1, EMPTY, HIDING))).toMatchObject({ status: 'applied', failures: [] })
    opened.parts.maps.set('links', 2, new View(LINK).set('ifindex', 1).bytes)
    byProgram(opened, { from: 'port', port: 1, packet: testSegment({ source: 'fd00::1', destination: 'fd01::1' }) })
    await comes(told, 1)
    expect(told[0].outcome).toBe('deliver')
    expect(told[0].steps.map(({ text }) => text)).toContain('a pool makes the source fd00:0:7::1')
  })

  it('tell each step in words, for the next process as for the one before it, and nothing when they are gone', async () => {
    const [first, told] = await open()
    expect(await first.apply(transaction(1, [TRACE]))).toMatchObject({ status: 'applied', failures: [] })
    first.parts.maps.set('links', 1, new View(LINK).set('ifindex', 1).bytes)
    const { packet } = OUT
    for (const input of [OUT, OUT, BACK]) byProgram(first, input)
    await comes(told, 3)
    expect(told[0]).toMatchObject({ trace: 3, sequence: 0, from: { type: 'port', port: 1 }, outcome: 'send', length: packet.length })
    expect(told[0].packet).toEqual(packet.slice(0, 128))
    const egress = [
      'parse: IPv4, 228 octets, TTL 64, from 10.1.0.1',
      'port: port 1 may send from 10.1.0.1',
      'flow: read from the headers',
      'service: no address is translated',
      'policy: egress policy of port 1: rule 0 says allow',
      'lookup: 10.2.0.1 in VRF 1 leads to group 2',
      'nexthop: group 2 leads to next hop 2: into a tunnel',
      `encap: mpls-udp to ${PEERS[4][0]}, label 70 and 1 more`,
      `send: 228 octets and the headers to ${PEERS[4][0]}`,
    ]
    const texts = told.map(({ steps }) => steps.map(({ step, text }) => `${step}: ${text}`))
    expect(texts[0]).toEqual(egress)
    // The second packet goes the whole way as well, although its flow is known.
    expect(texts[1]).toEqual(egress.with(4, 'policy: egress policy of port 1: the flow was allowed'))
    expect(texts[2]).toEqual([
      `parse outer: mpls-udp from ${PEERS[4][0]}, ${BACK.packet.length} octets behind the headers`,
      'label: label 1001 is accepted: pop-forward',
      'flow: looked up where policies or services want it',
      'service: no address is translated',
      'policy: nothing is filtered',
      'deliver: to port 1, TTL 63',
    ])
    await first.close({ keep: true })

    const [second, later] = await open()
    expect((await second.dump()).traces).toEqual([TRACE])
    byProgram(second, OUT)
    await comes(later, 1)
    expect(later[0]).toMatchObject({ trace: 3, sequence: 3 })
    await second.apply({ ...emptyTransaction(2), traces: { set: [{ id: 4, filter: { dropped: true } }], remove: [3] } })
    byProgram(second, OUT)
    byProgram(second, { ...OUT, packet: testPacket({ source: '10.1.0.1', destination: '10.3.0.1' }) })
    await comes(later, 2)
    expect(later.slice(1)).toMatchObject([{ trace: 4, sequence: 0, outcome: 'drop', reason: 'no-route' }])
    expect(second.parts.tables.config.get('observes')).toBe(2)
    await second.apply({ ...emptyTransaction(3), traces: { set: [], remove: [4] } })
    expect(second.parts.tables.config.get('observes')).toBe(0)
    expect((await second.dump()).traces).toEqual([])
  })

  it('tell of a thousand packets a second, and number those that they do not tell of', async () => {
    const [fresh, seen] = await open()
    await fresh.apply(transaction(1, [TRACE]))
    const { maps } = fresh.parts
    const fitted = (): number => decodeTrace(maps.get('trace_filters', 0) as Uint8Array)?.sequence ?? 0
    const told = (): View<'second' | 'count'> => new View(TOLD_COUNT, maps.get('told_counts', 0))
    // The kernel counts by seconds of its own clock, one of which may end at any time.
    let before = told()
    do {
      maps.set('told_counts', 0, new View(TOLD_COUNT).bytes)
      byProgram(fresh, OUT)
      before = told()
      expect(before.getLarge('count')).toBe(1)
      maps.set('told_counts', 0, new View(TOLD_COUNT).setLarge('second', before.getLarge('second')).setLarge('count', 1000).bytes)
      byProgram(fresh, OUT)
    } while (told().getLarge('second') !== before.getLarge('second'))
    expect(told().getLarge('count')).toBe(1001)
    const untold = fitted() - 1
    maps.set('told_counts', 0, new View(TOLD_COUNT).bytes)
    byProgram(fresh, OUT)
    await comes(seen, untold + 1)
    expect(seen.map(({ sequence }) => sequence)).toEqual([...Array(untold).keys(), untold + 1])
  })

  // What a program counted between the two was counted twice.
  it('go on behind the last number when they are replaced, whatever is told meanwhile', async () => {
    const [opened, told] = await open()
    await opened.apply(transaction(1, [TRACE]))
    const { maps } = opened.parts
    maps.set('links', 1, new View(LINK).set('ifindex', 1).bytes)
    byProgram(opened, OUT)
    const set = maps.set.bind(maps)
    const setting = vi.spyOn(maps, 'set').mockImplementation((map, ...entry) => {
      if (map === 'trace_filters') {
        setting.mockRestore()
        for (let packet = 0; packet < 2; packet++) byProgram(opened, OUT)
      }
      set(map, ...entry)
    })
    await opened.apply(transaction(2, [{ ...TRACE, filter: {} }]))
    byProgram(opened, OUT)
    await comes(told, 4)
    expect(told.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3])
  })

  it('are no more than there is room for', async () => {
    const [opened] = await open()
    await opened.apply(transaction(1, [TRACE]))
    const many = Array.from({ length: 17 }, (_, id): TraceObject => ({ id, filter: {} }))
    const ends = ['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32', '10.0.0.4/32', '10.0.0.5/32'].map((text) => IpPrefix.parse(text))
    const refusal = async (traces: readonly TraceObject[]): Promise<unknown> =>
      (await opened.apply({ ...emptyTransaction(9), traces: { set: traces, remove: [3] } })).failures.map(({ code }) => code)
    expect(await refusal(many)).toEqual(['dataplane.limit'])
    expect(await refusal([{ id: 1, filter: { ends } }])).toEqual(['dataplane.limit'])
    // As many as there are take the places of those that go.
    expect(await refusal(many.slice(1))).toEqual([])
    expect((await opened.dump()).traces).toHaveLength(16)
  })

  it('were more than there is room for, behind a restart', async () => {
    const [first] = await open()
    const many = Array.from({ length: 16 }, (_, id): TraceObject => ({ id, filter: { vrf: 1 } }))
    expect(await first.apply(transaction(1, many))).toMatchObject({ status: 'applied', failures: [] })
    await first.close({ keep: true })
    const [second] = await open()
    const report = await second.apply({ ...emptyTransaction(2), traces: { set: [{ id: 16, filter: {} }], remove: [] } })
    expect(report).toMatchObject({ status: 'refused', failures: [{ object: { kind: 'trace' }, code: 'dataplane.limit' }] })
    expect((await second.dump()).traces).toEqual(many)
  })

  it('told of packets from before they were there, which a trace with their id had left unread', async () => {
    const [opened, told] = await open()
    await opened.apply(transaction(1, []))
    const { maps, tables } = opened.parts
    // A program that has not seen yet that the last trace is gone.
    maps.set('trace_filters', 0, encodeTrace(TRACE, 0))
    observe(tables.config, 'traces', true)
    byProgram(opened, OUT)
    maps.set('trace_filters', 0, new View(TRACE_FILTER).bytes)
    observe(tables.config, 'traces', false)
    await opened.apply({ ...emptyTransaction(2), traces: { set: [TRACE], remove: [] } })
    const packet = testPacket({ source: '10.1.0.1', destination: '10.2.0.2', destinationPort: 9 })
    byProgram(opened, { ...OUT, packet })
    await comes(told, 1)
    expect(told.map((each) => each.packet)).toEqual([packet.slice(0, 128)])
  })

  it('were seen with conditions that were half written', async () => {
    const [opened] = await open()
    await opened.apply(transaction(1, [TRACE]))
    const { maps } = opened.parts
    const seen = [maps.get('trace_filters', 0) as Uint8Array]
    const set = maps.set.bind(maps)
    vi.spyOn(maps, 'set').mockImplementation((map, key, value) => {
      if (map === 'trace_filters') seen.push(value.slice())
      set(map, key, value)
    })
    await opened.apply({ ...emptyTransaction(2), traces: { set: [{ id: 3, filter: { protocol: 6 } }], remove: [] } })
    const steps = seen.map((bytes) => ({ isThere: new View(TRACE_FILTER, bytes).get('is_there') === 1, rest: `${bytes.slice(4)}` }))
    expect(steps.at(-1)?.isThere).toBe(true)
    expect(steps.at(-1)?.rest).not.toBe(steps[0].rest)
    for (const [index, step] of steps.slice(1).entries())
      if (step.rest !== steps[index].rest) expect([steps[index].isThere, step.isThere]).toEqual([false, false])
  })
})
