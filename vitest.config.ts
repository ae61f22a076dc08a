import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { sourceAliases } from './scripts/lib/packages.mjs'

export default defineConfig({
  resolve: {
    alias: sourceAliases().map(({ specifier, file }) => ({ find: new RegExp(`^${specifier}$`), replacement: file })),
  },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    // Bounds of what hangs, not of what is slow: the machine may be busy with anything, and no test may fail by that.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
    setupFiles: [fileURLToPath(new URL('test/support/drawn-sizes.ts', import.meta.url))],
    // Processes, not threads of one: tests count what theirs has open.
    pool: 'forks',
    // One less when left out: on two processors that is half of them.
    maxWorkers: '100%',
  },
})
