import { defineConfig } from 'vitest/config'
import { sourceAliases } from './scripts/lib/packages.mjs'

export default defineConfig({
  resolve: {
    alias: sourceAliases().map(({ specifier, file }) => ({ find: new RegExp(`^${specifier}$`), replacement: file })),
  },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    testTimeout: 20_000,
    pool: 'threads',
  },
})
