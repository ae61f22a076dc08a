// What became of the tests of a guest, from what its reporter has written so far.
import { closeSync, existsSync, openSync, readSync } from 'node:fs'

/** @typedef {import('./guest-reporter.mjs').TestRecord} TestRecord */

/** Reads the records of a file that is still being written, each once. */
export class RecordReader {
  #offset = 0
  #rest = ''
  #decoder = new TextDecoder()

  /** @param {string} path */
  constructor(path) {
    this.path = path
  }

  /** @returns {TestRecord[]} those that were written since the last call */
  take() {
    if (!existsSync(this.path)) return []
    const file = openSync(this.path, 'r')
    try {
      const buffer = new Uint8Array(1 << 16)
      for (;;) {
        const count = readSync(file, buffer, 0, buffer.length, this.#offset)
        if (count === 0) break
        this.#offset += count
        this.#rest += this.#decoder.decode(buffer.subarray(0, count), { stream: true })
      }
    } finally {
      closeSync(file)
    }
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.map((line) => /** @type {TestRecord} */ (JSON.parse(line)))
  }
}

/**
 * @param {readonly TestRecord[]} records
 * @returns {{ passed: TestRecord[], failed: TestRecord[], skipped: TestRecord[], unfinished: TestRecord[], cut: TestRecord[] }} `unfinished`: planned, and no
 * more heard of; `cut`: properties that were cut short, each of a test that is among the others
 */
export function outcomeOf(records) {
  const of = (/** @type {TestRecord['state']} */ wanted) => records.filter(({ state }) => state === wanted)
  const ended = new Set(records.filter(({ state }) => state !== 'planned' && state !== 'cut').map(({ test }) => test))
  return {
    passed: of('passed'),
    failed: of('failed'),
    skipped: of('skipped'),
    unfinished: of('planned').filter(({ test }) => !ended.has(test)),
    cut: of('cut'),
  }
}

/** What was counted, for a person. @param {Pick<ReturnType<typeof outcomeOf>, 'passed' | 'failed' | 'skipped' | 'cut'>} outcome */
export function countsOf({ passed, failed, skipped, cut }) {
  return `${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped, ${cut.length} properties cut short`
}

/** @param {string} test as records name it @param {string} file */
export function isOf(test, file) {
  return test === file || test.startsWith(`${file} > `)
}

/**
 * Those of the files that were not gone through: nothing is known of them, or of some test only that it is planned.
 *
 * @param {readonly string[]} files
 * @param {readonly TestRecord[]} records
 */
export function unreached(files, records) {
  const { unfinished } = outcomeOf(records)
  return files.filter((file) => unfinished.some(({ test }) => isOf(test, file)) || !records.some(({ test }) => isOf(test, file)))
}

/**
 * Whether the runs say that all is well: some kernel was tried, those that were asked for by name among them; each came to an end that says so without having died
 * before, and tests passed.
 *
 * @param {readonly (ReturnType<typeof outcomeOf> & { name: string, status: number | undefined, deaths: readonly string[], unreachable?: string })[]} outcomes
 * @param {readonly string[]} named kernels that were asked for by name
 */
export function isSound(outcomes, named) {
  const tried = outcomes.filter(({ unreachable }) => unreachable === undefined)
  const isMissing = named.some((name) => !tried.some((outcome) => outcome.name === name))
  return (
    tried.length > 0 &&
    !isMissing &&
    tried.every(
      ({ status, deaths, passed, failed, unfinished }) =>
        status === 0 && passed.length > 0 && deaths.length + failed.length + unfinished.length === 0,
    )
  )
}
