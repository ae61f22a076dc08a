import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BLOCK } from '../layout/structs/next-hop.js'
import { BlockMemory, FibFullError } from './block-memory.js'

const BLOCKS = 64

type Act =
  | { readonly type: 'grow'; readonly blocks: number; readonly of: number | undefined }
  | { readonly type: 'release' | 'leave' | 'publish'; readonly of: number }
  | { readonly type: 'wait' }
  | { readonly type: 'tell' }

const index = fc.nat(7)
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('grow' as const),
      blocks: fc.integer({ min: 1, max: 9 }),
      of: fc.option(index, { nil: undefined }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('release' as const, 'leave' as const, 'publish' as const), of: index }) },
  { weight: 2, arbitrary: fc.constantFrom<Act>({ type: 'wait' }, { type: 'tell' }) },
)

describe('memory of the FIB', () => {
  it('gives no word to two regions, none to a new one while programs may read it, and keeps what grows', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        let now = 0
        const words = new Uint32Array(BLOCKS * BLOCK)
        const memory = new BlockMemory(words, () => now)
        const regions: { words: Uint32Array; mark: number; isPublished: boolean }[] = []
        /** Blocks that were published and let go of, and when. */
        const resting = new Map<number, number>()
        const rest = (region: Uint32Array): void => {
          for (let block = 0; block < region.length / BLOCK; block++) resting.set(memory.blockOf(region) + block, now)
        }
        /** Regions that were published and let go of, and that programs are led to until they are told. */
        let led: Uint32Array[] = []
        const leads = (block: number): boolean =>
          led.some((region) => memory.blockOf(region) <= block && block < memory.blockOf(region) + region.length / BLOCK)
        let mark = 0
        for (const each of acts) {
          if (each.type === 'wait') now += 1000
          else if (each.type === 'tell') {
            for (const region of led) {
              memory.rest(memory.blockOf(region))
              rest(region)
            }
            led = []
          } else if (each.type === 'grow') {
            const before = each.of === undefined ? undefined : regions[each.of]
            const blocks = each.blocks + (before === undefined ? 0 : before.words.length / BLOCK)
            try {
              const given = memory.grow(blocks * BLOCK, before?.words)
              if (before === undefined) {
                expect(given.every((word) => word === 0)).toBe(true)
                regions.push({ words: given, mark: ++mark, isPublished: false })
                given[0] = mark
              } else {
                expect(given[0]).toBe(before.mark)
                expect(given.subarray(before.words.length).every((word) => word === 0)).toBe(true)
                const isMoved = memory.blockOf(given) !== memory.blockOf(before.words)
                if (isMoved && before.isPublished) led.push(before.words)
                Object.assign(before, { words: given, isPublished: before.isPublished && !isMoved })
              }
              for (let block = 0; block < blocks; block++) {
                expect(leads(memory.blockOf(given) + block)).toBe(false)
                const since = resting.get(memory.blockOf(given) + block)
                if (since !== undefined) expect(now - since).toBeGreaterThanOrEqual(50)
                resting.delete(memory.blockOf(given) + block)
              }
            } catch (error) {
              expect(error).toBeInstanceOf(FibFullError)
            }
          } else {
            const region = regions[each.of]
            if (region === undefined) continue
            if (each.type === 'publish') {
              memory.publish(region.words)
              region.isPublished = true
            } else {
              memory[each.type](region.words)
              if (region.isPublished && each.type === 'release') rest(region.words)
              if (region.isPublished && each.type === 'leave') led.push(region.words)
              regions.splice(each.of, 1)
            }
          }
          const held = regions.flatMap(({ words: region }) =>
            Array.from({ length: region.length / BLOCK }, (_, block) => memory.blockOf(region) + block),
          )
          expect(new Set(held).size).toBe(held.length)
          for (const { words: region, mark: wanted } of regions) expect(region[0]).toBe(wanted)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('has everything back when all is released', () => {
    let now = 0
    const memory = new BlockMemory(new Uint32Array(BLOCKS * BLOCK), () => now)
    const regions = Array.from({ length: 8 }, () => memory.grow(8 * BLOCK))
    expect(() => memory.grow(BLOCK)).toThrow(FibFullError)
    for (const region of regions) memory.publish(region)
    for (const region of regions) memory.release(region)
    expect(() => memory.grow(BLOCKS * BLOCK)).toThrow(FibFullError)
    now += 50
    expect(memory.grow(BLOCKS * BLOCK)).toHaveLength(BLOCKS * BLOCK)
  })
})
