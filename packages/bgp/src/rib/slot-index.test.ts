import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SlotIndex } from './slot-index.js'

/** Slots by hash, as plainly as can be. */
class Model {
  readonly #byHash = new Map<number, Set<number>>()

  of(hash: number): Set<number> {
    const known = this.#byHash.get(hash)
    if (known !== undefined) return known
    const slots = new Set<number>()
    this.#byHash.set(hash, slots)
    return slots
  }

  all(): [hash: number, slots: Set<number>][] {
    return [...this.#byHash]
  }
}

function found(index: SlotIndex, hash: number): number[] {
  const slots: number[] = []
  for (let slot = index.first(hash); slot !== 0; slot = index.next()) slots.push(slot)
  return slots.sort((a, b) => a - b)
}

/** A run of hashes that begins somewhere and goes on in steps: neighbours, equal low bits, equal high bits. */
const run = fc.record({
  from: fc.nat(0xffff_ffff),
  step: fc.constantFrom(0, 1, 1 << 11, 1 << 20, 0x9e37_79b9),
  count: fc.integer({ min: 1, max: 3000 }),
  /** One of so many is taken out again. */
  removeEvery: fc.constantFrom(0, 1, 2, 7),
})

test('slots are found by their hash, whatever the hashes are and whatever was taken out', () => {
  fc.assert(
    fc.property(fc.array(run, { minLength: 1, maxLength: 6 }), (runs) => {
      const index = new SlotIndex()
      const model = new Model()
      let next = 1
      let size = 0
      for (const { from, step, count, removeEvery } of runs) {
        // equal hashes make chains that are searched through: few of them do
        const entries = Array.from({ length: step === 0 ? Math.min(count, 100) : count }, (_, at) => ({
          slot: next++,
          hash: (from + Math.imul(at, step)) >>> 0,
        }))
        for (const { slot, hash } of entries) {
          index.add(slot, hash)
          model.of(hash).add(slot)
          size++
        }
        entries.forEach(({ slot, hash }, at) => {
          if (removeEvery === 0 || at % removeEvery !== 0) return
          index.remove(slot, hash)
          model.of(hash).delete(slot)
          size--
        })
      }
      expect(index.size).toBe(size)
      for (const [hash, slots] of model.all()) {
        if (found(index, hash).join() !== [...slots].join()) expect(found(index, hash)).toEqual([...slots])
      }
      for (const [hash, slots] of model.all()) for (const slot of slots) index.remove(slot, hash)
      expect([index.size, index.octets]).toEqual([0, 0])
    }),
    { numRuns: 15 },
  )
})

test('hashes that are chosen to be equal make it slow, but not large', () => {
  const index = new SlotIndex()
  for (let slot = 1; slot <= 5000; slot++) index.add(slot, 0xabcd_ef01)
  expect(found(index, 0xabcd_ef01)).toHaveLength(5000)
  expect(index.octets).toBeLessThan(1 << 20)
})
