// npm run faults -- [SEEDS]: two speakers behind a transport that delays, cuts, resets and dies, for so many seeds of each kind (packages/bgp/test/speaker).
import { ensureInstalled, requireNode, toolEnvironment, toolNode, toolScript, tryRun } from './lib/bootstrap.mjs'

requireNode()
ensureInstalled()
const seeds = process.argv[2] ?? '1000'
console.log(`faults: seeds 1 to ${seeds} of each kind`)
const env = { ...toolEnvironment(), HEDDLE_FAULT_SEEDS: seeds }
process.exit(tryRun(toolNode(), [toolScript('vitest', 'vitest'), 'run', 'packages/bgp/test/speaker/faults.test.ts'], { env }))
