import { testDataplane } from '@heddle/dataplane-conformance'
import { describe, it } from 'vitest'
import { memoryHarness } from './memory-harness.js'

testDataplane('memory', memoryHarness(), { test: { describe, it }, runs: 400 })
testDataplane('memory, IPv6 underlay first', memoryHarness({ families: [6, 4] }), { test: { describe, it }, runs: 400 })
