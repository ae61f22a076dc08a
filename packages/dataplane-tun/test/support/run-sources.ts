import { fileURLToPath } from 'node:url'

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Options of Node.js with which it runs this workspace's TypeScript as it stands, so that tests need no build. */
export const RUN_SOURCES = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning', '--import', file('./sources.mjs')]

/** The forwarder's process from its sources. */
export const FORWARDER = { script: file('../../src/forwarder-main.ts'), execArgv: RUN_SOURCES }
