// npm run check:layers: a package imports only what its layer allows, there are no cycles, and pure packages stay free of Node.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { packages, root } from './lib/packages.mjs'
import { PURE } from './lib/pure-packages.mjs'

const ALL = [
  'wire',
  'io',
  'mpls',
  'bfd',
  'bgp',
  'core',
  'linux',
  'forwarding',
  'exchange',
  'dataplane-conformance',
  'dataplane-memory',
  'dataplane-tun',
  'dataplane-ebpf',
  'agent',
  'cni',
  'cli',
]

/**
 * Package to what it may import; the table of docs/ARCHITECTURE.md.
 * @type {Record<string, string[] | undefined>}
 */
const LAYERS = {
  wire: [],
  io: ['wire'],
  mpls: ['wire'],
  bfd: ['wire', 'io'],
  bgp: ['wire', 'io'],
  core: ['wire', 'mpls', 'io'],
  linux: ['wire', 'io'],
  forwarding: ['wire', 'mpls', 'core', 'io'],
  exchange: ['wire', 'core', 'bgp'],
  'dataplane-conformance': ['wire', 'mpls', 'core'],
  'dataplane-memory': ['wire', 'mpls', 'bfd', 'core', 'forwarding', 'io'],
  'dataplane-tun': ['wire', 'mpls', 'bfd', 'core', 'forwarding', 'linux', 'io'],
  'dataplane-ebpf': ['wire', 'mpls', 'bfd', 'core', 'forwarding', 'linux', 'io'],
  agent: ['wire', 'core', 'exchange', 'bgp', 'io'],
  cni: ['wire', 'core', 'io', 'linux'],
  cli: ALL.filter((name) => name !== 'cli'),
  heddle: ALL,
}

/** Time comes from the injected clock. (Names that only Node has do not type-check in a pure package: it is compiled without Node's types.) */
const TIMERS = /(?<![.\w])(setTimeout|setInterval|setImmediate|queueMicrotask|performance|Date\.now)\b/

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
    if (file.endsWith('.test.ts')) continue
    const text = readFileSync(file, 'utf8')
    for (const { fileName: specifier } of ts.preProcessFile(text).importedFiles) {
      const heddle = /^@heddle\/([^/]+)|^(heddle)$/.exec(specifier)
      if (heddle !== null) {
        const name = heddle[1] ?? heddle[2]
        used.add(name)
        if (name !== folder && !allowed.includes(name)) problems.push(`${place}: ${folder} may not import ${specifier}`)
      } else if (specifier.startsWith('node:')) {
        if (PURE.includes(folder) && !/\/src\/node\//.test(file)) problems.push(`${place}: a pure package may not import ${specifier}`)
      } else if (!specifier.startsWith('.')) {
        const name = specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/')
        const bundled = manifest.devDependencies
        const declared = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies, ...bundled }
        if (declared[name] === undefined) problems.push(`${place}: ${name} is not declared in packages/${folder}/package.json`)
      }
    }
    if (PURE.includes(folder) && !/\/src\/node\//.test(file)) {
      for (const [index, line] of withoutComments(text).split('\n').entries()) {
        const found = TIMERS.exec(line.replace(/'[^']*'|"[^"]*"/g, "''"))
        if (found !== null) problems.push(`${place}:${index + 1}: a pure package may not use ${found[1]}`)
      }
    }
  }
  for (const name of Object.keys(manifest.dependencies ?? {})) {
    const own = /^@heddle\/(.+)$/.exec(name)?.[1]
    if (own !== undefined && !used.has(own) && used.size > 0)
      problems.push(`packages/${folder}/package.json: ${name} is declared and not used`)
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
    return entry.isDirectory() ? sources(path) : entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') ? [path] : []
  })
}

/** Comments become blanks of the same length, so that line numbers stay true. @param {string} text */
function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, ' '))
}
