// Bounds what each property may take in a guest, and tells how many of its runs were made: one that was cut short has held in all of these.
import fc from 'fast-check'
import { expect } from 'vitest'
import { boundedRuns } from './bounded-runs.mjs'
import { fileAt, write } from './guest-reporter.mjs'

/** Milliseconds. */
const PATIENCE = 120_000

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`)

fc.configureGlobal({
  ...fc.readConfigureGlobal(),
  ...boundedRuns(PATIENCE, print, (reason, runs) => {
    const { testPath = '', currentTestName = '' } = expect.getState()
    write({ state: 'cut', test: `${fileAt(testPath)} > ${currentTestName}`, reason, ...runs })
  }),
})
