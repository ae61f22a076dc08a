// npm run kernels -- [--kernel 6.1|6.12|newest] [--whole | --peers] [--json] [--minutes N] [TEST…]: has Debian's kernels load the programs of the eBPF dataplane and
// forward packets by them, in minutes; or runs its whole suite there, or what has Linux itself as the far end, in hours. Each is booted by qemu in software (no
// KVM, some ten times slower), with this machine's files as its root. Tells of each kernel what passed, what failed, what was skipped and what did not end in its
// time, by name; `--json` prints that as a document, which `npm run kernels:record` keeps. Not a part of CI. Needs root, Debian on x64, and qemu, which it
// installs.
import { createWriteStream, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, freemem } from 'node:os'
import { join, relative } from 'node:path'
import { commandLine, ensureInstalled, requireNode, toolNode } from './lib/bootstrap.mjs'
import { fetchedKernel, reasonOf, KERNELS } from './lib/debian-kernels.mjs'
import { GUEST_MEMORY, kernelIn, runInGuest } from './lib/guest-kernel.mjs'
import { countsOf, isOf, isSound, isTooShort, outcomeOf, RecordReader, unreached } from './lib/guest-records.mjs'
import { RECORDS } from './lib/guest-reporter.mjs'
import { thisCommit } from './lib/kernel-records.mjs'
import { QUICK, suiteOf, suites } from './lib/kernel-suites.mjs'
import { ensureNative, staleParts } from './lib/native.mjs'
import { root } from './lib/packages.mjs'
import { ensureSystemPackages, isDebian, isRoot } from './lib/system-packages.mjs'

const OUT = join(root, 'out', 'kernels')
/** What was asked and came of it, whether or not it is printed: a run takes hours. */
const DOCUMENT = join(OUT, 'outcome.json')
/** How many times longer a machine in software takes for the same: tests multiply by it what they say of times of protocols. */
const PACE = 10
/** Minutes that a kernel's run may take. */
const PATIENCE = 240
/** How often a suite's machine is booted at most: software that emulates one makes its kernel die at times, and the rest of the suite is worth knowing. */
const BOOTS = 3

const USAGE = `npm run kernels -- [--kernel ${Object.keys(KERNELS).join('|')}]… [--whole | --peers] [--minutes N] [--json] [TEST…]
  --kernel   of Debian, to be booted by qemu; all of them unless named
  --whole    the whole suite of the kernel dataplane, and not only whether programs load and packets go
  --peers    tests with Linux itself as the far end of tunnels
  --minutes  that a kernel's run may take, ${PATIENCE} unless said
  --json     what passed, failed and was skipped as a document
  TEST       files of tests, instead of those`

/** @typedef {import('./lib/guest-reporter.mjs').TestRecord} TestRecord */
/**
 * `status`: with which the run ended, undefined when it did not. `unreachable`: why there is no such kernel. `deaths`: of kernels that died and were booted
 * again for what they had not reached, the file with what they printed. Tests are named by file and title.
 *
 * @typedef {{ name: string, version?: string, unreachable?: string, ended: boolean, status: number | undefined, seconds: number, deaths: string[] } & ReturnType<typeof outcomeOf>} Outcome
 */

// Guests end with this process, whatever ends it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130))

requireNode()
const { values, positionals } = commandLine(USAGE, {
  options: {
    kernel: { type: 'string', multiple: true },
    whole: { type: 'boolean' },
    peers: { type: 'boolean' },
    json: { type: 'boolean' },
    minutes: { type: 'string' },
  },
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
const lacking = ensureNative({ install: true })
if (lacking !== undefined) say(`native parts: ${lacking}`)
const stale = staleParts()
if (stale.length > 0) {
  console.error(`nothing is run, since it would be no run of this commit: ${stale.join('; ')}`)
  process.exit(1)
}
mkdirSync(OUT, { recursive: true })

const tests = asked()
// As of now: hours later the tree may be another one.
const asOf = { commit: thisCommit(), date: new Date().toISOString(), suite: suiteOf(tests), tests }
const outcomes = await atOnce(wanted, guestsAtOnce(), (name) => outcomeOn(name))
const document = JSON.stringify({ ...asOf, kernels: outcomes }, undefined, 2)
writeFileSync(DOCUMENT, `${document}\n`)
if (values.json) console.log(document)
else for (const outcome of outcomes) print(outcome)
process.exitCode = isSound(outcomes, values.kernel ?? []) ? 0 : 1

/** Why nothing can be run, if so. */
function refusalOf() {
  const unknown = wanted.find((name) => !(name in KERNELS))
  if (unknown !== undefined) return `no kernel ${unknown}; there are: ${Object.keys(KERNELS).join(', ')}`
  if (!(minutes > 0)) return `--minutes takes a number above 0, not ${values.minutes}`
  if ([values.whole, values.peers, positionals.length > 0].filter(Boolean).length > 1)
    return 'either --whole, or --peers, or files of tests'
  return process.arch !== 'x64' || !isDebian() || !isRoot() ? 'needs root and Debian on x64' : undefined
}

/** Files of tests. */
function asked() {
  if (positionals.length > 0) return positionals
  const { dataplane, peers } = suites()
  return values.whole ? dataplane : values.peers ? peers : QUICK
}

/** Guests that this machine carries side by side without taking longer over all of them: each takes one processor. */
function guestsAtOnce() {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / (GUEST_MEMORY * 2 ** 20) / 1.25)))
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
  const nothing = { name, ended: false, status: undefined, seconds: 0, deaths: [], ...outcomeOf([]) }
  let folder
  try {
    folder = fetchedKernel(name, (text) => say(`${name}: ${text}`))
  } catch (error) {
    return { ...nothing, unreachable: `its package is out of reach: ${reasonOf(error)}` }
  }
  const { version, image } = kernelIn(folder)
  say(`${name}: Linux ${version}, at most ${minutes} minutes`)
  const start = Date.now()
  const seconds = () => Math.round((Date.now() - start) / 1000)
  /** @type {string[]} */
  const deaths = []
  /** @type {TestRecord[]} */
  const known = []
  let rest = tests
  for (;;) {
    const part = deaths.length === 0 ? name : `${name}-${deaths.length + 1}`
    const log = join(OUT, `${part}.log`)
    say(`${name}: what it prints: ${relative(root, log)}`)
    const left = minutes * 60 - seconds()
    const { status, records } = await runOn({ name, folder, version, image, log, part, tests: rest, left, seconds })
    const missed = status === undefined ? unreached(rest, records) : []
    // One that dies before it has gone through a file, as the one before did, will do so again.
    const isStuck = missed.length === rest.length && deaths.length > 0
    const isLast = missed.length === 0 || isStuck || deaths.length + 1 === BOOTS || seconds() >= minutes * 60
    if (isLast)
      return { name, version, ended: status !== undefined, status, seconds: seconds(), deaths, ...outcomeOf([...known, ...records]) }
    deaths.push(relative(root, log))
    say(`${name}: the kernel died, and is booted again for ${missed.length} of ${rest.length} files`)
    known.push(...records.filter(({ test }) => !missed.some((file) => isOf(test, file))))
    rest = missed
  }
}

/** @param {{ name: string, folder: string, version: string, image: string, log: string, part: string, tests: readonly string[], left: number, seconds: () => number }} guest */
async function runOn({ name, folder, version, image, log, part, tests, left, seconds }) {
  const path = join(OUT, `${part}.jsonl`)
  rmSync(path, { force: true })
  const reader = new RecordReader(path)
  /** @type {TestRecord[]} */
  const records = []
  const follow = () => {
    for (const record of reader.take()) {
      records.push(record)
      if (record.state !== 'planned') say(`${name} ${String(seconds()).padStart(5)} s  ${lineOf(record)}`)
    }
  }
  const timer = setInterval(follow, 1000)
  const printed = createWriteStream(log)
  try {
    const guest = { folder, version, image, command: commandFor(path, tests), timeout: left }
    const status = await runInGuest({ ...guest, print: (line) => printed.write(`${line}\n`) })
    follow()
    return { status, records }
  } finally {
    clearInterval(timer)
    printed.end()
  }
}

/** @param {string} records @param {readonly string[]} tests */
function commandFor(records, tests) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const config = join(root, 'scripts/lib/guest-vitest.config.mjs')
  const environment = { CI: 1, NO_COLOR: 1, HEDDLE_PACE: PACE, [RECORDS]: records }
  const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  return ['env', ...settings, toolNode(), vitest, 'run', `--config=${config}`, ...tests]
}

/** @param {TestRecord} record */
function lineOf({ state, test, seconds, reason }) {
  const mark = { passed: '✓', failed: '✗', skipped: '↓', cut: '✂', planned: '…' }[state]
  return `${mark} ${test}${seconds === undefined ? '' : ` (${seconds} s)`}${reason === undefined ? '' : `: ${reason}`}`
}

/** @param {Outcome} outcome */
function print({ name, version, unreachable, ended, status, seconds, deaths, ...outcome }) {
  if (unreachable !== undefined) {
    console.log(`\n▸ ${name}: skipped, ${unreachable}`)
    return
  }
  const { passed, failed, skipped, cut, unfinished } = outcome
  console.log(`\n▸ ${name} (Linux ${version}): ${countsOf(outcome)}${ended ? '' : `, ${unfinished.length} did not end`} in ${seconds} s`)
  for (const record of [...failed, ...cut, ...skipped, ...unfinished]) console.log(`  ${lineOf(record)}`)
  const short = cut.filter(isTooShort)
  if (short.length > 0) console.log(`  too few runs of ${short.length} of the properties that were cut short to say something`)
  for (const log of deaths) console.log(`  the kernel died, and another one went on: see ${log}`)
  const log = relative(root, join(OUT, `${name}.log`))
  if (!ended) console.log(`  the run did not end within ${minutes} minutes, or the kernel died: see ${log}`)
  else if (status !== 0 || passed.length === 0) console.log(`  the run ended with ${status}: see ${log}`)
}
