import { PORT_COUNTERS } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import { inspect } from '../src/inspect.js'
import { COUNTS } from '../src/layout/structs/counters.js'
import type { NativeObject } from '../src/native/binding.js'
import { call } from '../src/native/call.js'
import { KernelMaps } from '../src/tables/kernel-maps.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import { mapSizes } from '../src/tables/map-sizes.js'
import { missing, titled } from './support/requirements.js'

const port = (id: number) => ({
  id,
  kind: 'endpoint' as const,
  vrf: 1,
  allowedSources: [IpPrefix.of(IpAddress.v4(id))],
  gateways: [],
  mtu: 1400,
})

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
    const many = Array.from({ length: COUNTS / 3 }, (_, index) => port(10 + index))
    const failures = tables.program({ ...emptyTransaction(4), ports: { set: many, remove: [] } })
    expect(new Set(failures.map(({ code }) => code))).toEqual(new Set(['dataplane.limit']))
  })
})
