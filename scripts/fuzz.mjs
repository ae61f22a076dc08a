// npm run fuzz -- [TARGET] [--seconds N] [--seed N] [--save]: octets that nobody thought of, for one decoder or for each in turn (packages/bgp/fuzz).
import { parseArgs } from 'node:util'
import { ensureInstalled, requireNode, toolEnvironment, toolNode, toolScript, tryRun } from './lib/bootstrap.mjs'

requireNode()
ensureInstalled()
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    save: { type: 'boolean', default: false },
  },
})
const [target] = positionals
console.log(`fuzz: ${target ?? 'every target'}, ${options.seconds} s each, seed ${options.seed}`)
const env = {
  ...toolEnvironment(),
  HEDDLE_FUZZ_SECONDS: options.seconds,
  HEDDLE_FUZZ_SEED: options.seed,
  ...(options.save ? { HEDDLE_FUZZ_SAVE: '1' } : {}),
  ...(target === undefined ? {} : { HEDDLE_FUZZ_TARGET: target }),
}
process.exit(tryRun(toolNode(), [toolScript('vitest', 'vitest'), 'run', 'packages/bgp/test/fuzz'], { env }))
