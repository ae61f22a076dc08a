// npm run check: everything static in one command. All steps run, then the failed ones are named.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { ensureInstalled, requireNode, step, toolEnvironment, toolNode, toolScript, tryRun } from './lib/bootstrap.mjs'
import { packages, root } from './lib/packages.mjs'
import { findCargo } from './lib/native.mjs'

requireNode()
ensureInstalled()
ensureInstalled(join(root, 'tools'))

const node = toolNode()
const env = toolEnvironment()
const tools = join(root, 'tools')
const cargo = findCargo()

/** @type {[name: string, check: () => number][]} */
const steps = [
  ['format', () => tryRun(node, [toolScript('oxfmt', 'oxfmt'), '--check', '.'], { env })],
  ['layers', () => tryRun(node, ['scripts/check-layers.mjs'], { env })],
  ['build', () => tryRun(node, ['scripts/build.mjs'], { env })],
  // What a package is to the others stands in its dist: lint asks for types too, and comes behind the build.
  ['lint', () => tryRun(node, [toolScript('oxlint', 'oxlint'), '--type-aware'], { env })],
  ['types', () => tryRun(node, [toolScript('@typescript/native', 'tsc'), '-p', 'tsconfig.test.json'], { env })],
  ['exports', () => tryRun(node, ['scripts/check-exports.mjs'], { env })],
  [
    'documentation',
    () => tryRun(node, ['scripts/check-documentation.mjs'], { env }) || tryRun(node, ['scripts/record-kernels.mjs', '--check'], { env }),
  ],
  ['benchmarks', () => tryRun(node, ['bench/harness/document.ts', '--check'], { env })],
  ['packages', checkPackages],
  ['native', checkNative],
]

const only = process.argv.slice(2)
const unknown = only.filter((name) => !steps.some(([known]) => known === name))
if (unknown.length > 0) {
  console.error(`unknown step ${unknown.join(', ')}; there are: ${steps.map(([name]) => name).join(', ')}`)
  process.exit(2)
}

const failed = []
for (const [name, check] of steps) {
  if (only.length > 0 && !only.includes(name)) continue
  step(name)
  const start = performance.now()
  const status = check()
  console.log(`  ${status === 0 ? 'ok' : 'FAILED'} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
  if (status !== 0) failed.push(name)
}
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.join(', ')}`)
  process.exit(1)
}
console.log('\nall checks pass')

/** Packs every package as it would be published and lets the gates judge the tarballs. */
function checkPackages() {
  const into = mkdtempSync(join(tmpdir(), 'heddle-pack-'))
  let bad = 0
  try {
    const dirs = packages().map(({ dir }) => dir)
    const packed = spawnSync('npm', ['pack', '--silent', '--pack-destination', into, ...dirs], { cwd: root, env, encoding: 'utf8' })
    if (packed.status !== 0) {
      console.error(packed.stderr)
      return 1
    }
    for (const tarball of readdirSync(into).sort()) {
      const path = join(into, tarball)
      for (const { name, bin, options } of [
        { name: 'publint', bin: 'publint', options: [path, '--strict'] },
        { name: '@arethetypeswrong/cli', bin: 'attw', options: [path, '--profile', 'esm-only'] },
      ]) {
        const { status, stdout, stderr } = spawnSync(node, [toolScript(name, bin, tools), ...options], { env, encoding: 'utf8' })
        if (status !== 0) {
          bad++
          console.error(`${tarball}: ${bin}\n${stdout}${stderr}`)
        }
      }
      const dry = spawnSync('npm', ['publish', '--dry-run', '--ignore-scripts', '--tag', 'next', path], {
        cwd: into,
        env,
        encoding: 'utf8',
      })
      if (dry.status !== 0) {
        bad++
        console.error(`${tarball}: npm publish --dry-run\n${dry.stderr}`)
      }
    }
    console.log(`  ${readdirSync(into).length} tarballs`)
  } finally {
    rmSync(into, { recursive: true, force: true })
  }
  return bad === 0 ? 0 : 1
}

/** Format, lint and unit tests of the Rust sources, and whether the tracked types are those that the sources give. */
function checkNative() {
  if (!existsSync(join(root, 'Cargo.toml'))) return 0
  if (cargo === undefined) {
    console.log('  not checked: no Rust toolchain here (the native sources are checked where cargo is)')
    return 0
  }
  const cargoEnv = { ...env, PATH: `${join(cargo, '..')}:${env.PATH}` }
  const has = (/** @type {string} */ name) => spawnSync(cargo, [name, '--version'], { env: cargoEnv, stdio: 'ignore' }).status === 0
  /** @type {string[]} */
  const bad = []
  const run = (/** @type {string} */ command, /** @type {string[]} */ parameters) => {
    if (tryRun(command, parameters, { env: cargoEnv }) !== 0) bad.push([basename(command), ...parameters].join(' '))
  }
  if (has('fmt')) run(cargo, ['fmt', '--check'])
  else console.log('  not checked: format (cargo fmt is not installed)')
  if (has('clippy')) run(cargo, ['clippy', '--quiet', '--all-targets', '--', '-D', 'warnings'])
  else console.log('  not checked: lint (cargo clippy is not installed)')
  // Optimised, since that is how the build that comes before or behind has compiled what these crates depend on.
  for (const crate of ['heddle-linux-core', 'heddle-ebpf-core', 'heddle-cni'])
    run(cargo, ['test', '--quiet', '--release', '--locked', '-p', crate])
  run(node, ['scripts/build-native.mjs', '--check-types', '--no-install'])
  // What failed first stands far above what the last of them prints.
  for (const line of bad) console.error(`  failed: ${line}`)
  return bad.length === 0 ? 0 : 1
}
