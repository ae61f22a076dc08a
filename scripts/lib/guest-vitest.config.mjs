// How vitest runs in a guest: as everywhere, with the patience that a machine in software asks for.
import { fileURLToPath } from 'node:url'
import { mergeConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

const MINUTE = 60_000
/** Hooks, tests, and what they wait for that say nothing else. */
const SLOWLY = { test: 45 * MINUTE, poll: 15 * MINUTE }

export default mergeConfig(base, {
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    // To read the sources once a worker, and not once a file, is half of the time of a run.
    isolate: false,
    setupFiles: [fileURLToPath(new URL('./guest-properties.mjs', import.meta.url))],
    reporters: ['verbose', fileURLToPath(new URL('./guest-reporter.mjs', import.meta.url))],
    testTimeout: SLOWLY.test,
    hookTimeout: SLOWLY.test,
    expect: { poll: { timeout: SLOWLY.poll } },
  },
})
