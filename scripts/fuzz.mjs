// npm run fuzz -- [TARGET] [--seconds N] [--seed N] [--save]: octets that nobody thought of, for one decoder or for each in turn (packages/bgp/fuzz).
import { ensureInstalled, requireNode, toolEnvironment, toolNode, toolScript, tryRun } from './lib/bootstrap.mjs'

requireNode()
ensureInstalled()
const args = process.argv.slice(2)
const options = { seconds: '60', seed: String(Date.now() % 1_000_000) }
let target
let save = false
for (let at = 0; at < args.length; at++) {
  const name = /^--(seconds|seed)$/.exec(args[at])?.[1]
  if (args[at] === '--save') save = true
  else if (name === undefined) target = args[at]
  else options[name] = args[++at]
}
console.log(`fuzz: ${target ?? 'every target'}, ${options.seconds} s each, seed ${options.seed}`)
const env = {
  ...toolEnvironment(),
  HEDDLE_FUZZ_SECONDS: options.seconds,
  HEDDLE_FUZZ_SEED: options.seed,
  ...(save ? { HEDDLE_FUZZ_SAVE: '1' } : {}),
  ...(target === undefined ? {} : { HEDDLE_FUZZ_TARGET: target }),
}
process.exit(tryRun(toolNode(), [toolScript('vitest', 'vitest'), 'run', 'packages/bgp/test/fuzz'], { env }))
