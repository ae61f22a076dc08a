import { PORT_COUNTERS, RouteBatch, type CounterRows, type FibTransaction } from '@heddle/core'
import { labelled, testPacket, type PacketInput } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import { inspect } from '../src/inspect.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { encodeLabel, encodeVrf } from '../src/layout/objects.js'
import { LINK } from '../src/layout/structs/objects.js'
import { COUNTS } from '../src/layout/structs/counters.js'
import type { NativeObject } from '../src/native/binding.js'
import { call } from '../src/native/call.js'
import { KernelMaps } from '../src/tables/kernel-maps.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import { mapSizes } from '../src/tables/map-sizes.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { byProgram } from './support/twins.js'

const port = (id: number) => ({
  id,
  kind: 'endpoint' as const,
  vrf: 1,
  allowedSources: [IpPrefix.of(IpAddress.v4(id))],
  gateways: [],
  mtu: 1400,
})

const labels = (numbers: readonly number[]) => ({
  set: numbers.map((label) => ({ label, action: { type: 'pop-forward', port: 1 } as const, sources: 0 })),
  remove: [],
})
const ids = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first + index)
const OBJECTS = ['ports', 'vrfs', 'labels', 'next_hops']

describe.skipIf(missing() !== '')(titled('many ports'), () => {
  it('are as many as the dataplane was opened for, each with its counters, in memory that is told', () => {
    const count = 20_000
    const sizes = mapSizes({ fibBlocks: 1024, routes: 16, flows: 1024, ports: count })
    const object = call((native) => native.objectLoad(readBpfObject(), sizes))
    try {
      const maps = new KernelMaps(object)
      const tables = new KernelTables(maps)
      const ports = Array.from({ length: count }, (_, id) => port(id))
      expect(tables.program({ ...emptyTransaction(1), ports: { set: ports, remove: [] } })).toEqual([])
      expect(tables.counters.snapshot().portIds).toHaveLength(count)
      const octets = inspect(object).maps.reduce((sum, map) => sum + (map.name.startsWith('port') ? map.octets : 0), 0)
      process.stdout.write(`${count} ports: ${Math.round(octets / count)} octets each\n`)
      expect(octets / count).toBeLessThan(1500)
      expect(tables.program({ ...emptyTransaction(2), ports: { set: [port(count)], remove: [] } })).toMatchObject([
        { code: 'dataplane.limit' },
      ])
    } finally {
      object.close()
    }
  })
})

describe.skipIf(missing() !== '')(titled('counters of objects'), () => {
  let object: NativeObject
  beforeAll(() => {
    object = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 16, flows: 1024, counts: 1 }))
  })
  afterAll(() => object?.close())
  afterEach(() => {
    const maps = new KernelMaps(object)
    for (const map of OBJECTS) for (const [id] of maps.numbered(map)) maps.delete(map, id)
    expect(new KernelTables(maps).dump().labels).toEqual([])
  })

  /** What programs would have counted in every slot by now. */
  function count(maps: KernelMaps, octets: number): void {
    const words = new Uint32Array(maps.valueSize('counts') / 4)
    for (let word = 0; word < words.length; word += 4) [words[word], words[word + 2]] = [1, octets]
    maps.set('counts', 0, new Uint8Array(words.buffer))
  }

  it('begin at nothing in a slot that was another object’s, also behind a restart, and are refused when there are no slots', () => {
    const maps = new KernelMaps(object)
    const cpus = maps.valueSize('counts') / (COUNTS * 16)
    const rowsOf = (tables: KernelTables): number[][] => {
      const { portIds, ports } = tables.counters.snapshot()
      return Array.from(portIds, (_, row) => [...ports.subarray(row * PORT_COUNTERS.length, (row + 1) * PORT_COUNTERS.length)])
    }
    let tables = new KernelTables(maps)
    expect(tables.program({ ...emptyTransaction(1), ports: { set: [port(1)], remove: [] } })).toEqual([])
    count(maps, 60)
    expect(rowsOf(tables)).toEqual([[cpus, 60 * cpus, cpus, 60 * cpus, cpus]])
    tables = new KernelTables(maps)
    expect(tables.program({ ...emptyTransaction(2), ports: { set: [port(2)], remove: [1] } })).toEqual([])
    expect(rowsOf(tables)).toEqual([[0, 0, 0, 0, 0]])
    expect(tables.program({ ...emptyTransaction(3), ports: { set: [port(3)], remove: [2] } })).toEqual([])
    expect(rowsOf(tables)).toEqual([[0, 0, 0, 0, 0]])
    count(maps, 70)
    expect(tables.program({ ...emptyTransaction(4), ports: { set: [], remove: [3] } })).toEqual([])
    expect(tables.program({ ...emptyTransaction(5), ports: { set: [port(4)], remove: [] } })).toEqual([])
    expect(rowsOf(tables)).toEqual([[0, 0, 0, 0, 0]])
    const many = Array.from({ length: COUNTS / 3 }, (_, index) => port(10 + index))
    const failures = tables.program({ ...emptyTransaction(6), ports: { set: many, remove: [] } })
    expect(failures).toMatchObject([{ object: { kind: 'port', key: '350' }, code: 'dataplane.limit' }])
    expect(tables.dump().ports.map(({ id }) => id)).not.toContain(350)
  })

  it('are there for each object that is, and one for which there are none is refused whole', () => {
    const tables = new KernelTables(new KernelMaps(object))
    const full = labels(ids(16, COUNTS))
    expect(tables.program({ ...emptyTransaction(1), labels: full })).toEqual([])
    const failures = tables.program({
      ...emptyTransaction(2),
      ports: { set: [{ ...port(1), maxFlows: 7 }], remove: [] },
      vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
      nextHops: { set: [{ id: 1, action: { type: 'port', port: 1 } }], remove: [] },
      labels: labels([9]),
    })
    expect(failures.map(({ object: { kind }, code }) => `${kind} ${code}`)).toEqual(
      ['port', 'vrf', 'next-hop', 'label'].map((kind) => `${kind} dataplane.limit`),
    )
    expect(tables.dump()).toMatchObject({ ports: [], vrfs: [], nextHops: [], labels: { length: COUNTS } })
    // One that is replaced has its own.
    expect(tables.program({ ...emptyTransaction(3), labels: labels([20]) })).toEqual([])
  })

  it('are done without by an object for which a process before this one found none, until it is set when there are', () => {
    const maps = new KernelMaps(object)
    const before = new KernelTables(maps)
    expect(before.program({ ...emptyTransaction(1), labels: labels(ids(16, COUNTS)) })).toEqual([])
    // Of what was not removed whole there are counters without an object; of what was not set whole, the other way about.
    maps.delete('labels', 16)
    for (const id of [1, 2]) maps.set('vrfs', id, encodeVrf({ id, name: `vrf ${id}` }, 0, 0))
    for (const label of [9, 10]) maps.set('labels', label, encodeLabel(labels([label]).set[0]))
    const tables = new KernelTables(maps)
    expect(tables.dump()).toMatchObject({ vrfs: { length: 2 }, labels: { length: COUNTS + 1 } })
    const counted = (): number[] => [...(tables.counters.snapshot().labels?.ids ?? [])].toSorted((a, b) => a - b)
    expect(tables.counters.snapshot().vrfs?.ids).toHaveLength(0)
    expect(counted()).toHaveLength(COUNTS)
    expect(counted()).not.toContain(16)
    const [uncounted] = [9, 10].filter((label) => !counted().includes(label))
    expect(tables.program({ ...emptyTransaction(2), labels: labels([uncounted]) })).toMatchObject([{ code: 'dataplane.limit' }])
    expect(tables.program({ ...emptyTransaction(3), labels: { set: [], remove: [17] } })).toEqual([])
    expect(tables.program({ ...emptyTransaction(4), labels: labels([uncounted]) })).toEqual([])
    expect(counted()).toEqual([9, 10, ...ids(18, COUNTS - 2)])
  })

  it('are given out again, also behind a restart, however they lie and whatever had them', () => {
    const maps = new KernelMaps(object)
    let tables = new KernelTables(maps)
    let generation = 0
    const program = (part: Partial<FibTransaction>): unknown[] => tables.program({ ...emptyTransaction(++generation), ...part })
    const ports = (numbers: readonly number[]) => ({ ports: { set: numbers.map(port), remove: [] } })
    const most = Math.floor(COUNTS / 3)
    for (let round = 0; round < 3; round++) {
      expect(program({ labels: labels(ids(16, COUNTS)) })).toEqual([])
      expect(program({ labels: { set: [], remove: ids(16, COUNTS - 1) } })).toEqual([])
      tables = new KernelTables(maps)
      expect(program({ labels: labels(ids(16, COUNTS - 1)) })).toEqual([])
      expect(program({ labels: labels([9]) })).toHaveLength(1)
      expect(program({ labels: { set: [], remove: ids(16, COUNTS) } })).toEqual([])
      expect(program(ports(ids(0, most)))).toEqual([])
      expect(program({ ports: { set: [], remove: ids(0, most - 1) } })).toEqual([])
      tables = new KernelTables(maps)
      expect(program(ports(ids(0, most - 1)))).toEqual([])
      expect(program({ ports: { set: [], remove: ids(0, most) } })).toEqual([])
    }
  })

  it('of a port are not broken up by others while there is room elsewhere', () => {
    const tables = new KernelTables(new KernelMaps(object))
    const [all, some, others] = [ids(0, 300), ids(0, 300).filter((id) => id % 3 === 0), ids(16, COUNTS - 900)]
    const set = (numbers: readonly number[]) => ({ set: numbers.map(port), remove: [] })
    expect(tables.program({ ...emptyTransaction(1), ports: set(all), labels: labels(others) })).toEqual([])
    expect(tables.program({ ...emptyTransaction(2), ports: { set: [], remove: some } })).toEqual([])
    expect(tables.program({ ...emptyTransaction(3), labels: { set: [], remove: others } })).toEqual([])
    expect(tables.program({ ...emptyTransaction(4), labels: labels(others) })).toEqual([])
    expect(tables.program({ ...emptyTransaction(5), ports: set(some) })).toEqual([])
  })
})

const POD = IpAddress.parse('10.1.0.1')
const FAR = IpAddress.parse('10.2.0.1')
/** Octets of a packet. */
const SIZE = 128
/** What two packets begin, and no third one within some minutes. */
const rateLimits = { egress: { bitsPerSecond: 1, burstOctets: 1.5 * SIZE } }

describe.skipIf(missing() !== '')(titled('a port without counters'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter
  beforeAll(async () => {
    namespace = new RouterNamespace('uncounted')
    router = await namespace.open({ fibBlocks: 1024, routes: 64, flows: 1024 })
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  const tables = (): FibTransaction => {
    const routes = new RouteBatch()
    routes.push(3, IpPrefix.of(POD), 1)
    routes.push(3, IpPrefix.of(FAR), 2)
    const tunnel = { type: 'tunnel', encapsulation: 'mpls-udp', local: LOCAL[4], remote: PEERS[4][0], labels: [1000] } as const
    return {
      ...emptyTransaction(1),
      vrfs: { set: [1, 2, 3].map((id) => ({ id, name: `vrf ${id}` })), remove: [] },
      ports: { set: [{ ...port(1), vrf: 3, allowedSources: [], rateLimits }], remove: [] },
      nextHops: {
        set: [
          { id: 1, action: { type: 'port', port: 1 } },
          { id: 2, action: { ...tunnel, ttlModel: 'pipe', trafficClassModel: 'pipe' } },
        ],
        remove: [],
      },
      groups: { set: [1, 2].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })), remove: [] },
      tunnelSources: { set: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][0])] }], remove: [] },
      labels: { set: [{ label: 1001, action: { type: 'pop-forward', port: 1 }, sources: 1 }], remove: [] },
      routes,
    }
  }

  it('counts for no other object, however often a flow is seen', async () => {
    expect(await router.apply(tables())).toMatchObject({ failures: [] })
    const { maps } = router.parts
    maps.set('links', 1, new View(LINK).set('ifindex', 1).bytes)
    maps.delete('port_counters', 1)
    const sent: PacketInput = { from: 'port', port: 1, packet: testPacket({ source: POD, destination: FAR, size: SIZE - 28 }) }
    const inner = testPacket({ source: FAR, destination: POD, size: SIZE - 28 })
    const got: PacketInput = {
      from: 'underlay',
      source: PEERS[4][0],
      encapsulation: 'mpls-udp',
      packet: labelled([{ label: 1001 }], inner),
    }
    const results = (input: PacketInput): string[] => Array.from({ length: 4 }, () => byProgram(router, input).verdict)
    expect(results(got)).toEqual(['deliver', 'deliver', 'deliver', 'deliver'])
    expect(results(sent)).toEqual(['send', 'send', 'drop', 'drop'])
    const { portIds, vrfs, labels: ofLabels, nextHops } = await router.counters()
    const rows = ({ ids: of, values }: CounterRows): [number, number, number][] =>
      Array.from(of, (id, row): [number, number, number] => [id, values[row * 2], values[row * 2 + 1]]).toSorted(([a], [b]) => a - b)
    expect(portIds).toHaveLength(0)
    // Those that have the first slots.
    expect(rows(vrfs as CounterRows)).toEqual([
      [1, 0, 0],
      [2, 0, 0],
      [3, 2, 2 * SIZE],
    ])
    expect(rows(ofLabels as CounterRows)).toEqual([[1001, 4, 4 * SIZE]])
    expect(rows(nextHops as CounterRows)).toEqual([
      [1, 0, 0],
      [2, 2, 2 * SIZE],
    ])
  })
})
