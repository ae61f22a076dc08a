import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NearColumn } from './column.js'

const index = fc.nat(20_000)
const word = fc.oneof(index, fc.integer({ min: 0, max: 0xffff_ffff }))

test('a near column says what was written last, and the index where nothing was', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(index, word)), fc.array(index), (writes, others) => {
      const column = new NearColumn()
      const model = new Map<number, number>()
      for (const [at, value] of writes) {
        column.set(at, value)
        model.set(at, value)
      }
      for (const at of [...model.keys(), ...others]) expect(column.get(at)).toBe(model.get(at) ?? at)
    }),
  )
})

test('a near column of indices takes nothing', () => {
  const column = new NearColumn()
  for (let at = 0; at < 10_000; at++) column.set(at, at)
  expect(column.octets).toBe(0)
})
