import { DATAPLANE_FEATURES } from '@heddle/core'
import { conformanceCases, Lab, testDataplane, type TestContext } from '@heddle/dataplane-conformance'
import { describe, expect, it, vi } from 'vitest'
import { memoryHarness } from './memory-harness.js'

const runs = process.env['HEDDLE_DEPTH'] === 'full' ? 4000 : 400
const patient = (name: string, body: (context: TestContext) => Promise<void>): void => it(name, (context) => body(context), runs * 1000)

testDataplane('memory', memoryHarness(), { test: { describe, it: patient }, runs })
testDataplane('memory, IPv6 underlay first', memoryHarness({ families: [6, 4] }), { test: { describe, it: patient }, runs })
testDataplane('memory, without features', memoryHarness({ features: [] }), { test: { describe, it: patient }, runs: runs / 4 })
// Traces are limited by the clock as well, and properties would be told no more.
const timed = { hasClock: true, features: DATAPLANE_FEATURES.filter((feature) => feature !== 'trace') }
testDataplane('memory, by a clock', memoryHarness(timed), { test: { describe, it: patient }, runs: runs / 4 })

describe('dataplane conformance: memory, by a clock, with traces', () => {
  const both = conformanceCases.filter(({ needs }) => (['rate-limit', 'trace'] as const).every((one) => needs?.offers?.includes(one)))

  it('has cases', () => expect(both).not.toEqual([]))

  it.each(both)('$name', async (one) => {
    const harness = await memoryHarness({ hasClock: true })()
    try {
      await one.run(new Lab(harness))
    } finally {
      await harness.close()
    }
  })
})

describe('dataplane conformance: memory, made to forget what is not certain', () => {
  const judged = conformanceCases.filter(({ name }) => /^property: .* the oracle allows/.test(name))

  it('agrees with the oracle, before and after', { timeout: runs * 1000 }, async () => {
    expect(judged).toHaveLength(4)
    let forgotten = 0
    for (const one of judged) {
      const harness = await memoryHarness(timed)()
      const apply = vi.spyOn(harness.dataplane, 'apply')
      try {
        await one.run(new Lab(harness, runs / 2, 1))
      } finally {
        await harness.close()
      }
      // Tables that are drawn have VRFs: only those that make it forget have none.
      forgotten += apply.mock.calls.filter(([{ vrfs }]) => vrfs.set.length === 0).length
    }
    expect(forgotten).toBeGreaterThan(0)
  })
})
