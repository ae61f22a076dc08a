// npm run build: JavaScript by tsup, types by tsc.
import { ensureInstalled, requireNode, run, toolEnvironment, toolNode, toolScript } from './lib/bootstrap.mjs'

requireNode()
ensureInstalled()

const node = toolNode()
const env = toolEnvironment()
run(node, [toolScript('tsup', 'tsup')], { env })
run(node, [toolScript('@typescript/native', 'tsc'), '-b'], { env })
