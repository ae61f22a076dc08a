// The public surface is a decision: every exported name stands in docs/exports.txt, and a change of it is seen in review. `--update` rewrites the file.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packages, root } from './lib/packages.mjs'

const file = join(root, 'docs', 'exports.txt')
const lines = []
const problems = []
for (const { name, dir, entries } of packages()) {
  for (const [key, source] of Object.entries(entries)) {
    const specifier = key === '.' ? name : `${name}${key.slice(1)}`
    const text = readFileSync(join(dir, source), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
    if (/export\s*\*/.test(text)) problems.push(`${specifier}: export * hides what is exported; name each`)
    for (const [, isType, list] of text.matchAll(/export\s+(type\s+)?\{([^}]*)\}/g)) {
      for (const item of list.split(',')) {
        const [, itemType, exported] = /^\s*(type\s+)?(?:\w+\s+as\s+)?(\w+)\s*$/.exec(item) ?? []
        if (exported !== undefined) lines.push(`${specifier} ${isType !== undefined || itemType !== undefined ? 'type ' : ''}${exported}`)
      }
    }
  }
}
const current = `${[...new Set(lines)].sort().join('\n')}\n`
if (process.argv.includes('--update')) writeFileSync(file, current)
const tracked = existsSync(file) ? readFileSync(file, 'utf8') : ''
const before = new Set(tracked.split('\n'))
const after = new Set(current.split('\n'))
for (const line of after) if (!before.has(line)) problems.push(`new: ${line}`)
for (const line of before) if (!after.has(line)) problems.push(`gone: ${line}`)
if (problems.length > 0) {
  console.error(`${problems.join('\n')}\n\nIf the change is meant: node scripts/check-exports.mjs --update`)
  process.exit(1)
}
console.log(`${after.size - 1} exported names, all known`)
