import { buildSync } from 'esbuild'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, parse } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, sourceAliases } from '../../../../scripts/lib/packages.mjs'

/** A script of one file, until it is removed. */
export interface Bundle {
  readonly script: string
  readonly execArgv: readonly string[]
  readonly remove: () => void
}

/** What a keeper's number begins with: the version of this package. */
const OF_VERSION = /JSON\.stringify\(\[VERSION\d*, vrf,/g

/** The keeper of BFD sessions, bundled from today's sources: it starts in a fraction of the time that it takes to read TypeScript. */
export const bundledKeeper = (): Bundle => bundle(new URL('../../src/keeper-main.ts', import.meta.url))

/** A script of today's sources, whose keepers are of another version than those of today. */
export function withLaterKeepers(source: URL): Bundle {
  const later = bundle(source)
  const before = readFileSync(later.script, 'utf8')
  const after = before.replaceAll(OF_VERSION, 'JSON.stringify(["later", vrf,')
  if (after === before) throw new Error(`nothing in ${later.script} is of a keeper's version`)
  writeFileSync(later.script, after)
  return later
}

function bundle(source: URL): Bundle {
  // In the repository, so that the native part is found where it always is.
  const out = join(root, 'out', 'test')
  mkdirSync(out, { recursive: true })
  const directory = mkdtempSync(join(out, 'keeper-'))
  const script = join(directory, `${parse(source.pathname).name}.mjs`)
  buildSync({
    entryPoints: [fileURLToPath(source)],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    alias: Object.fromEntries(sourceAliases().map(({ specifier, file }) => [specifier, file])),
  })
  return { script, execArgv: [], remove: () => rmSync(directory, { recursive: true, force: true }) }
}
