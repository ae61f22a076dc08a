// Builds the executable of @heddle/cni that container runtimes call: a static program, so that it runs whatever the host has for a C library.
//
//   node scripts/build-cni-client.mjs           build if the sources have changed
//   node scripts/build-cni-client.mjs --force   build in any case
//   node scripts/build-cni-client.mjs --arm64   build for Linux on arm64, on whatever this is; takes `rustup target add aarch64-unknown-linux-musl`
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { nativeStatus } from './build-native.mjs'
import { root } from './lib/packages.mjs'

const sources = join(root, 'packages/cni/native/client')
const stampFile = join(root, 'target/heddle-cni.stamp')
const cpu = process.arch === 'arm64' ? 'aarch64' : 'x86_64'

/** Where the executable of this machine belongs; `undefined` where there is none. */
export function clientFile() {
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) return undefined
  return join(root, 'packages/cni/npm', `linux-${process.arch}`, 'heddle-cni')
}

/** @param {string} target */
function sourceHash(target) {
  const hash = createHash('sha256').update(target)
  for (const name of [
    'Cargo.toml',
    ...readdirSync(join(sources, 'src'))
      .sort((a, b) => (a < b ? -1 : 1))
      .map((file) => join('src', file)),
  ]) {
    hash.update(`${name}\0`)
    hash.update(readFileSync(join(sources, name)))
  }
  return hash.digest('hex')
}

/**
 * Builds what is missing or older than its sources.
 *
 * @param {{ force?: boolean, install?: boolean }} [options] `install`: gets the better target from rustup, where that is how Rust came here
 * @returns {string | undefined} why there is none
 */
export function buildClient({ force = false, install = false } = {}) {
  const file = clientFile()
  if (file === undefined) return `no client for ${process.platform} ${process.arch}: it is for Linux on x64 and arm64`
  const { cargo } = nativeStatus()
  const built = existsSync(file) && existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : ''
  if (cargo === undefined) return built === '' ? 'no cargo (Rust 1.88 or newer)' : undefined
  const musl = `${cpu}-unknown-linux-musl`
  const isBuilt = () => !force && built === sourceHash(targetFor(cargo))
  if (isBuilt()) return undefined
  if (install && !hasTarget(cargo, musl)) addTarget(cargo, musl)
  if (isBuilt()) return undefined
  const target = targetFor(cargo)
  const reason = compile(cargo, target, [], file)
  if (reason === undefined) writeFileSync(stampFile, sourceHash(target))
  return reason
}

/**
 * musl's start takes a tenth of a millisecond, glibc's four: it asks the processor for its kind, which traps in a virtual machine, time and again. Not
 * every toolchain has musl.
 *
 * @param {string} cargo
 */
function targetFor(cargo) {
  const musl = `${cpu}-unknown-linux-musl`
  return hasTarget(cargo, musl) ? musl : `${cpu}-unknown-linux-gnu`
}

/** Without a network, or with a Rust from elsewhere, it stays as it is. @param {string} cargo @param {string} target */
function addTarget(cargo, target) {
  const rustup = join(dirname(cargo), 'rustup')
  if (existsSync(rustup)) spawnSync(rustup, ['target', 'add', target], { cwd: root, stdio: 'ignore', timeout: 60_000 })
}

/** Builds the executable of the arm64 package where there is no arm64. @returns {string | undefined} why there is none */
export function buildForArm64() {
  const { cargo } = nativeStatus()
  if (cargo === undefined) return 'no cargo (Rust 1.88 or newer)'
  if (!hasTarget(cargo, 'aarch64-unknown-linux-musl')) return 'no Rust target: rustup target add aarch64-unknown-linux-musl'
  // Rust brings a linker for what it links statically: no C compiler for arm64 is needed.
  const file = join(root, 'packages/cni/npm/linux-arm64/heddle-cni')
  return compile(cargo, 'aarch64-unknown-linux-musl', ['-C', 'linker=rust-lld'], file)
}

/** @param {string} cargo @param {string} target @param {string[]} words for the compiler @param {string} file where it belongs */
function compile(cargo, target, words, file) {
  const flags = `target.${target}.rustflags=${JSON.stringify(['-C', 'target-feature=+crt-static', ...words])}`
  const { status } = spawnSync(
    cargo,
    ['build', '--quiet', '--locked', '--package', 'heddle-cni', '--profile', 'client', '--target', target, '--config', flags],
    { cwd: root, stdio: ['ignore', 2, 2], env: { ...process.env, PATH: `${dirname(cargo)}:${process.env.PATH ?? ''}` } },
  )
  if (status !== 0) return `cargo build failed (${status})`
  mkdirSync(dirname(file), { recursive: true })
  // A program that runs cannot be written over; the new one takes its name.
  copyFileSync(join(root, 'target', target, 'client/heddle-cni'), `${file}.new`)
  chmodSync(`${file}.new`, 0o755)
  renameSync(`${file}.new`, file)
  return undefined
}

/** @param {string} cargo @param {string} target */
function hasTarget(cargo, target) {
  const rustc = join(dirname(cargo), 'rustc')
  const { stdout, status } = spawnSync(rustc, ['--print', 'target-libdir', '--target', target], { cwd: root, encoding: 'utf8' })
  return status === 0 && existsSync(stdout.trim())
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const reason = process.argv.includes('--arm64')
    ? buildForArm64()
    : buildClient({ force: process.argv.includes('--force'), install: true })
  process.stderr.write(reason === undefined ? 'the CNI client is built\n' : `the CNI client is not built: ${reason}\n`)
  if (reason !== undefined) process.exitCode = 1
}
