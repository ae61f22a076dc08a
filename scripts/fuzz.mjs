// npm run fuzz -- [TARGET] [--seconds N] [--seed N] [--save]: octets that nobody thought of, for one decoder or for each in turn (packages/bgp/fuzz).
import { commandLine, ensureInstalled, requireNode, toolEnvironment, toolNode, toolScript, tryRun } from './lib/bootstrap.mjs'

const USAGE = `npm run fuzz -- [TARGET] [--seconds N] [--seed N] [--save]
  TARGET     the decoder that reads the octets, each in turn unless named (packages/bgp/fuzz)
  --seconds  for each, 60 unless said
  --seed     of the octets, by the clock unless said
  --save     keeps octets that reached what none had before`

requireNode()
const { values: options, positionals } = commandLine(USAGE, {
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    save: { type: 'boolean', default: false },
  },
})
ensureInstalled()
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
