import { describe, expect, it } from 'vitest'
import { GracePeriods } from './grace-periods.js'

describe('grace periods', () => {
  it('have passed for what was let go of before they began, one after the other', async () => {
    const ends: (() => void)[] = []
    const grace = new GracePeriods({
      wait: () => undefined,
      passed: () => new Promise((resolve) => ends.push(resolve)),
    })
    const first = grace.now
    expect(ends).toHaveLength(1)
    // The one that is under way began before this.
    const second = grace.now
    expect(second).toBeGreaterThan(first)
    expect(grace.passed).toBeLessThan(first)
    ends[0]()
    await expect.poll(() => ends.length).toBe(2)
    expect(grace.passed).toBe(first)
    ends[1]()
    await expect.poll(() => grace.passed).toBe(second)
    expect(ends).toHaveLength(2)
  })

  it('that are waited for pass everything', () => {
    const grace = new GracePeriods({ wait: () => undefined, passed: () => new Promise(() => undefined) })
    const moments = [grace.now, grace.now]
    grace.wait()
    expect(grace.passed).toBe(Math.max(...moments))
  })

  it('that fail pass nothing, and are tried again', async () => {
    let attempts = 0
    const grace = new GracePeriods({
      wait: () => undefined,
      passed: () => (attempts++ === 0 ? Promise.reject(new Error('refused')) : Promise.resolve()),
    })
    const moment = grace.now
    await Promise.resolve()
    await Promise.resolve()
    expect([grace.passed, attempts]).toEqual([0, 1])
    expect(grace.now).toBeGreaterThan(moment)
    await expect.poll(() => grace.passed).toBeGreaterThanOrEqual(moment)
  })
})
