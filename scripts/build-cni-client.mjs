// Builds the executable of @heddle/cni that container runtimes call: a static program, so that it runs whatever the host has for a C library.
//
//   node scripts/build-cni-client.mjs           build if the sources have changed
//   node scripts/build-cni-client.mjs --force   build in any case
//
// It starts soonest with musl: `rustup target add x86_64-unknown-linux-musl` (aarch64 on arm64) and `--force`, once. Without that target it is glibc's.
//
//   node scripts/build-cni-client.mjs --arm64   build for Linux on arm64, on whatever this is; takes `rustup target add aarch64-unknown-linux-musl`
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { nativeStatus } from './build-native.mjs'
import { root } from './lib/packages.mjs'

const sources = join(root, 'packages/cni/native/client')
const stamp = join(root, 'target/heddle-cni.stamp')
const cpu = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
/**
 * The better one first. musl's start takes a tenth of a millisecond, glibc's four: it asks the processor for its kind, which traps in a virtual machine, time
 * and again. Not every toolchain has musl.
 */
const targets = [`${cpu}-unknown-linux-musl`, `${cpu}-unknown-linux-gnu`]

/** Where the executable of this machine belongs; `undefined` where there is none. */
export function clientFile() {
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) return undefined
  return join(root, 'packages/cni/npm', `linux-${process.arch}`, 'heddle-cni')
}

/** What the stamp of a client says that was built of the sources as they are. @param {string} [target] one of Rust's */
export function sourceHash(target = targets[0]) {
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
 * Builds what is missing or older than its sources, by the better of the targets that the toolchain has. One that was built for any of them is as good: which
 * toolchain is found depends on who asks.
 *
 * @param {{ force?: boolean, file?: string, stampFile?: string }} [options] `file`, `stampFile`: where the client and what it was built of are
 * @returns {string | undefined} why there is none
 */
export function buildClient({ force = false, file = clientFile(), stampFile = stamp } = {}) {
  if (file === undefined) return `no client for ${process.platform} ${process.arch}: it is for Linux on x64 and arm64`
  const built = existsSync(file) && existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : ''
  if (!force && targets.some((target) => built === sourceHash(target))) return undefined
  const { cargo } = nativeStatus()
  if (cargo === undefined) return `no cargo (Rust 1.88 or newer)${built === '' ? '' : ', and it is older than its sources'}`
  const [musl, gnu] = targets
  const isQuick = hasTarget(cargo, musl)
  if (!isQuick) process.stderr.write(`the CNI client starts sooner after: rustup target add ${musl}\n`)
  let reason
  for (const target of isQuick ? targets : [gnu]) {
    reason = compile(cargo, target, [], file)
    if (reason !== undefined) continue
    writeFileSync(stampFile, sourceHash(target))
    return undefined
  }
  return reason
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

/** Whether Rust's own libraries are there for a target; one whose installation was broken off has a folder for them. @param {string} cargo @param {string} target */
function hasTarget(cargo, target) {
  const rustc = join(dirname(cargo), 'rustc')
  const { stdout, status } = spawnSync(rustc, ['--print', 'target-libdir', '--target', target], { cwd: root, encoding: 'utf8' })
  const folder = stdout?.trim() ?? ''
  return status === 0 && existsSync(folder) && readdirSync(folder).some((name) => /^libstd-.*\.rlib$/.test(name))
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const reason = process.argv.includes('--arm64') ? buildForArm64() : buildClient({ force: process.argv.includes('--force') })
  process.stderr.write(reason === undefined ? 'the CNI client is built\n' : `the CNI client is not built: ${reason}\n`)
  if (reason !== undefined) process.exitCode = 1
}
