import fc from 'fast-check'
import { expect, test } from 'vitest'
import { columnsOf, stride } from '../../../test/support/columns.js'
import { heapMemory, type FibMemory } from './fib-memory.js'
import { FibTable } from './fib-table.js'
import { NO_MATCH } from './stride-trie.js'

interface Route {
  readonly address: number
  readonly length: number
  readonly value: number
}

/** Memory that grows so many times more. */
class BoundedMemory implements FibMemory {
  left = Infinity

  grow(words: number, previous?: Uint32Array): Uint32Array {
    if (this.left === 0) throw new RangeError('no memory')
    this.left--
    const region = heapMemory.grow(words, previous)
    // It is free now: whoever still looks into it finds something else.
    previous?.fill(12_346)
    return region
  }
}

/** Everything that a table tells: its routes, by `forEach` and by `get`, and what addresses lead to. */
function contentOf(table: FibTable, probes: readonly Route[]): string {
  const routes: string[] = []
  table.forEach((_family, w0, _w1, _w2, _w3, length, value) => routes.push(`${w0}/${length} ${value}`))
  const found = probes.map(({ address, length }) => `${table.get(4, address, 0, 0, 0, length)} ${table.lookup4(address)}`)
  return [table.size, ...routes.toSorted(), ...found].join('\n')
}

const route = fc.record({
  address: fc.tuple(fc.constantFrom(0x0a00_0000, 0x0a00_0100, 0xcb00_0000), fc.nat(0x3ff)).map(([first, more]) => first + more),
  length: fc.constantFrom(0, 8, 9, 16, 20, 24, 26, 31, 32, 32, 32),
})
const routes = (count: number): fc.Arbitrary<Route[]> =>
  fc.array(route, { minLength: 1, maxLength: count }).map((drawn) =>
    drawn.map(({ address, length }, value) => ({
      address: (length === 0 ? 0 : address & (-1 << (32 - length))) >>> 0,
      length,
      value,
    })),
  )
/** Networks that make a table nearly large, or large. */
const networks = (count: number): Route[] =>
  Array.from({ length: count }, (_, net) => ({ address: 0x1400_0000 + (net << 8), length: 24, value: net }))

// Where routes were few, they were remembered before there was room for them in the trie: the table told of them, and led nowhere.
test('many routes for which there is no memory leave a table as it was, however much of it there is, and find it when there is more', () => {
  const [held, set] = [routes(60), routes(200)]
  fc.assert(
    fc.property(held, fc.constantFrom(0, 4000, 4090, 4200), set, stride, (had, count, drawn, apart) => {
      const memory = new BoundedMemory()
      const [table, oracle] = [new FibTable(memory), new FibTable()]
      for (const { address, length, value } of [...had, ...networks(count)])
        for (const one of [table, oracle]) one.set(4, address, 0, 0, 0, length, value)
      const probes = [...had, ...drawn, ...networks(3)]
      const before = contentOf(table, probes)
      const others = drawn.map((one) => ({ ...one, value: one.value + 10_000 }))
      const columns = columnsOf(others, apart)
      let told = 0
      const isSetWith = (room: number): boolean => {
        memory.left = room
        try {
          table.setAll4(columns, ({ addresses }) => (told += addresses.length))
          return true
        } catch (error) {
          expect(error).toEqual(new RangeError('no memory'))
          expect([told, contentOf(table, probes)]).toEqual([0, before])
          return false
        } finally {
          memory.left = Infinity
        }
      }
      // What it got of memory when it was refused it may keep, so that each time it comes further, or as far.
      let room = 0
      while (!isSetWith(room)) room++
      expect(room).toBeLessThan(100)
      for (const { address, length, value } of others) oracle.set(4, address, 0, 0, 0, length, value)
      expect([told, contentOf(table, probes)]).toEqual([drawn.length, contentOf(oracle, probes)])
    }),
    { numRuns: 30 },
  )
})

// Look-ups went on in the table of hosts of before: what was deleted then was found there for ever.
test('a host that finds room in the table of hosts, and none for the large form, leaves a table as it was', () => {
  const memory = new BoundedMemory()
  const table = new FibTable(memory)
  // As many hosts as fit into their table, and one route less than has the large form.
  const hosts = Array.from({ length: 3072 }, (_, host) => ({ address: 0x0a00_0000 + host, length: 32, value: host }))
  const all = [...hosts, ...networks(1023)]
  for (const { address, length, value } of all) table.set(4, address, 0, 0, 0, length, value)
  const before = contentOf(table, all)
  memory.left = 1
  expect(() => table.set(4, 0x0b00_0000, 0, 0, 0, 32, 7)).toThrow(new RangeError('no memory'))
  expect([memory.left, contentOf(table, all)]).toEqual([0, before])
  expect(table.delete(4, 0x0a00_0004, 0, 0, 0, 32)).toBe(true)
  expect(table.lookup4(0x0a00_0004)).toBe(NO_MATCH)
  memory.left = Infinity
  for (const w0 of [0x0a00_0004, 0x0b00_0000]) table.set(4, w0, 0, 0, 0, 32, 7)
  expect([table.size, table.lookup4(0x0b00_0000), table.lookup4(0x0a00_0005)]).toEqual([4096, 7, 5])
})
