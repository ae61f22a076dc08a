import { describe, expect, it } from 'vitest'
import { ManualClock, recordingLogger, seededRandom } from './index.js'

describe('ManualClock', () => {
  it('fires in the order of due times, then of setting, with now() at the due time', () => {
    const clock = new ManualClock(100)
    const seen: string[] = []
    clock.setTimer(20, () => seen.push(`b${clock.now()}`))
    clock.setTimer(10, () => {
      seen.push(`a${clock.now()}`)
      clock.setTimer(10, () => seen.push(`d${clock.now()}`))
    })
    clock.setTimer(20, () => seen.push(`c${clock.now()}`))
    const cancelled = clock.setTimer(15, () => seen.push('never'))
    cancelled.cancel()
    cancelled.cancel()
    expect(clock.pending).toEqual([110, 120, 120])
    clock.advance(25)
    expect(seen).toEqual(['a110', 'b120', 'c120', 'd120'])
    expect(clock.now()).toBe(125)
    expect(clock.advanceToNext()).toBe(false)
  })

  it('goes to the next timer, and lets promises settle in between', async () => {
    const clock = new ManualClock()
    const seen: number[] = []
    void (async () => {
      for (let round = 0; round < 3; round++) {
        await new Promise<void>((resolve) => clock.setTimer(10, resolve))
        seen.push(clock.now())
      }
    })()
    expect(clock.advanceToNext()).toBe(true)
    await clock.run(25)
    expect(seen).toEqual([10, 20, 30])
  })
})

it('seededRandom repeats itself for a seed only, and spreads', () => {
  const draw = (seed: number): number[] => {
    const random = seededRandom(seed)
    return Array.from({ length: 4096 }, () => random.uint32())
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
  const buckets = new Uint32Array(16)
  for (const word of draw(1)) buckets[word >>> 28]++
  expect(Math.min(...buckets)).toBeGreaterThan(190)
  expect(Math.max(...buckets)).toBeLessThan(330)
})

it('recordingLogger keeps lines with the fields of their context', () => {
  const logger = recordingLogger()
  logger.child({ peer: 'a' }).warn('session ended', { code: 6 })
  expect(logger.records).toEqual([{ level: 'warn', message: 'session ended', fields: { peer: 'a', code: 6 } }])
})
