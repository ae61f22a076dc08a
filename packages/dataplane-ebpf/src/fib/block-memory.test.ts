import { LinuxError } from '@heddle/linux'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BLOCK } from '../layout/structs/next-hop.js'
import { BlockMemory, FibFullError } from './block-memory.js'
import { GracePeriods } from './grace-periods.js'

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
        /** Grace periods that have passed. */
        let now = 0
        const grace = new GracePeriods({ wait: () => void now++, passed: () => new Promise(() => undefined) })
        const words = new Uint32Array(BLOCKS * BLOCK)
        const memory = new BlockMemory(words, grace)
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
          if (each.type === 'wait') grace.wait()
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
                if (since !== undefined) expect(now).toBeGreaterThan(since)
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

  it('has everything back when all is released, and waits for programs only where it cannot go on', () => {
    let waits = 0
    const grace = new GracePeriods({ wait: () => void waits++, passed: () => new Promise(() => undefined) })
    const memory = new BlockMemory(new Uint32Array(BLOCKS * BLOCK), grace)
    const regions = Array.from({ length: 8 }, () => memory.grow(8 * BLOCK))
    expect(() => memory.grow(BLOCK)).toThrow(FibFullError)
    for (const region of regions) memory.publish(region)
    for (const region of regions.slice(1)) memory.release(region)
    expect(waits).toBe(0)
    expect(memory.grow(56 * BLOCK)).toHaveLength(56 * BLOCK)
    expect(waits).toBe(1)
    memory.release(regions[0])
    expect(() => memory.grow(BLOCKS * BLOCK)).toThrow(FibFullError)
  })

  it('keeps what programs may still be reading when they cannot be waited for', () => {
    const refused = new LinuxError('ENOMEM', 12, 'wait for programs', 'Cannot allocate memory')
    const grace = new GracePeriods({
      wait: () => {
        throw refused
      },
      passed: () => Promise.reject(refused),
    })
    const memory = new BlockMemory(new Uint32Array(BLOCKS * BLOCK), grace)
    const region = memory.grow(BLOCKS * BLOCK)
    memory.publish(region)
    memory.release(region)
    // As where there is no room: what takes no more than that for a refusal would take it for the end.
    expect(() => memory.grow(BLOCK)).toThrow(FibFullError)
    expect(() => memory.grow(BLOCK)).toThrow(refused.message)
    expect(memory.used).toBe(BLOCKS)
  })
})
