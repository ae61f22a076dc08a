import { FibTable } from '@heddle/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { columnsOf, memories, stride, toldOf } from '../../test/support/kernel-routes.js'

const word = fc.constantFrom(0, 1, 0x0a000000, 0xffffffff, 0x80000000)
const change = fc.record({
  isRemoval: fc.boolean(),
  family: fc.constantFrom(4 as const, 6 as const),
  words: fc.tuple(word, word),
  length: fc.constantFrom(32, 64),
  group: fc.nat({ max: 3 }),
  apart: stride,
})

describe('the routes that programs look up, as an engine has them', () => {
  it('are those of a FIB table, after whatever was set and deleted', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
        const [{ routes }, table] = [memories(1024, 256), new FibTable()]
        for (const { isRemoval, family, words, length: drawn, group, apart } of changes) {
          const [w1, length] = family === 4 || drawn === 32 ? [0, 32] : [words[1], 64]
          const key = [family, words[0], w1, 0, 0, length] as const
          if (isRemoval) expect(routes.delete(...key)).toBe(table.delete(...key))
          else expect(routes.set(...key, group)).toBe(table.set(...key, group))
          if (group === 3 && family === 4 && !isRemoval) {
            // A few at once, one of them named twice.
            const [address, other] = words
            const twice = { address: other, length: 32 }
            const many = columnsOf([twice, { address, length: other === 0 ? 0 : 32 }, twice], 1, apart)
            expect(toldOf(routes, many)).toEqual(toldOf(table, many))
          }
          expect([routes.size, routes.get(...key)]).toEqual([table.size, table.get(...key)])
        }
        const all = (of: typeof routes | FibTable): string[] => {
          const rows: string[] = []
          of.forEach((family, ...row) => rows.push([family, ...row.map((value) => value >>> 0)].join()))
          return rows.sort()
        }
        expect(all(routes)).toEqual(all(table))
      }),
      { numRuns: 200 },
    )
  })
})
