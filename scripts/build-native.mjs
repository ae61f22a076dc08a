// Builds the native parts of @heddle/linux and @heddle/dataplane-ebpf from their Rust sources and writes the TypeScript types that come out of them;
// and, where there is a clang, the BPF programs of the latter.
//
//   node scripts/build-native.mjs                 build if the sources have changed
//   node scripts/build-native.mjs --force         build in any case
//   node scripts/build-native.mjs --check-types   build if needed; fail if a src/native/binding.d.ts is not what the sources say
//   node scripts/build-native.mjs --status        print what is there, as JSON
//   node scripts/build-native.mjs --arm64         build the libraries of the arm64 packages where there is no arm64
//   --no-install                                  name missing system packages instead of installing them
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
/**
 * Packages with a native part.
 *
 * @typedef {{ dir: string, binary: string, sources: string[], crate: string, output: string, stampFile: string, typesFile: string }} Part
 * @type {Part[]}
 */
const parts = [
  { folder: 'linux', binary: 'heddle-linux', output: 'napi', crates: ['linux'] },
  { folder: 'dataplane-ebpf', binary: 'heddle-ebpf', output: 'napi-ebpf', crates: ['linux', 'dataplane-ebpf'] },
].map(({ folder, binary, output, crates }) => {
  const dir = join(root, 'packages', folder)
  return {
    dir,
    binary,
    sources: crates.map((name) => join(root, 'packages', name, 'native')),
    crate: join(dir, 'native/node'),
    output: join(root, 'target', output),
    stampFile: join(root, `target/${binary}.stamp`),
    typesFile: join(dir, 'src/native/binding.d.ts'),
  }
})
const tools = join(root, 'tools')

/** napi-rs 3.12 and later want this Rust. */
const minimumRust = [1, 88]
/** What Debian 12 needs to build: a Rust new enough comes with its security updates, under this name. */
const debianPackages = ['cargo-web', 'gcc', 'libc6-dev']
/** What builds for arm64 elsewhere, and what Debian 12 has it in; the target is one of Rust's own: `rustup target add`. */
const arm64 = {
  platform: 'linux-arm64-gnu',
  target: 'aarch64-unknown-linux-gnu',
  linker: 'aarch64-linux-gnu-gcc',
  packages: ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross'],
}
/** By which every object of theirs is compiled: others make another one of the same sources. */
const BPF_FLAGS = '-O2 -g -Wall -Werror -mcpu=v3 -target bpf -fdebug-compilation-dir=.'.split(' ')
/** What Debian 12 needs to compile BPF programs. */
const bpfPackages = ['clang', 'libbpf-dev', 'llvm']

const bpf = join(root, 'packages/dataplane-ebpf/bpf')
const bpfObject = join(bpf, 'heddle.bpf.o')
const bpfStamp = join(root, 'target/heddle-bpf.stamp')

/** @returns {string | undefined} name of this machine's platform package, without the scope and `linux-` of ours */
function platform() {
  if (process.platform !== 'linux') return undefined
  if (process.arch !== 'x64' && process.arch !== 'arm64') return undefined
  // The rest of the report looks up names of peers, which may take long.
  if (process.report !== undefined) Object.assign(process.report, { excludeNetwork: true })
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report?.getReport() ?? {})
  return report.header?.glibcVersionRuntime === undefined ? undefined : `linux-${process.arch}-gnu`
}

/** @param {Part} part @returns {string | undefined} path of the built library, whether it is there or not */
function fileOf({ dir, binary }) {
  const name = platform()
  return name === undefined ? undefined : join(dir, 'npm', name, `${binary}.${name}.node`)
}

/** Hash of everything that a library is built from. @param {Part} part */
function sourceHash({ sources }) {
  const hash = createHash('sha256')
  const files = [join(root, 'Cargo.toml'), join(root, 'Cargo.lock'), ...sources.flatMap(walk)]
  for (const file of files.sort((a, b) => (a < b ? -1 : 1))) {
    hash.update(`${relative(root, file)}\0`)
    hash.update(readFileSync(file))
  }
  return hash.digest('hex')
}

/** @param {string} folder @returns {string[]} */
function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? walk(path) : [path]
  })
}

/** @returns {{ path: string, version: string } | { missing: string }} */
function findCargo() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin')]
  let found
  for (const folder of folders) {
    const path = join(folder, 'cargo')
    if (folder === '' || !existsSync(path)) continue
    const { stdout, status } = spawnSync(path, ['--version'], { encoding: 'utf8' })
    const match = /^cargo (\d+)\.(\d+)/.exec(stdout ?? '')
    if (status !== 0 || match === null) continue
    const [major, minor] = [Number(match[1]), Number(match[2])]
    found = `${major}.${minor}`
    if (major > minimumRust[0] || (major === minimumRust[0] && minor >= minimumRust[1])) return { path, version: found }
  }
  const wanted = minimumRust.join('.')
  return { missing: found === undefined ? `no cargo (Rust ${wanted} or newer)` : `cargo is ${found}, ${wanted} or newer is needed` }
}

/** Debian and what derives from it. */
function isDebian() {
  return existsSync('/usr/bin/apt-get') && existsSync('/etc/debian_version')
}

function canInstall() {
  return isDebian() && process.getuid?.() === 0
}

/**
 * What there is of the native parts, without changing anything.
 *
 * `built`: the libraries are there. `current`: they were built from the sources as they are. `canBuild`: a build can be tried on this machine.
 * `reason`: why it is not there, or not current, or cannot be built; empty when all is well. `install`: the line that would install what is missing.
 *
 * @returns {{ built: boolean, current: boolean, canBuild: boolean, reason: string, file: string | undefined, cargo: string | undefined, install: string | undefined }}
 */
export function nativeStatus() {
  const file = fileOf(parts[0])
  if (file === undefined) {
    const reason = `no native part for ${process.platform} ${process.arch}: it is for Linux with glibc on x64 and arm64`
    return { built: false, current: false, canBuild: false, reason, file, cargo: undefined, install: undefined }
  }
  const built = parts.every((part) => existsSync(fileOf(part) ?? ''))
  const current = built && parts.every((part) => existsSync(part.stampFile) && readFileSync(part.stampFile, 'utf8') === sourceHash(part))
  const cargo = findCargo()
  const install = 'path' in cargo || !isDebian() ? undefined : `apt-get install --no-install-recommends ${debianPackages.join(' ')}`
  const canBuild = 'path' in cargo || canInstall()
  const state = built ? (current ? '' : 'the native parts are older than their sources') : 'the native parts are not built'
  const reason = [state, state !== '' && 'missing' in cargo ? cargo.missing : ''].filter((part) => part !== '').join('; ')
  return { built, current, canBuild, reason, file, cargo: 'path' in cargo ? cargo.path : undefined, install }
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`)
}

/** @param {string} command @param {string[]} parameters @param {import('node:child_process').SpawnSyncOptions} [options] */
function run(command, parameters, options = {}) {
  const { status, error } = spawnSync(command, parameters, { stdio: ['ignore', 2, 2], ...options })
  if (error !== undefined || status !== 0)
    throw new Failure(`${command} ${parameters.join(' ')} failed${error === undefined ? ` (${status})` : `: ${error.message}`}`)
}

/** A reason that a person can act on; printed without a stack. */
class Failure extends Error {}

/** @param {boolean} install @returns {string} path of cargo */
function needCargo(install) {
  const cargo = findCargo()
  if ('path' in cargo) return cargo.path
  const line = `apt-get install --no-install-recommends ${debianPackages.join(' ')}`
  if (!isDebian()) throw new Failure(`${cargo.missing}; get it from https://rustup.rs`)
  if (!install || !canInstall()) throw new Failure(`${cargo.missing}; as root: ${line}`)
  say(`${cargo.missing}; installing with: ${line}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  run('apt-get', ['update', '-qq'], { env })
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...debianPackages], { env })
  const again = findCargo()
  if ('path' in again) return again.path
  throw new Failure(`${again.missing} even after installing ${debianPackages.join(' ')}`)
}

/** Folder with the Node that the tools want, and its npm run with it: an older npm leaves out optional packages that a tool needs. */
function toolPath() {
  const pinned = join(root, 'node_modules/.bin')
  return existsSync(join(pinned, 'node')) ? `${pinned}${delimiter}${process.env.PATH ?? ''}` : (process.env.PATH ?? '')
}

function needTools() {
  if (existsSync(join(tools, 'node_modules/.bin/napi'))) return
  say('installing the build tools: npm ci in tools/')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: tools, env: { ...process.env, PATH: toolPath() } })
}

/**
 * Builds what is missing or out of date.
 *
 * @param {{ force?: boolean, install?: boolean, checkTypes?: boolean }} [options]
 * @returns {{ built: boolean, seconds: number }} whether something was built
 */
export function buildNative({ force = false, install = true, checkTypes = false } = {}) {
  const status = nativeStatus()
  if (status.file === undefined) throw new Failure(status.reason)
  const start = Date.now()
  let built = false
  for (const part of parts) if (buildPart(part, { force, install })) built = true
  for (const part of parts) writeTypes(part, checkTypes)
  return { built, seconds: (Date.now() - start) / 1000 }
}

/** @param {Part} part @param {{ force: boolean, install: boolean }} options @returns {boolean} whether there was something to do */
function buildPart(part, { force, install }) {
  const { binary, output, stampFile } = part
  const file = /** @type {string} */ (fileOf(part))
  const hash = sourceHash(part)
  const isCurrent = existsSync(file) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === hash
  if (isCurrent && !force && existsSync(join(output, 'binding.d.ts'))) return false
  const cargo = needCargo(install)
  rmSync(stampFile, { force: true })
  compilePart(part, cargo, output)
  place(join(output, `${binary}.${platform()}.node`), file)
  writeFileSync(stampFile, hash)
  return true
}

/**
 * @param {Part} part @param {string} cargo @param {string} output folder
 * @param {{ words?: string[], env?: Record<string, string> }} [how]
 */
function compilePart({ crate }, cargo, output, { words = [], env = {} } = {}) {
  needTools()
  mkdirSync(output, { recursive: true })
  const flags = ['--platform', '--release', '--no-js', '--dts', 'binding.d.ts', '--no-dts-cache', ...words]
  const folders = [
    '--cwd',
    crate,
    '--manifest-path',
    join(crate, 'Cargo.toml'),
    '--output-dir',
    output,
    '--target-dir',
    join(root, 'target'),
  ]
  run(join(tools, 'node_modules/.bin/napi'), ['build', ...flags, ...folders, '--', '--locked'], {
    env: { ...process.env, ...env, PATH: `${toolPath()}${delimiter}${dirname(cargo)}`, CARGO: cargo },
  })
}

/** Puts a library where it belongs. @param {string} built @param {string} file */
function place(built, file) {
  mkdirSync(dirname(file), { recursive: true })
  // A library that a process has mapped must not be written over: take the old name away first.
  rmSync(file, { force: true })
  copyFileSync(built, file)
}

/**
 * Builds the libraries of the arm64 packages where there is no arm64. BPF programs need no such build: one object is for every little-endian machine.
 *
 * @param {{ install?: boolean }} [options]
 */
export function buildForArm64({ install = true } = {}) {
  const cargo = needCargo(install)
  const { stdout } = spawnSync(join(dirname(cargo), 'rustc'), ['--print', 'target-libdir', '--target', arm64.target], { encoding: 'utf8' })
  if (!existsSync((stdout ?? '').trim())) throw new Failure(`no Rust for arm64: rustup target add ${arm64.target}`)
  const line = `apt-get install --no-install-recommends ${arm64.packages.join(' ')}`
  if (!isThere(arm64.linker)) throw new Failure(`no ${arm64.linker}${isDebian() ? `; as root: ${line}` : ''}`)
  const variable = `CARGO_TARGET_${arm64.target.toUpperCase().replaceAll('-', '_')}_LINKER`
  for (const part of parts) {
    const output = `${part.output}-arm64`
    compilePart(part, cargo, output, { words: ['--target', arm64.target], env: { [variable]: arm64.linker } })
    const name = `${part.binary}.${arm64.platform}.node`
    place(join(output, name), join(part.dir, 'npm', arm64.platform, name))
  }
}

/** @param {Part} part @param {boolean} checkTypes */
function writeTypes({ output, typesFile }, checkTypes) {
  const types = readFileSync(join(output, 'binding.d.ts'), 'utf8')
  if (existsSync(typesFile) && readFileSync(typesFile, 'utf8') === types) return
  if (checkTypes) throw new Failure(`${relative(root, typesFile)} is not what the Rust sources say: run npm run build:native and commit it`)
  mkdirSync(dirname(typesFile), { recursive: true })
  writeFileSync(typesFile, types)
}

/** Hash of the BPF sources. */
export function bpfHash() {
  const hash = createHash('sha256').update(BPF_FLAGS.join(' '))
  for (const file of walk(bpf).sort((a, b) => (a < b ? -1 : 1))) {
    if (!/\.[ch]$/.test(file)) continue
    hash.update(`${relative(root, file)}\0`)
    hash.update(readFileSync(file))
  }
  return hash.digest('hex')
}

/** @param {string} command */
export function isThere(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
}

/** Folder of the kernel's headers on Debian and what derives from it. */
export function headerFolder() {
  const { stdout } = spawnSync('uname', ['-m'], { encoding: 'utf8' })
  return `/usr/include/${(stdout ?? '').trim()}-linux-gnu`
}

/**
 * What there is of the BPF programs, without changing anything.
 *
 * @param {{ object?: string, stampFile?: string }} [place]
 * @returns {string} why they are not what the sources say; empty when they are
 */
export function bpfStatus({ object = bpfObject, stampFile = bpfStamp } = {}) {
  if (!existsSync(object)) return 'the BPF programs are not built'
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === bpfHash() ? '' : 'the BPF programs are older than their sources'
}

function canCompile() {
  return isThere('clang') && existsSync('/usr/include/bpf/bpf_helpers.h')
}

/**
 * Compiles the BPF programs into one object, the same for every architecture. A machine without clang does without: everything but the eBPF dataplane
 * works.
 *
 * @param {{ force?: boolean, install?: boolean }} [options]
 * @returns {string} why there is none, or why it is older than its sources; empty when all is well
 */
export function buildBpf({ force = false, install = true } = {}) {
  if (process.platform !== 'linux') return 'BPF is for Linux'
  if (!force && bpfStatus() === '') return ''
  const hash = bpfHash()
  const line = `apt-get install --no-install-recommends ${bpfPackages.join(' ')}`
  if (!canCompile() && install && canInstall()) {
    say(`no clang or no libbpf headers; installing with: ${line}`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    run('apt-get', ['update', '-qq'], { env })
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...bpfPackages], { env })
  }
  if (!canCompile()) return `no clang or no libbpf headers${isDebian() ? `; as root: ${line}` : ''}`
  compileBpf(headerFolder(), bpfObject)
  mkdirSync(dirname(bpfStamp), { recursive: true })
  writeFileSync(bpfStamp, hash)
  return ''
}

/** @param {string} headers folder of the kernel's headers of an architecture @param {string} object file to write @param {string} [clang] command */
export function compileBpf(headers, object, clang = 'clang') {
  const flags = [...BPF_FLAGS, `-I${headers}`, `-ffile-prefix-map=${bpf}=bpf`]
  run(clang, [...flags, '-c', join(bpf, 'heddle.bpf.c'), '-o', object])
  // Takes the debugger's information away; the kernel's (BTF) stays.
  if (isThere('llvm-strip')) run('llvm-strip', ['-g', object])
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const flags = new Set(process.argv.slice(2))
  if (flags.has('--status')) {
    process.stdout.write(`${JSON.stringify(nativeStatus(), undefined, 2)}\n`)
  } else {
    try {
      if (flags.has('--arm64')) buildForArm64({ install: !flags.has('--no-install') })
      const { built, seconds } = buildNative({
        force: flags.has('--force'),
        install: !flags.has('--no-install'),
        checkTypes: flags.has('--check-types'),
      })
      say(built ? `native parts built in ${seconds.toFixed(1)} s` : 'native parts are up to date')
      const missing = buildBpf({ force: flags.has('--force'), install: !flags.has('--no-install') })
      say(missing === '' ? 'BPF programs are up to date' : `BPF programs are not built: ${missing}`)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      say(`native parts: ${error.message}`)
      process.exitCode = 1
    }
  }
}
