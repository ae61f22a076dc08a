// node scripts/schemas.mjs: writes docs/schema/ from the schemas in packages/cli/src/schema; their test compares the two.
import { spawnSync } from 'node:child_process'
import { root } from './lib/packages.mjs'

const { status } = spawnSync('npx', ['vitest', 'run', 'packages/cli/src/schema', '--update'], { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
