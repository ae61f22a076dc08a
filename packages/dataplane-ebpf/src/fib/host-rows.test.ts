import fc from 'fast-check'
import { expect, it } from 'vitest'
import { HostRows } from './host-rows.js'

const BLOCK = 256
/** Blocks in no order, some of them far away. */
const block = fc.constantFrom(0, 1, 2, 40, 4000)

it('rows of hosts are found as a map finds them, whether or not those of a block are in a row', () => {
  const one = fc.tuple(block, fc.nat(BLOCK - 1), fc.nat(1000)).map(([of, host, row]) => [[of * BLOCK + host, row] as const])
  // Of a block, one after the other or every other one; the first of them may be anywhere.
  const some = fc.record({ of: block, first: fc.nat(200), row: fc.nat(1000), apart: fc.constantFrom(1, 1, 1, 2), count: fc.nat(60) })
  const run = some.map(({ of, first, row, apart, count }) =>
    Array.from({ length: count }, (_, index) => [of * BLOCK + ((first + index * apart) % BLOCK), row + index] as const),
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(one, run), { maxLength: 20 }), (steps) => {
      const [rows, map] = [new HostRows(), new Map<number, number>()]
      for (const [entry, row] of steps.flat()) {
        rows.set(entry, row)
        map.set(entry, row)
      }
      for (const [entry, row] of map) {
        expect(rows.get(entry)).toBe(row)
        const start = rows.startOf(entry)
        if (start >= -BLOCK + 1) expect(start + (entry % BLOCK)).toBe(row)
      }
    }),
    { numRuns: 300 },
  )
})

it('a block whose hosts have rows in a row has one number, and a list when one of them has another', () => {
  const rows = new HostRows()
  for (let host = 100; host < BLOCK; host++) rows.set(7 * BLOCK + host, host - 100)
  expect(rows.startOf(7 * BLOCK)).toBe(-100)
  rows.set(7 * BLOCK + 200, 5000)
  expect(rows.startOf(7 * BLOCK)).toBeLessThan(-BLOCK + 1)
  expect([100, 199, 200, 201].map((host) => rows.get(7 * BLOCK + host))).toEqual([0, 99, 5000, 101])
})

it('names an entry whose block has no rows', () => {
  expect(() => new HostRows().get(3)).toThrow('entry 3 has no row')
  const rows = new HostRows()
  rows.set(0, 1)
  expect(() => rows.get(BLOCK)).toThrow(`entry ${BLOCK} has no row`)
  expect(() => rows.get(99 * BLOCK)).toThrow(`entry ${99 * BLOCK} has no row`)
})
