// npm run kernels -- [--kernel 6.1|6.12|newest] [--json] [--minutes N] [TEST…]: runs the suite of the eBPF dataplane on Debian's kernels, each booted by
// qemu in software (no KVM, some ten times slower), with this machine's files as its root. Tells of each kernel what passed, what failed, what was skipped
// and what did not end in its time, by name; `--json` prints that as a document. Not a part of CI. Needs root, Debian on x64, and qemu, which it installs.
import { createWriteStream, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { availableParallelism, freemem } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureInstalled, requireNode, toolNode } from './lib/bootstrap.mjs'
import { fetchedKernel, reasonOf, KERNELS } from './lib/debian-kernels.mjs'
import { GUEST_CPUS, GUEST_MEMORY, kernelIn, runInGuest } from './lib/guest-kernel.mjs'
import { isSound, outcomeOf, RecordReader } from './lib/guest-records.mjs'
import { RECORDS } from './lib/guest-reporter.mjs'
import { ensureNative } from './lib/native.mjs'
import { root } from './lib/packages.mjs'
import { ensureSystemPackages, isDebian, isRoot } from './lib/system-packages.mjs'

const OUT = join(root, 'out', 'kernels')
const TESTS = 'packages/dataplane-ebpf/test'
/** What is not asked of a machine in software, and why: all else of the dataplane's tests is the suite. */
const LEFT_OUT = {
  'hitless.test.ts': 'counts each of 10,000 packets a second, more than such a machine forwards',
}
/** How many times longer a machine in software takes for the same: tests multiply by it what they say of times of protocols. */
const PACE = 10
/** Minutes that a kernel's run may take. */
const PATIENCE = 90

/** @typedef {import('./lib/guest-reporter.mjs').TestRecord} TestRecord */
/**
 * `status`: with which the run ended, undefined when it did not. `unreachable`: why there is no such kernel. Tests are named by file and title.
 *
 * @typedef {{ name: string, version?: string, unreachable?: string, ended: boolean, status: number | undefined, seconds: number } & ReturnType<typeof outcomeOf>} Outcome
 */

// Guests end with this process, whatever ends it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130))

requireNode()
const { values, positionals } = parseArgs({
  options: { kernel: { type: 'string', multiple: true }, json: { type: 'boolean' }, minutes: { type: 'string' } },
  allowPositionals: true,
})
const wanted = values.kernel ?? Object.keys(KERNELS)
const minutes = Number(values.minutes ?? PATIENCE)
const refusal = refusalOf()
if (refusal !== undefined) {
  console.error(refusal)
  process.exit(2)
}
/** Progress; results are on the standard output. @param {string} text */
const say = (text) => console.error(text)

ensureInstalled()
ensureSystemPackages(
  ['qemu-system-x86', 'busybox-static', 'kmod', 'cpio', 'xz-utils', 'iproute2', 'iputils-ping', 'ethtool', 'iperf3', 'nftables', 'frr'],
  { install: true },
)
ensureNative({ install: true })
mkdirSync(OUT, { recursive: true })

const tests = positionals.length > 0 ? positionals : suite()
const outcomes = await atOnce(wanted, guestsAtOnce(), (name) => outcomeOn(name))
if (values.json) console.log(JSON.stringify({ tests, leftOut: positionals.length > 0 ? {} : LEFT_OUT, kernels: outcomes }, undefined, 2))
else for (const outcome of outcomes) print(outcome)
process.exitCode = isSound(outcomes, values.kernel ?? []) ? 0 : 1

/** Why nothing can be run, if so. */
function refusalOf() {
  const unknown = wanted.find((name) => !(name in KERNELS))
  if (unknown !== undefined) return `no kernel ${unknown}; there are: ${Object.keys(KERNELS).join(', ')}`
  if (!(minutes > 0)) return `--minutes takes a number above 0, not ${values.minutes}`
  return process.arch !== 'x64' || !isDebian() || !isRoot() ? 'needs root and Debian on x64' : undefined
}

function suite() {
  return readdirSync(join(root, TESTS))
    .filter((file) => file.endsWith('.test.ts') && !(file in LEFT_OUT))
    .map((file) => join(TESTS, file))
}

/** Guests that this machine carries side by side without taking longer over all of them. */
function guestsAtOnce() {
  return Math.max(1, Math.min(Math.floor(availableParallelism() / GUEST_CPUS), Math.floor(freemem() / (GUEST_MEMORY * 2 ** 20) / 1.25)))
}

/**
 * @template T, R
 * @param {readonly T[]} items @param {number} count @param {(item: T) => Promise<R>} work
 * @returns {Promise<R[]>} in the order of the items
 */
async function atOnce(items, count, work) {
  /** @type {R[]} */
  const results = []
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index])
    }
  }
  await Promise.all(Array.from({ length: count }, worker))
  return results
}

/** @param {string} name @returns {Promise<Outcome>} */
async function outcomeOn(name) {
  const nothing = { name, ended: false, status: undefined, seconds: 0, ...outcomeOf([]) }
  let folder
  try {
    folder = fetchedKernel(name, (text) => say(`${name}: ${text}`))
  } catch (error) {
    return { ...nothing, unreachable: `its package is out of reach: ${reasonOf(error)}` }
  }
  const { version, image } = kernelIn(folder)
  const log = join(OUT, `${name}.log`)
  say(`${name}: Linux ${version}, at most ${minutes} minutes; what it prints: ${relative(root, log)}`)
  const { status, seconds, records } = await runOn({ name, folder, version, image, log })
  return { name, version, ended: status !== undefined, status, seconds, ...outcomeOf(records) }
}

/** @param {{ name: string, folder: string, version: string, image: string, log: string }} guest */
async function runOn({ name, folder, version, image, log }) {
  const path = join(OUT, `${name}.jsonl`)
  rmSync(path, { force: true })
  const reader = new RecordReader(path)
  /** @type {TestRecord[]} */
  const records = []
  const start = Date.now()
  const seconds = () => Math.round((Date.now() - start) / 1000)
  const follow = () => {
    for (const record of reader.take()) {
      records.push(record)
      if (record.state !== 'planned') say(`${name} ${String(seconds()).padStart(5)} s  ${lineOf(record)}`)
    }
  }
  const timer = setInterval(follow, 1000)
  const printed = createWriteStream(log)
  try {
    const guest = { folder, version, image, command: commandFor(path), timeout: minutes * 60 }
    const status = await runInGuest({ ...guest, print: (line) => printed.write(`${line}\n`) })
    return { status, seconds: seconds(), records }
  } finally {
    clearInterval(timer)
    printed.end()
    follow()
  }
}

/** @param {string} records */
function commandFor(records) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const config = join(root, 'scripts/lib/guest-vitest.config.mjs')
  const environment = { CI: 1, NO_COLOR: 1, HEDDLE_PACE: PACE, [RECORDS]: records }
  const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  return ['env', ...settings, toolNode(), vitest, 'run', `--config=${config}`, ...tests]
}

/** @param {TestRecord} record */
function lineOf({ state, test, seconds, reason }) {
  const mark = state === 'passed' ? '✓' : state === 'failed' ? '✗' : state === 'skipped' ? '↓' : '…'
  return `${mark} ${test}${seconds === undefined ? '' : ` (${seconds} s)`}${reason === undefined ? '' : `: ${reason}`}`
}

/** @param {Outcome} outcome */
function print({ name, version, unreachable, ended, status, seconds, passed, failed, skipped, unfinished }) {
  if (unreachable !== undefined) {
    console.log(`\n▸ ${name}: skipped, ${unreachable}`)
    return
  }
  const counts = `${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`
  console.log(`\n▸ ${name} (Linux ${version}): ${counts}${ended ? '' : `, ${unfinished.length} did not end`} in ${seconds} s`)
  for (const record of [...failed, ...skipped, ...unfinished]) console.log(`  ${lineOf(record)}`)
  const log = relative(root, join(OUT, `${name}.log`))
  if (!ended) console.log(`  the run did not end within ${minutes} minutes, or the kernel died: see ${log}`)
  else if (status !== 0 || passed.length === 0) console.log(`  the run ended with ${status}: see ${log}`)
}
