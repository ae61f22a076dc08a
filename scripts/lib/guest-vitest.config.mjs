// How vitest runs in a guest: as everywhere, with the patience that a machine in software asks for.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, mergeConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

const MINUTE = 60_000
/** Hooks, tests, and what they wait for that say nothing else. */
const SLOWLY = { test: 45 * MINUTE, poll: 15 * MINUTE }
const root = fileURLToPath(new URL('../..', import.meta.url))
const { include = [], exclude = [] } = base.test ?? {}
/** Tests with modules in the place of others, which are not put there where another file has read those. */
const mocking = globSync(include, { cwd: root }).filter((file) => /^vi\.mock\(/m.test(readFileSync(join(root, file), 'utf8')))

/** @param {string} name @param {import('vitest/config').ViteUserConfig['test']} test */
const project = (name, test) =>
  mergeConfig(
    { ...base, test: { ...base.test, include, exclude, ...test } },
    {
      root,
      test: {
        name,
        setupFiles: [fileURLToPath(new URL('./guest-properties.mjs', import.meta.url))],
        testTimeout: SLOWLY.test,
        hookTimeout: SLOWLY.test,
        expect: { poll: { timeout: SLOWLY.poll } },
      },
    },
  )

// Not of the base: what that has of files would be of both.
export default defineConfig({
  root,
  test: {
    projects: [
      // To read the sources once a worker, and not once a file, is half of the time of a run.
      project('read once', { isolate: false, exclude: [...exclude, ...mocking] }),
      project('with mocks', { include: mocking }),
    ],
    maxWorkers: '100%',
    reporters: ['verbose', fileURLToPath(new URL('./guest-reporter.mjs', import.meta.url))],
  },
})
