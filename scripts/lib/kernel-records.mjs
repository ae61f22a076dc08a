// What is kept of runs on other kernels, a file a kernel and commit, and the tables of docs/INTEROP.md, which are made of these files and nothing else.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { cutText, isTooShort } from './guest-records.mjs'
import { root } from './packages.mjs'

/** Where records are kept. */
export const RECORDS_FOLDER = join(root, 'docs', 'kernels')
/** Where their tables stand. */
export const TABLES_FILE = join(root, 'docs', 'INTEROP.md')
/** Names of tests that did not pass, of which so many are kept: a record is to be read. */
const MOST_NAMES = 20
/** What decides how a run goes. */
const SOURCES = ['packages', 'test', 'scripts', 'Cargo.toml', 'Cargo.lock', 'package-lock.json', 'vitest.config.ts']
/** Added to a commit when what was run is not what that is. */
const CHANGED = ' with changes'

/** @typedef {import('./kernel-suites.mjs').SuiteName} SuiteName */
/** @typedef {ReturnType<typeof import('./guest-records.mjs').outcomeOf>} Tests */

/**
 * What `npm run kernels -- --json` prints, as far as records are made of it. `suite`: the one that has all of the tests, if one does, with all its files.
 *
 * @typedef {object} RunDocument
 * @property {string} commit
 * @property {string} date of its start, ISO 8601
 * @property {{ readonly name: SuiteName, readonly files: number } | undefined} [suite]
 * @property {readonly string[]} tests files
 * @property {readonly (Tests & { name: string, version?: string, unreachable?: string, status: number | undefined, seconds: number, deaths: readonly string[] })[]} kernels
 */

/**
 * One run. `tests`: files, where it was not the whole suite; `status`: with which it ended, null when it did not; `deaths`: how often its kernel died and was
 * booted again; `skipped`: counts by reason; `names`: of tests that failed or did not end; `cut`: unknown where it was not kept.
 *
 * @typedef {object} KeptRun
 * @property {string} date
 * @property {readonly string[]} [tests]
 * @property {number} [seconds]
 * @property {number | null} status
 * @property {number} deaths
 * @property {number} passed
 * @property {number} failed
 * @property {number} unfinished
 * @property {readonly string[]} [names]
 * @property {Readonly<Record<string, number>>} skipped
 * @property {readonly { readonly test: string, readonly made: number, readonly wanted: number }[]} [cut]
 */

/**
 * Runs of one suite on one kernel at one commit, no test in two of them. `files`: how many the suite has, where that was kept.
 *
 * @typedef {{ suite: SuiteName, kernel: string, version: string, commit: string, files?: number, runs: readonly KeptRun[] }} KernelRecord
 */

/** A run that cannot be kept, and why. */
export class RecordError extends Error {}

/** The commit that is checked out, and whether what runs on other kernels differs from it. */
export function thisCommit() {
  const git = (/** @type {string[]} */ ...words) => spawnSync('git', words, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? ''
  const commit = git('rev-parse', '--short=8', 'HEAD') || 'unknown'
  const changes = git('status', '--porcelain', '--', ...SOURCES)
  return changes === '' ? commit : `${commit}${CHANGED}`
}

/**
 * What is to be kept of a document: a record of one run for each kernel that was reached.
 *
 * @param {RunDocument} document
 * @returns {KernelRecord[]}
 * @throws {RecordError} where nothing can be said of it that would be true of a commit and a suite
 */
export function recordsOf({ commit, date, suite, tests, kernels }) {
  if (commit === undefined || commit === 'unknown' || commit.endsWith(CHANGED))
    throw new RecordError(`this is no run of a commit: ${commit ?? 'none is named'}`)
  if (suite === undefined) throw new RecordError('no suite has all of its tests')
  const { name, files } = suite
  const part = new Set(tests).size < files ? { tests: [...tests].sort() } : {}
  return kernels
    .filter(({ unreachable }) => unreachable === undefined)
    .map((outcome) => ({
      suite: name,
      kernel: outcome.name,
      version: outcome.version ?? 'unknown',
      commit,
      files,
      runs: [{ date: date.slice(0, 10), ...part, ...runOf(outcome) }],
    }))
}

/** @param {RunDocument['kernels'][number]} outcome @returns {Omit<KeptRun, 'date' | 'tests'>} */
function runOf({ seconds, status, deaths, passed, failed, unfinished, skipped, cut }) {
  const names = [...failed, ...unfinished].map(({ test }) => test).slice(0, MOST_NAMES)
  return {
    seconds,
    status: status ?? null,
    deaths: deaths.length,
    passed: passed.length,
    failed: failed.length,
    unfinished: unfinished.length,
    ...(names.length > 0 ? { names } : {}),
    skipped: summed(skipped.map(({ reason = 'by its file' }) => ({ [reason]: 1 }))),
    cut: cut.map(({ test, made = 0, wanted = 1 }) => ({ test, made, wanted })),
  }
}

/** @param {readonly Readonly<Record<string, number>>[]} counts @returns {Record<string, number>} the most first */
function summed(counts) {
  /** @type {Record<string, number>} */
  const sums = {}
  for (const [reason, count] of counts.flatMap((one) => Object.entries(one))) sums[reason] = (sums[reason] ?? 0) + count
  return Object.fromEntries(Object.entries(sums).toSorted(([, a], [, b]) => b - a))
}

/**
 * A record with one more run, in place of those that had only tests of its own.
 *
 * @param {KernelRecord | undefined} before @param {KernelRecord} now of one run
 * @returns {KernelRecord}
 * @throws {RecordError} where a test would be counted twice, or the runs are of two builds of the kernel
 */
export function joined(before, now) {
  if (before === undefined) return now
  const { kernel, version, commit } = now
  const title = `${kernel} at ${commit}`
  if (before.version !== version) throw new RecordError(`${title}: one run was on ${before.version} and another one on ${version}`)
  const [run] = now.runs
  const others = before.runs.filter((other) => !covers(run, other))
  for (const other of others) {
    const twice = other.tests === undefined ? 'the whole suite' : other.tests.find((test) => run.tests?.includes(test))
    if (twice !== undefined)
      throw new RecordError(`${title}: ${twice} is in the run of ${other.date}, which is to be taken out of its file first`)
  }
  return { ...now, runs: [...others, run] }
}

/** @param {KeptRun} run @param {KeptRun} other */
function covers({ tests }, other) {
  return tests === undefined || (other.tests?.every((test) => tests.includes(test)) ?? false)
}

/** @param {KernelRecord} record */
function fileOf({ suite, kernel, commit }) {
  return `${suite}-${kernel}-${commit}.json`
}

/** Every record that is kept. @returns {KernelRecord[]} */
export function keptRecords(folder = RECORDS_FOLDER) {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')))
}

/** Keeps what there is of a run, beside other runs of the same commit. @param {RunDocument} document @returns {string[]} files */
export function keep(document, folder = RECORDS_FOLDER) {
  mkdirSync(folder, { recursive: true })
  // All are judged before one is written.
  const files = recordsOf(document).map((record) => {
    const path = join(folder, fileOf(record))
    return { path, record: joined(existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined, record) }
  })
  for (const { path, record } of files) writeFileSync(path, `${JSON.stringify(record, undefined, 2)}\n`)
  return files.map(({ path }) => path)
}

/**
 * The document with the tables that the records give, each between its marks.
 *
 * @param {string} text @param {readonly KernelRecord[]} records
 * @throws {RecordError} where the marks of a table are not there
 */
export function withTables(text, records) {
  return /** @type {SuiteName[]} */ (['dataplane', 'peers']).reduce((before, suite) => {
    const [begin, end] = [`<!-- kernels, ${suite}: written by node scripts/record-kernels.mjs -->\n`, '<!-- kernels end -->']
    const from = before.indexOf(begin) + begin.length
    const to = before.indexOf(end, from)
    if (from < begin.length || to < 0) throw new RecordError(`there is no place for the table of ${suite}`)
    return before.slice(0, from) + tableOf(records.filter((record) => record.suite === suite)) + before.slice(to)
  }, text)
}

/** @param {readonly KernelRecord[]} records */
function tableOf(records) {
  if (records.length === 0) return 'No run is kept.\n'
  const rows = records.toSorted(byKernel).map((record) => `| ${cellsOf(record).join(' | ')} |\n`)
  return `| kernel | of | tests | outcome | skipped |\n|---|---|---|---|---|\n${rows.join('')}`
}

/** Kernels from old to new, of each the last run first. @param {KernelRecord} a @param {KernelRecord} b */
function byKernel(a, b) {
  return a.version.localeCompare(b.version, 'en', { numeric: true }) || datesOf(b)[0].localeCompare(datesOf(a)[0])
}

/** Days of its runs, the last one first. @param {KernelRecord} record */
function datesOf({ runs }) {
  return [...new Set(runs.map(({ date }) => date))].sort().reverse()
}

/** @param {KernelRecord} record */
function cellsOf(record) {
  const { version, commit, runs } = record
  const skipped = Object.entries(summed(runs.map((run) => run.skipped))).map(([reason, count]) => `${thousands(count)} (${reason})`)
  const cells = [
    version,
    `${datesOf(record).toReversed().join(', ')}, ${commit}`,
    extentOf(record),
    outcomeText(runs),
    skipped.join(', ') || 'none',
  ]
  return cells.map((cell) => cell.replaceAll('|', String.raw`\|`))
}

/** How much of its suite a record is of. @param {KernelRecord} record */
function extentOf({ files = 0, runs }) {
  const asked = new Set(runs.flatMap(({ tests = [] }) => tests)).size
  if (runs.some(({ tests }) => tests === undefined)) return 'all'
  return asked === files ? `all, in ${runs.length} runs` : `**a part: ${asked} of ${files} files**`
}

/** @param {readonly KeptRun[]} runs */
function outcomeText(runs) {
  const sum = (/** @type {(run: KeptRun) => number} */ of) => runs.reduce((total, run) => total + of(run), 0)
  const [passed, failed, unfinished] = [sum((run) => run.passed), sum((run) => run.failed), sum((run) => run.unfinished)]
  const deaths = sum((run) => run.deaths)
  const isBroken = failed === 0 && runs.some(({ status }) => status !== 0)
  return [
    `${thousands(passed)} passed`,
    failed === 0 ? 'none failed' : `**${failed} failed**`,
    ...(unfinished > 0 ? [`**${unfinished} did not end**`] : []),
    ...(deaths > 0 ? [`**the kernel died ${deaths === 1 ? 'once' : `${deaths} times`}**`] : []),
    ...(isBroken ? ['**a run did not end well**'] : []),
    ...cutTexts(runs),
  ].join(', ')
}

/** @param {readonly KeptRun[]} runs */
function cutTexts(runs) {
  if (runs.some(({ cut }) => cut === undefined)) return ['what was cut short was not kept']
  const cut = runs.flatMap((run) => run.cut ?? [])
  const short = cut.filter(isTooShort).length
  return cut.length === 0 ? [] : [cutText(cut), ...(short > 0 ? [`**${short} of them too short**`] : [])]
}

/** @param {number} count */
function thousands(count) {
  return count.toLocaleString('en')
}
