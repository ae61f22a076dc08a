// npm run kernels -- [--kernel 6.1|6.12|newest] [TEST…]: runs the suite of the eBPF dataplane on Debian's kernels, each booted by qemu in software (no
// KVM, some ten times slower), with this machine's files as its root. Not a part of CI. Needs root, Debian on x64, and qemu, which it installs.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureInstalled, requireNode, step, toolNode } from './lib/bootstrap.mjs'
import { ensureNative } from './lib/native.mjs'
import { root } from './lib/packages.mjs'
import { ensureSystemPackages, isDebian, isRoot } from './lib/system-packages.mjs'
import { emptied, kernelIn, runInGuest } from './lib/guest-kernel.mjs'

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'heddle', 'kernels')
/** A machine in software takes its time: hooks and tests that say nothing else may take ten minutes. */
const SLOWLY = ['--testTimeout=600000', '--hookTimeout=600000']
/** Seconds that a kernel's run may take. */
const PATIENCE = 3600
const SUITE = ['conformance', 'known-flows.property', 'lifecycle', 'programs', 'traps'].map(
  (name) => `packages/dataplane-ebpf/test/${name}.test.ts`,
)

/**
 * Kernels by name: the package that leads to the newest of its kind, and the suite of Debian that it is in.
 * @type {Record<string, { readonly meta: string, readonly suite: string }>}
 */
const KERNELS = {
  6.1: { meta: 'linux-image-cloud-amd64', suite: 'bookworm' },
  6.12: { meta: 'linux-image-6.12-cloud-amd64', suite: 'bookworm-security' },
  newest: { meta: 'linux-image-cloud-amd64', suite: 'trixie-backports' },
}

/**
 * Apt with sources and state of its own, so that this machine's are left alone.
 * @param {string} suite
 */
function apt(suite) {
  const state = join(CACHE, 'apt', suite)
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'parts']) mkdirSync(join(state, name), { recursive: true })
  const base = suite.endsWith('-security') ? 'debian-security' : 'debian'
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(join(state, 'sources.list'), `deb [signed-by=${keyring}] http://deb.debian.org/${base} ${suite} main\n`)
  const options = {
    'Dir::Etc::SourceList': join(state, 'sources.list'),
    'Dir::Etc::SourceParts': join(state, 'parts'),
    'Dir::State': join(state, 'state'),
    'Dir::Cache': join(state, 'cache'),
    'APT::Sandbox::User': 'root',
  }
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  /** @param {string} program @param {string[]} words @param {string} [cwd] */
  return (program, words, cwd) => execFileSync(program, [...flags, ...words], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/**
 * Folder with a kernel's package unpacked; fetched once.
 * @param {string} name
 */
function fetched(name) {
  const folder = join(CACHE, name)
  if (existsSync(folder)) return folder
  const { meta, suite } = KERNELS[name]
  const run = apt(suite)
  run('apt-get', ['update', '-qq'])
  const [, image] = /Depends: (linux-image-\S+)/.exec(run('apt-cache', ['depends', meta])) ?? []
  if (image === undefined) throw new Error(`${meta} leads to no kernel`)
  step(`Fetching ${image} from ${suite}`)
  const work = emptied(`${folder}.partial`)
  // newer packages hold the kernel and its modules in packages of their own
  const parts = [...run('apt-cache', ['depends', image]).matchAll(/Depends: (linux-(?:binary|modules|image-unsigned)-\S+)/g)].map(
    ([, part]) => part,
  )
  run('apt-get', ['download', '-qq', image, ...parts], work)
  for (const archive of readdirSync(work).filter((name) => name.endsWith('.deb')))
    execFileSync('dpkg-deb', ['-x', join(work, archive), work])
  // and in the place that /lib leads to on a merged system
  if (!existsSync(join(work, 'lib'))) symlinkSync('usr/lib', join(work, 'lib'))
  renameSync(work, folder)
  return folder
}

requireNode()
const { values, positionals } = parseArgs({ options: { kernel: { type: 'string', multiple: true } }, allowPositionals: true })
const wanted = values.kernel ?? Object.keys(KERNELS)
const unknown = wanted.find((name) => !(name in KERNELS))
if (unknown !== undefined || process.arch !== 'x64' || !isDebian() || !isRoot()) {
  console.error(
    unknown === undefined ? 'needs root and Debian on x64' : `no kernel ${unknown}; there are: ${Object.keys(KERNELS).join(', ')}`,
  )
  process.exit(2)
}
ensureInstalled()
ensureSystemPackages(['qemu-system-x86', 'busybox-static', 'kmod', 'cpio', 'xz-utils', 'iproute2', 'iputils-ping'], { install: true })
ensureNative({ install: true })

const tests = positionals.length > 0 ? positionals : SUITE
const command = [
  'env',
  'CI=1',
  'NO_COLOR=1',
  toolNode(),
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  '--reporter=verbose',
  ...SLOWLY,
  ...tests,
]
/** @type {string[]} */
const results = []
for (const name of wanted) {
  let folder
  try {
    folder = fetched(name)
  } catch (error) {
    results.push(`${name}: skipped, its package is out of reach: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
    continue
  }
  const { version, image } = kernelIn(folder)
  step(`Linux ${version}`)
  const start = Date.now()
  const status = await runInGuest({ folder, version, image, command, timeout: PATIENCE, print: (line) => console.log(`  ${line}`) })
  const seconds = Math.round((Date.now() - start) / 1000)
  results.push(
    `${name} (Linux ${version}): ${status === 0 ? 'passed' : status === undefined ? 'did not end' : `failed (${status})`} in ${seconds} s`,
  )
  if (status !== 0) process.exitCode = 1
}
step('Kernels')
for (const result of results) console.log(`  ${result}`)
