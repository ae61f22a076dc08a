import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketsOf } from '../src/layout/buckets.js'

const members = fc.uniqueArray(fc.record({ nextHop: fc.nat(1000), weight: fc.integer({ min: 1, max: 9 }) }), {
  minLength: 2,
  maxLength: 8,
  selector: ({ nextHop }) => nextHop,
})

/** Next hop of each bucket. */
function spread(list: readonly { nextHop: number; weight: number }[], seed: number): number[] {
  return Array.from(bucketsOf({ id: 0, members: list, seed }), (index) => list[index].nextHop)
}

describe('the spread of flows over a group', () => {
  it('moves no bucket of a member that stays when another leaves, and none by order', () => {
    fc.assert(
      fc.property(members, fc.nat(0xffffffff), (list, seed) => {
        const before = spread(list, seed)
        const [gone, ...left] = list
        const after = left.length === 1 ? before.map(() => left[0].nextHop) : spread(left, seed)
        for (const [bucket, nextHop] of before.entries()) if (nextHop !== gone.nextHop) expect(after[bucket]).toBe(nextHop)
        expect(spread(list.toReversed(), seed)).toEqual(before)
      }),
    )
  })

  it('gives a member about the share of its weight, with another seed another one', () => {
    const list = [1, 2, 3, 4].map((nextHop) => ({ nextHop, weight: nextHop }))
    for (const seed of [0, 1, 0xdeadbeef]) {
      const found = spread(list, seed)
      for (const { nextHop, weight } of list) {
        const share = found.filter((each) => each === nextHop).length / found.length
        expect(Math.abs(share - weight / 10)).toBeLessThan(0.1)
      }
    }
    expect(spread(list, 1)).not.toEqual(spread(list, 2))
  })
})
