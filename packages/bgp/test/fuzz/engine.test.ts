import { expect, test } from 'vitest'
import { fuzz } from '../../fuzz/engine.js'
import { guarded } from './guarded.js'

test('coverage leads to a fault that nothing else would find, and the input is made small', () => {
  const target = { name: 'guarded', seeds: [new Uint8Array(6)], check: (bytes: Uint8Array) => void guarded(bytes) }
  const { failure, corpus } = fuzz(target, { seconds: 60, seed: 3, counts: (url) => url.includes('guarded') })
  expect([...(failure?.input ?? [])]).toEqual([0x17, 0xc3, 0x5a])
  expect(failure?.error).toBeInstanceOf(RangeError)
  expect(corpus.length).toBeGreaterThan(1)
})
