import { describe, expect, it } from 'vitest'
import { epochOf, sampleEpoch, timeOf } from './epoch.js'

/** What is found of samples, one after the other. */
function foundOf(...samples: readonly number[]): number[] {
  let found: number | undefined
  return samples.map((sample) => (found = epochOf(sample, found)))
}

describe('the epoch of the monotonic clock', () => {
  it('is the best of samples that are a little too small, so that times stay in their order', () => {
    expect(foundOf(999.2, 999.9, 999.1, 999.95, 998.5)).toEqual([999.2, 999.9, 999.9, 999.95, 999.95])
  })

  it('is another one when the wall clock was set, either way', () => {
    expect(foundOf(1000, 5000, 4999.5, 1000, 1000.4, 990)).toEqual([1000, 5000, 5000, 1000, 1000.4, 990])
  })

  it('makes the time of now of what the monotonic clock says now', () => {
    const [before, time] = [Date.now(), Number(process.hrtime.bigint())]
    const found = timeOf(time, sampleEpoch())
    expect(Math.abs(found - before)).toBeLessThan(60_000)
  })
})
