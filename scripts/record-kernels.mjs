// npm run kernels:record -- [--check] [FILE…]: keeps in docs/kernels what `npm run kernels -- --json` said, and makes the tables of docs/INTEROP.md of all that is
// kept. Runs of parts of a suite are put together where they are of one commit and one kernel. `--check`: only whether the tables are what the records give.
import { readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { commandLine, requireNode } from './lib/bootstrap.mjs'
import { keep, keptRecords, RecordError, TABLES_FILE, withTables } from './lib/kernel-records.mjs'
import { root } from './lib/packages.mjs'

const USAGE = `npm run kernels:record -- [--check] [FILE…]
  FILE     documents of npm run kernels -- --json; without one the tables are made anew
  --check  whether the tables of docs/INTEROP.md are what docs/kernels gives`

requireNode()
const { values, positionals } = commandLine(USAGE, { options: { check: { type: 'boolean' } }, allowPositionals: true })
try {
  if (values.check) check()
  else write()
} catch (error) {
  if (!(error instanceof RecordError)) throw error
  console.error(error.message)
  process.exitCode = 1
}

function check() {
  const text = readFileSync(TABLES_FILE, 'utf8')
  if (withTables(text, keptRecords()) === text) return
  throw new RecordError(`${relative(root, TABLES_FILE)} is not what docs/kernels gives; run: node scripts/record-kernels.mjs`)
}

function write() {
  for (const file of positionals) {
    const kept = keep(JSON.parse(readFileSync(file, 'utf8')))
    console.log(`${file}: ${kept.map((path) => relative(root, path)).join(', ') || 'no kernel was reached'}`)
  }
  writeFileSync(TABLES_FILE, withTables(readFileSync(TABLES_FILE, 'utf8'), keptRecords()))
}
