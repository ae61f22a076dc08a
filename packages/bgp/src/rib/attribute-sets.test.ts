import { ByteWriter } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalAttributes, decodeAttributeSet } from '../attribute/attribute-set.js'
import { writeReflection } from '../attribute/reflection.js'
import { pathAttributes } from '../testing/attributes.js'
import { AttributeSets } from './attribute-sets.js'

const word = fc.integer({ min: 1, max: 0xffff_ffff })
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function reflected(canonical: Uint8Array, originator: number, cluster: number): Uint8Array {
  const out = new ByteWriter()
  writeReflection(canonical, { originator, cluster }, out)
  return out.finish()
}

describe('a set that is made by reflection', () => {
  test('has the octets and the value of the reflection, and keeps its set', () => {
    fc.assert(
      fc.property(pathAttributes, word, word, (attributes, originator, cluster) => {
        const sets = new AttributeSets()
        const canonical = canonicalAttributes(attributes)
        const id = sets.internOctets(canonical)
        const out = sets.reflect(id, originator, cluster)
        sets.release(id)
        const expected = reflected(canonical, originator, cluster)
        expect(hex(sets.bytes(out))).toBe(hex(expected))
        expect(sets.get(out)).toEqual(decodeAttributeSet(expected))
        expect(sets.octetsOf(out)).toBeGreaterThanOrEqual(expected.length)
        expect(sets.size).toBe(1)
        sets.release(out)
        expect(sets.size).toBe(0)
      }),
    )
  })

  test('is equal to another one exactly when their octets are', () => {
    // few values, so that an ORIGINATOR_ID that is there already makes reflections of different sources the same
    const few = fc.integer({ min: 1, max: 2 })
    let equal = 0
    fc.assert(
      fc.property(
        fc.array(pathAttributes, { minLength: 1, maxLength: 2 }),
        fc.array(fc.tuple(fc.nat(1), few, few), { minLength: 2, maxLength: 4 }),
        (values, made) => {
          const sets = new AttributeSets()
          const ids = values.map((attributes) => sets.intern({ attributes }))
          const all = made.flatMap(([at, originator, cluster]) => {
            const id = ids[at % ids.length]
            const out = sets.reflect(id, originator, cluster)
            return [id, out, sets.internOctets(sets.bytes(out).slice())]
          })
          for (const one of all) {
            for (const other of all) {
              const same = hex(sets.bytes(one)) === hex(sets.bytes(other))
              if (same && one !== other) equal++
              expect(sets.equal(one, other)).toBe(same)
            }
          }
        },
      ),
    )
    expect(equal).toBeGreaterThan(100)
  })

  test('is right however many reflections there are, and when their numbers are used again', () => {
    const sets = new AttributeSets()
    const canonical = canonicalAttributes({ origin: 'igp', asPath: [] })
    const id = sets.internOctets(canonical)
    for (const round of [0, 1000]) {
      const made = Array.from({ length: 200 }, (_, at) => ({ originator: round + at + 1, out: sets.reflect(id, round + at + 1, 7) }))
      for (const { originator, out } of made) {
        const expected = reflected(canonical, originator, 7)
        expect(hex(sets.bytes(out))).toBe(hex(expected))
        expect(sets.get(out)).toEqual(decodeAttributeSet(expected))
      }
      for (const { out } of made) sets.release(out)
      expect(sets.size).toBe(1)
      expect(sets.references(id)).toBe(1)
    }
  })
})
