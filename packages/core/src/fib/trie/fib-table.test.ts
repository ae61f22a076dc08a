import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { columnsOf, stride } from '../../../test/support/columns.js'
import { heapMemory, type FibMemory } from './fib-memory.js'
import { FibTable } from './fib-table.js'
import { values4 } from './route-runs.js'
import { NO_MATCH } from './stride-trie.js'

/** Longest match by looking at every prefix. */
class Oracle {
  readonly routes = new Map<string, { prefix: IpPrefix; value: number }>()

  lookup(address: IpAddress): number {
    let best: { prefix: IpPrefix; value: number } | undefined
    for (const route of this.routes.values()) {
      if (route.prefix.contains(address) && (best === undefined || route.prefix.length > best.prefix.length)) best = route
    }
    return best?.value ?? NO_MATCH
  }
}

// Few bits vary, at the places where levels of the trie meet, so that prefixes cover each other often.
const word = fc.constantFrom(0x0a00_0000, 0x0a00_0001, 0x0a00_00ff, 0x0a00_0100, 0x0a01_0000, 0x0aff_ffff, 0x0b00_0000, 0xffff_ffff, 0)
const v4 = word.map((value) => IpAddress.v4(value))
const v6 = fc.tuple(word, word, word, word).map(([a, b, c, d]) => IpAddress.v6(a, b, c, d))
const address = fc.oneof(v4, v6)
const prefix = fc.oneof(
  fc.tuple(v4, fc.nat(32)).map(([value, length]) => IpPrefix.of(value, length)),
  fc.tuple(v6, fc.nat(128)).map(([value, length]) => IpPrefix.of(value, length)),
)
const command = fc.oneof(
  fc.record({ type: fc.constant('set' as const), prefix, value: fc.nat(0x7fff_fffd) }),
  fc.record({ type: fc.constant('delete' as const), prefix }),
)

test('any sequence of changes leaves what a list of the prefixes says', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), fc.array(address, { minLength: 1, maxLength: 20 }), (commands, probes) => {
      const table = new FibTable()
      const oracle = new Oracle()
      for (const step of commands) {
        const name = String(step.prefix)
        if (step.type === 'set') {
          table.setPrefix(step.prefix, step.value)
          oracle.routes.set(name, step)
        } else expect(table.deletePrefix(step.prefix)).toBe(oracle.routes.delete(name))
        for (const probe of [...probes, step.prefix.address]) expect(table.lookup(probe)).toBe(oracle.lookup(probe))
      }
      expect(table.size).toBe(oracle.routes.size)
      for (const { prefix: one } of commands) {
        const { w0, w1, w2, w3, family } = one.address
        expect(table.get(family, w0, w1, w2, w3, one.length)).toBe(oracle.routes.get(String(one))?.value ?? NO_MATCH)
      }
      const seen = new Map<string, number>()
      table.forEach((family, w0, w1, w2, w3, length, value) => {
        seen.set(String(IpPrefix.of(family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3), length)), value)
      })
      expect(seen).toEqual(new Map([...oracle.routes].map(([name, { value }]) => [name, value])))
    }),
    { numRuns: 200 },
  )
})

/** Numbers that look drawn, from a seed. */
function sequence(seed: number): (below: number) => number {
  let state = seed | 1
  return (below) => {
    state = (Math.imul(state ^ (state >>> 13), 0x5bd1_e995) + 0x9e37) | 0
    return ((state ^ (state >>> 15)) >>> 0) % below
  }
}

interface Row {
  readonly address: number
  readonly length: number
  readonly value: number
}

/** One of 2^18 addresses, or of as many whose words are negative as signed ones. */
function drawn(next: (below: number) => number, below = 0x4_0000): number {
  return ((next(2) === 0 ? 0x0a00_0000 : 0xcb00_0000) | next(below)) >>> 0
}

/** Prefixes of 14 bits and more, mostly long ones, among those addresses, and in the midst the default route and a /8; many come again. */
function rows(next: (below: number) => number, count: number, first: number): Row[] {
  const midst = count >> 1
  return Array.from({ length: count }, (_, index) => {
    // Short ones are few: each fills up to a quarter of a million entries.
    const some = next(3) === 0 ? 32 : next(250) === 0 ? 14 + next(8) : 22 + next(10)
    const length = index === midst ? 0 : index === midst + 1 ? 8 : some
    const mask = length === 32 ? -1 : ~(0xffff_ffff >>> length)
    const address = drawn(next, next(2) === 0 ? 0x1000 : 0x4_0000)
    return { address: (address & mask) >>> 0, length, value: first + index }
  })
}

/** What the table told of each row: of equal prefixes, it tells in their order. */
function setAll(table: FibTable, batch: readonly Row[], apart: 1 | 4 = 4): number[] {
  const told = new Map<string, number[]>()
  table.setAll4(columnsOf(batch, apart), ({ addresses, lengths, values, before }) => {
    for (const [row, had] of before.entries()) {
      const key = `${addresses[row]}/${lengths[row]} ${values[row]}`
      told.set(key, [...(told.get(key) ?? []), had])
    }
  })
  const before = batch.map(({ address, length, value }) => told.get(`${address}/${length} ${value}`)?.shift() ?? NaN)
  expect([...told.values()].flat()).toEqual([])
  return before
}

/** As one string, which is compared in a fraction of the time of an array. */
function routesOf(table: FibTable): string {
  const routes: string[] = []
  table.forEach((_family, w0, _w1, _w2, _w3, length, value) => routes.push(`${w0}/${length} ${value}`))
  return routes.toSorted().join('\n')
}

test('many routes at once leave what they leave one after the other', () => {
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(0, 10, 3000, 9000), fc.constantFrom(20, 2000, 9000), stride, (seed, had, count, apart) => {
      const next = sequence(seed)
      const [table, oracle] = [new FibTable(), new FibTable()]
      for (const { address: w0, length, value } of rows(next, had, 1))
        for (const one of [table, oracle]) one.set(4, w0, 0, 0, 0, length, value)
      const batch = rows(next, count, 10_000)
      expect(setAll(table, batch, apart).join()).toBe(
        batch.map(({ address: w0, length, value }) => oracle.set(4, w0, 0, 0, 0, length, value)).join(),
      )
      expect(table.size).toBe(oracle.size)
      expect(routesOf(table)).toBe(routesOf(oracle))
      const probes = [...batch.map(({ address }) => address), ...Array.from({ length: 200 }, () => drawn(next))]
      const found = (one: FibTable): string => probes.map((probe) => one.lookup4(probe)).join()
      expect(found(table)).toBe(found(oracle))
      const gone = batch.filter(() => next(4) > 0)
      const deleteFrom = (one: FibTable): string => gone.map(({ address: w0, length }) => one.delete(4, w0, 0, 0, 0, length)).join()
      expect(deleteFrom(table)).toBe(deleteFrom(oracle))
      expect(found(table)).toBe(found(oracle))
    }),
    { numRuns: 15 },
  )
})

// They were in the truth, and not in the trie.
test('many routes for which there is no memory leave a large table as it was', () => {
  let isFull = false
  const memory: FibMemory = {
    grow(words, previous) {
      if (isFull) throw new RangeError('no memory')
      return heapMemory.grow(words, previous)
    },
  }
  const table = new FibTable(memory)
  for (let net = 0; net < 5000; net++) table.set(4, (0x0a00_0000 | (net << 8)) >>> 0, 0, 0, 0, 24, net)
  const before = routesOf(table)
  const { size } = table
  // In no order, each behind a block of its own.
  const addresses = Uint32Array.from({ length: 6000 }, (_, net) => 0x1400_0000 + (5999 - net) * 0x1_0000)
  const lengths = new Uint8Array(6000).fill(26)
  const set = (): void => table.setAll4(values4(addresses, lengths, new Uint32Array(6000).fill(7)), () => undefined)
  isFull = true
  expect(set).toThrow('no memory')
  expect(table.size).toBe(size)
  expect(routesOf(table)).toBe(before)
  expect(table.delete(4, addresses[0], 0, 0, 0, 26)).toBe(false)
  isFull = false
  set()
  expect(addresses.every((address) => table.lookup4(address) === 7)).toBe(true)
})

// It was counted, and where its length does not end where a level does, it was in the truth as well.
test.each([24, 26, 32])('a /%d for which there is no memory leaves a large table as it was', (length) => {
  let isFull = false
  const memory: FibMemory = {
    grow(words, previous) {
      if (isFull) throw new RangeError('no memory')
      return heapMemory.grow(words, previous)
    },
  }
  const table = new FibTable(memory)
  for (let net = 0; net < 5000; net++) table.set(4, (0x0a00_0000 | (net << 8)) >>> 0, 0, 0, 0, 24, net)
  isFull = true
  let [w0, size] = [0x1400_0000, table.size]
  const fill = (): void => {
    // Each behind a block of its own.
    for (; ; w0 += 0x1_0000, size++) expect(table.set(4, w0, 0, 0, 0, length, 7)).toBe(NO_MATCH)
  }
  expect(fill).toThrow('no memory')
  expect([table.size, routesOf(table).split('\n').length]).toEqual([size, size])
  expect([table.get(4, w0, 0, 0, 0, length), table.lookup4(w0), table.delete(4, w0, 0, 0, 0, length)]).toEqual([NO_MATCH, NO_MATCH, false])
  isFull = false
  expect(table.set(4, w0, 0, 0, 0, length, 8)).toBe(NO_MATCH)
  expect([table.size, table.lookup4(w0)]).toEqual([size + 1, 8])
})

test('a large table answers as the list does, and after most of it went', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const next = sequence(seed)
      const table = new FibTable()
      const list = new Map<string, Row>()
      const all = rows(next, 6000, 0)
      setAll(table, all)
      for (const row of all) list.set(`${row.address}/${row.length}`, row)
      const best = (probe: number): number => {
        let found: Row | undefined
        for (const row of list.values()) {
          const isCovered = row.length === 0 || (row.address ^ probe) >>> (32 - row.length) === 0 || row.address === probe
          if (isCovered && (found === undefined || row.length > found.length)) found = row
        }
        return found?.value ?? NO_MATCH
      }
      const probes = Array.from({ length: 40 }, () => drawn(next))
      // Of these, the trie alone knows those whose entry has a block of longer ones below it as well.
      const listed = (): string =>
        Array.from(list, ([name, { value }]) => `${name} ${value}`)
          .toSorted()
          .join('\n')
      for (const probe of probes) expect(table.lookup4(probe)).toBe(best(probe))
      expect(routesOf(table)).toBe(listed())
      for (const [name, { address: w0, length, value }] of [...list].slice(0, 4000)) {
        expect(table.get(4, w0, 0, 0, 0, length)).toBe(value)
        expect(table.delete(4, w0, 0, 0, 0, length)).toBe(true)
        expect(table.get(4, w0, 0, 0, 0, length)).toBe(NO_MATCH)
        list.delete(name)
      }
      for (const probe of probes) expect(table.lookup4(probe)).toBe(best(probe))
      expect(routesOf(table)).toBe(listed())
    }),
    { numRuns: 4 },
  )
})

test('a whole prefix outlives the longer ones that have taken all of its entry', () => {
  const table = new FibTable()
  for (let net = 0; net < 5000; net++) table.set(4, (0x1400_0000 | (net << 8)) >>> 0, 0, 0, 0, 24, net)
  const whole = [
    [0x0a01_0000, 16],
    [0x0a01_0200, 24],
  ] as const
  for (const [w0, length] of whole) table.set(4, w0, 0, 0, 0, length, length)
  for (let host = 0; host < 256; host++) table.set(4, 0x0a01_0200 + host, 0, 0, 0, 32, 1000 + host)
  for (const [w0, length] of whole) expect(table.get(4, w0, 0, 0, 0, length)).toBe(length)
  expect(table.set(4, 0x0a01_0200, 0, 0, 0, 24, 240)).toBe(24)
  for (let host = 0; host < 256; host++) expect(table.delete(4, 0x0a01_0200 + host, 0, 0, 0, 32)).toBe(true)
  expect(table.lookup4(0x0a01_0207)).toBe(240)
  expect(table.delete(4, 0x0a01_0200, 0, 0, 0, 24)).toBe(true)
  expect(table.lookup4(0x0a01_0207)).toBe(16)
  expect(table.get(4, 0x0a01_0200, 0, 0, 0, 24)).toBe(NO_MATCH)
})

test('ten thousand small VRFs fit into 256 MiB', () => {
  const table = new FibTable()
  for (let host = 0; host < 100; host++) table.set(4, Math.imul(host, 0x9e37_79b1) >>> 0, 0, 0, 0, 32, host)
  table.set(4, 0, 0, 0, 0, 0, 1)
  expect(table.byteLength * 10_000).toBeLessThan(256 * 2 ** 20)
})

test('a large IPv6 table has its hosts, which only its trie knows', () => {
  const table = new FibTable()
  const hosts = new Map<string, number>()
  for (let host = 0; host < 5000; host++) {
    const words = [0x2001_0db8, Math.imul(host, 0x9e37_79b1) >>> 0, host & 7, 0xffff_ff00 + (host & 0xff)] as const
    expect(table.set(6, ...words, 128, host)).toBe(NO_MATCH)
    hosts.set(words.join(), host)
  }
  table.set(6, 0x2001_0db8, 0, 0, 0, 32, 9999)
  const found = new Map<string, number>()
  table.forEach((_family, w0, w1, w2, w3, length, value) => length === 128 && found.set([w0, w1, w2, w3].join(), value))
  expect(found).toEqual(hosts)
  for (const [name, value] of hosts) {
    const words = name.split(',').map(Number) as [number, number, number, number]
    expect([table.get(6, ...words, 128), table.lookup6(...words)]).toEqual([value, value])
    if (value % 2 === 0) continue
    expect(table.delete(6, ...words, 128)).toBe(true)
    expect(table.delete(6, ...words, 128)).toBe(false)
    expect([table.get(6, ...words, 128), table.lookup6(...words)]).toEqual([NO_MATCH, 9999])
  }
  expect(table.size).toBe(2501)
})

test('a large IPv6 table has the networks above its hosts, which only its trie knows', () => {
  interface Route {
    readonly words: readonly [number, number, number, number]
    readonly length: number
    value: number
  }
  const table = new FibTable()
  const list = new Map<string, Route>()
  const nameOf = ([w0, w1, w2, w3]: Route['words'], length: number): string => {
    const masked = length === 128 ? [w0, w1, w2, w3] : [w0, length === 64 ? w1 : (w1 & (length === 56 ? ~0xff : ~0xffff)) >>> 0, 0, 0]
    return `${masked.join(' ')}/${length}`
  }
  const set = (words: Route['words'], length: number): void => {
    const name = nameOf(words, length)
    const value = (list.get(name)?.value ?? list.size) + 10_000
    expect(table.set(6, ...words, length, value)).toBe(list.get(name)?.value ?? NO_MATCH)
    list.set(name, { words, length, value })
  }
  const setNetworks = (first: number): void => {
    for (let site = first; site < 40; site += 2) {
      set([0x2001_0db8, site << 16, 0, 0], 48)
      for (let area = 0; area < 7; area++) {
        set([0x2001_0db8, (site << 16) | (area << 8), 0, 0], 56)
        for (let link = 0; link < 3; link++) set([0x2001_0db8, (site << 16) | (area << 8) | link, 0, 0], 64)
      }
    }
  }
  const probes: Route['words'][] = []
  for (let site = 0; site < 41; site++)
    for (const area of [0, 3, 7])
      for (const link of [0, 2, 3]) probes.push([0x2001_0db8, (site << 16) | (area << 8) | link, 0, 0xffff_ffff])
  const best = (words: Route['words']): number => {
    const covering = [128, 64, 56, 48].map((length) => list.get(nameOf(words, length)))
    return covering.find((route) => route !== undefined)?.value ?? NO_MATCH
  }
  const check = (): void => {
    const routes = [...list.values()]
    expect(table.size).toBe(routes.length)
    expect(routes.map(({ words, length }) => table.get(6, ...words, length)).join()).toBe(routes.map(({ value }) => value).join())
    const all = [...probes, ...routes.map(({ words }) => words)]
    expect(all.map((words) => table.lookup6(...words)).join()).toBe(all.map(best).join())
    const seen: string[] = []
    table.forEach((_family, w0, w1, w2, w3, length, value) => seen.push(`${nameOf([w0, w1, w2, w3], length)} ${value}`))
    expect(seen.toSorted()).toEqual(Array.from(list, ([name, { value }]) => `${name} ${value}`).toSorted())
  }
  setNetworks(0)
  for (let host = 0; host < 5000; host++) set([0x2001_0db8, ((host % 40) << 16) | ((host % 7) << 8) | (host % 3), 0, host], 128)
  setNetworks(1)
  check()
  setNetworks(0) // again, with other values
  check()
  for (const gone of [56, 128, 64, 48]) {
    for (const [name, { words, length }] of [...list].filter(([, { length: one, value }]) => one === gone && value % 3 > 0)) {
      expect(table.delete(6, ...words, length)).toBe(true)
      list.delete(name)
      expect(table.get(6, ...words, length)).toBe(NO_MATCH)
    }
    check()
  }
})
