// npm run check:layers: a package imports only what its layer allows, there are no cycles, and pure packages stay free of Node.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { packages, root } from './lib/packages.mjs'

const ALL = ['wire', 'io', 'mpls', 'bgp', 'core', 'linux', 'forwarding', 'exchange', 'dataplane-conformance', 'dataplane-memory', 'dataplane-tun', 'agent', 'cli']

/** Package to what it may import; the table of docs/ARCHITECTURE.md, which a test compares with this one. */
export const LAYERS = {
  wire: [],
  io: ['wire'],
  mpls: ['wire'],
  bgp: ['wire', 'io'],
  core: ['wire', 'mpls', 'io'],
  linux: ['wire', 'io'],
  forwarding: ['wire', 'mpls', 'core', 'io'],
  exchange: ['wire', 'core', 'bgp'],
  'dataplane-conformance': ['wire', 'mpls', 'core'],
  'dataplane-memory': ['wire', 'mpls', 'core', 'forwarding', 'io'],
  'dataplane-tun': ['wire', 'mpls', 'core', 'forwarding', 'linux', 'io'],
  agent: ['wire', 'core', 'exchange', 'bgp', 'io'],
  cli: ALL.filter((name) => name !== 'cli'),
  heddle: ALL,
}

/** Packages that run anywhere: no `node:` import and no name only Node has, outside a `node/` folder. */
export const PURE = ['wire', 'io', 'mpls', 'bgp', 'core', 'forwarding', 'exchange', 'dataplane-conformance', 'dataplane-memory', 'agent']

const NODE_ONLY = /(?<![.\w'"`/-])(Buffer|process|__dirname|__filename|setImmediate|clearImmediate|setTimeout|clearTimeout|setInterval)\b(?!['"`:])/

const problems = []
for (const { folder, dir, manifest } of packages()) {
  const allowed = LAYERS[folder]
  if (allowed === undefined) {
    problems.push(`packages/${folder}: not in the layer table of scripts/check-layers.mjs`)
    continue
  }
  const used = new Set()
  for (const file of sources(join(dir, 'src'))) {
    const place = relative(root, file)
    const text = withoutComments(readFileSync(file, 'utf8'))
    const isTestOnly = /\.test\.ts$/.test(file)
    if (isTestOnly) continue
    for (const [, specifier] of text.matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*|\brequire\(\s*)['"]([^'"]+)['"]/g)) {
      const heddle = /^@heddle\/([^/]+)|^(heddle)$/.exec(specifier)
      if (heddle !== null) {
        const name = heddle[1] ?? heddle[2]
        used.add(name)
        if (name !== folder && !allowed.includes(name)) problems.push(`${place}: ${folder} may not import ${specifier}`)
      } else if (specifier.startsWith('node:')) {
        if (PURE.includes(folder) && !/\/src\/node\//.test(file)) problems.push(`${place}: a pure package may not import ${specifier}`)
      } else if (!specifier.startsWith('.')) {
        const name = specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
        const declared = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies }
        if (declared[name] === undefined) problems.push(`${place}: ${name} is not declared in packages/${folder}/package.json`)
      }
    }
    if (PURE.includes(folder) && !/\/src\/node\//.test(file)) {
      const [line, name] = firstNodeOnly(text)
      if (name !== undefined) problems.push(`${place}:${line}: a pure package may not use ${name}`)
    }
  }
  for (const name of Object.keys(manifest.dependencies ?? {})) {
    const own = /^@heddle\/(.+)$/.exec(name)?.[1]
    if (own !== undefined && !used.has(own) && used.size > 0) problems.push(`packages/${folder}/package.json: ${name} is declared and not used`)
  }
}

if (problems.length > 0) {
  console.error(problems.join('\n'))
  process.exit(1)
}
console.log(`${Object.keys(LAYERS).length} packages keep to their layers`)

/** @param {string} dir @returns {string[]} */
function sources(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    return entry.isDirectory() ? sources(path) : /\.ts$/.test(entry.name) && !/\.d\.ts$/.test(entry.name) ? [path] : []
  })
}

/** Comments become blanks of the same length, so that line numbers stay true. @param {string} text */
function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, ' '))
}

/** @param {string} text @returns {[number, string | undefined]} */
function firstNodeOnly(text) {
  for (const [index, line] of text.split('\n').entries()) {
    const found = NODE_ONLY.exec(line.replace(/'[^']*'|"[^"]*"/g, "''"))
    if (found !== null) return [index + 1, found[1]]
  }
  return [0, undefined]
}
