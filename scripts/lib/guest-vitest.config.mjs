// How vitest runs in a guest: as everywhere, with the patience that a machine in software asks for.
import { fileURLToPath } from 'node:url'
import { mergeConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

const MINUTE = 60_000
/** Hooks, tests, and what they wait for that say nothing else. */
const SLOWLY = { test: 20 * MINUTE, poll: 5 * MINUTE }

export default mergeConfig(base, {
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    setupFiles: [fileURLToPath(new URL('./guest-properties.mjs', import.meta.url))],
    reporters: ['verbose', fileURLToPath(new URL('./guest-reporter.mjs', import.meta.url))],
    testTimeout: SLOWLY.test,
    hookTimeout: SLOWLY.test,
    expect: { poll: { timeout: SLOWLY.poll } },
  },
})
