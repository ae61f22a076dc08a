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
  return `${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped, ${cutText(cut)}`
}

/** How many runs of a property were made and how many it asks for. @typedef {{ readonly made?: number, readonly wanted?: number }} Runs */

/** How many properties were cut short, and to how little: the one of which the least is known, and the one of which the most is. @param {readonly Runs[]} cut */
export function cutText(cut) {
  const [least, ...more] = cut.toSorted((a, b) => shareOf(a) - shareOf(b)).map(({ made, wanted }) => `${made} of ${wanted} runs`)
  const counted = `${cut.length} ${cut.length === 1 ? 'property' : 'properties'} cut short`
  if (least === undefined) return counted
  return more.length === 0 ? `${counted} to ${least}` : `${counted}, to ${least} at least and ${more.at(-1)} at most`
}

/** Without numbers, as if none was made. @param {Runs} runs */
function shareOf({ made = 0, wanted = 1 }) {
  return made / wanted
}

/** Whether a property that was cut short has held in too few of its runs to say something: less than a tenth of them, or than three. @param {Runs} runs */
export function isTooShort({ made = 0, wanted = 1 }) {
  return made < Math.max(wanted / 10, 3)
}

/**
 * Why a test is skipped, as suites here have it in the title of a group or of the test: `… (skipped: needs netkit (since Linux 6.7)) > …`. The outermost group
 * that says so is the one that was skipped; parentheses in its reason are in pairs.
 *
 * @param {string} test its full name
 */
export function skipReasonIn(test) {
  const mark = '(skipped: '
  const from = test.indexOf(mark)
  if (from < 0) return undefined
  const begin = from + mark.length
  for (let [end, depth] = [begin, 1]; end < test.length; end++) {
    if (test[end] === '(') depth++
    else if (test[end] === ')') depth--
    if (depth === 0) return test.slice(begin, end)
  }
  return undefined
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
 * before, tests passed, and no property was cut too short to say something.
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
      ({ status, deaths, passed, failed, unfinished, cut }) =>
        status === 0 && passed.length > 0 && deaths.length + failed.length + unfinished.length === 0 && !cut.some(isTooShort),
    )
  )
}
