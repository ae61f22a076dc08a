import { DATAPLANE_FEATURES } from '@heddle/core'
import { testDataplane, type TestContext } from '@heddle/dataplane-conformance'
import { describe, it } from 'vitest'
import { memoryHarness } from './memory-harness.js'

const runs = process.env['HEDDLE_DEPTH'] === 'full' ? 4000 : 400
const patient = (name: string, body: (context: TestContext) => Promise<void>): void => it(name, (context) => body(context), runs * 1000)

testDataplane('memory', memoryHarness(), { test: { describe, it: patient }, runs })
testDataplane('memory, IPv6 underlay first', memoryHarness({ families: [6, 4] }), { test: { describe, it: patient }, runs })
testDataplane('memory, without features', memoryHarness({ features: [] }), { test: { describe, it: patient }, runs: runs / 4 })
// Traces are limited by the clock as well, and would be told no more.
const timed = { hasClock: true, features: DATAPLANE_FEATURES.filter((feature) => feature !== 'trace') }
testDataplane('memory, by a clock', memoryHarness(timed), { test: { describe, it: patient }, runs: runs / 4 })
