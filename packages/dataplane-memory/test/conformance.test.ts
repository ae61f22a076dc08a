import { DATAPLANE_FEATURES } from '@heddle/core'
import { conformanceCases, Lab, testDataplane, type TestContext } from '@heddle/dataplane-conformance'
import { describe, expect, it } from 'vitest'
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
