// A reporter of vitest that writes what became of each test to a file at once, a JSON object a line: a guest may be ended before its run does.
import { appendFileSync } from 'node:fs'
import { relative } from 'node:path'

/** Names the file. */
export const RECORDS = 'HEDDLE_GUEST_RECORDS'

/**
 * `planned`: the test will be run. The others: it was.
 *
 * @typedef {{ readonly state: 'planned' | 'passed' | 'failed' | 'skipped', readonly test: string, readonly seconds?: number, readonly reason?: string }} TestRecord
 */

/** Reason that stands in the title of a group of tests, as suites here have it. */
const REASON = /\(skipped: (.*)\)/

export default class GuestReporter {
  /** @param {{ children: { allTests(): Iterable<any> } }} module */
  onTestModuleCollected(module) {
    for (const test of module.children.allTests()) write({ state: 'planned', test: nameOf(test) })
  }

  /** @param {any} module whose hooks or imports may have failed, without a test that says so */
  onTestModuleEnd(module) {
    for (const { message = '' } of module.errors()) write({ state: 'failed', test: fileOf(module), reason: firstLine(message) })
  }

  /** @param {any} suite */
  onTestSuiteResult(suite) {
    for (const { message = '' } of suite.errors())
      write({ state: 'failed', test: `${fileOf(suite.module)} > ${suite.fullName}`, reason: firstLine(message) })
  }

  /** @param {any} test */
  onTestCaseResult(test) {
    const { state, errors = [], note } = test.result()
    const seconds = Math.round((test.diagnostic()?.duration ?? 0) / 100) / 10
    const name = nameOf(test)
    if (state === 'skipped') write({ state, test: name, reason: note ?? REASON.exec(name)?.[1] ?? 'by its file' })
    else if (state === 'failed') write({ state, test: name, seconds, reason: firstLine(errors[0]?.message ?? 'failed') })
    else write({ state: 'passed', test: name, seconds })
  }
}

/** @param {TestRecord} record */
function write(record) {
  appendFileSync(/** @type {string} */ (process.env[RECORDS]), `${JSON.stringify(record)}\n`)
}

/** @param {any} test */
function nameOf(test) {
  return `${fileOf(test.module)} > ${test.fullName}`
}

/** @param {{ moduleId: string }} module */
function fileOf({ moduleId }) {
  return relative(process.cwd(), moduleId)
}

/** @param {string} text */
function firstLine(text) {
  return text.split('\n')[0]
}
