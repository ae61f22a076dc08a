// Builds dist/ when a source is newer than the last build.
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepare, step, toolEnvironment, toolNode, toolScript } from './bootstrap.mjs'
import { packages, root } from './packages.mjs'

const STAMP = join(root, 'node_modules', '.heddle-built')

export function ensureBuilt() {
  const newest = Math.max(
    ...packages().flatMap(({ dir }) => [statSync(join(dir, 'package.json')).mtimeMs, ...times(join(dir, 'src'))]),
    statSync(join(root, 'tsup.config.ts')).mtimeMs,
  )
  const complete = packages().every(({ dir, entries }) => Object.keys(entries).length === 0 || existsSync(join(dir, 'dist', 'index.js')))
  if (complete && existsSync(STAMP) && statSync(STAMP).mtimeMs > newest) return
  step('Building')
  const begun = new Date()
  prepare(toolNode(), [toolScript('tsup', 'tsup')], { env: toolEnvironment() })
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  writeFileSync(STAMP, '')
  utimesSync(STAMP, begun, begun)
}

/** @param {string} dir @returns {number[]} */
function times(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? times(join(dir, entry.name)) : [statSync(join(dir, entry.name)).mtimeMs],
  )
}
