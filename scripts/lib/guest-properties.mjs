// Bounds what each property may take in a guest, and prints how many of its runs were made: one that was cut short has held in all of these.
import fc from 'fast-check'
import { boundedRuns } from './bounded-runs.mjs'

/** Milliseconds. */
const PATIENCE = 120_000

fc.configureGlobal(boundedRuns(PATIENCE, (line) => process.stdout.write(`${line}\n`)))
