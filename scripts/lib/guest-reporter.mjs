// A reporter of vitest that writes what became of each test to a file at once, a JSON object a line: a guest may be ended before its run does.
import { appendFileSync } from 'node:fs'
import { relative } from 'node:path'
import { inspect, stripVTControlCharacters } from 'node:util'
import { skipReasonIn } from './guest-records.mjs'

/** Names the file. */
export const RECORDS = 'HEDDLE_GUEST_RECORDS'

/**
 * `planned`: the test will be run. `cut`: a property of it was cut short, as `reason` says, when so many of its runs were `made` of those `wanted`. The others: it
 * was run.
 *
 * @typedef {{ readonly state: 'planned' | 'cut' | 'passed' | 'failed' | 'skipped', readonly test: string, readonly seconds?: number, readonly reason?: string, readonly made?: number, readonly wanted?: number }} TestRecord
 */

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
    if (state === 'skipped') write({ state, test: name, reason: note ?? skipReasonIn(name) ?? 'by its file' })
    else if (state === 'failed') {
      write({ state, test: name, seconds, reason: firstLine(errors[0]?.message ?? 'failed') })
      for (const error of errors) print(name, error)
    } else write({ state: 'passed', test: name, seconds })
  }
}

/** @param {TestRecord} record */
export function write(record) {
  appendFileSync(/** @type {string} */ (process.env[RECORDS]), `${JSON.stringify(record)}\n`)
}

/** Prints an error whole, with its causes, at once: vitest does so at the end of a run. @param {string} test @param {any} error */
function print(test, error) {
  for (let [cause, depth] = [error, 0]; cause !== undefined && cause !== null && depth < 5; cause = cause.cause, depth++) {
    const { message = inspect(cause), diff = '', stdout = '', stderr = '', stacks = [] } = cause
    const frames = stacks.map(
      (/** @type {{ file: string, line: number, column: number }} */ at) => `  at ${at.file}:${at.line}:${at.column}`,
    )
    const lines = [`${depth === 0 ? `✗ ${test}` : 'caused by'}: ${message}`, diff, stdout, stderr, ...frames].filter((text) => text !== '')
    process.stdout.write(`${stripVTControlCharacters(lines.join('\n'))}\n`)
  }
}

/** @param {any} test */
function nameOf(test) {
  return `${fileOf(test.module)} > ${test.fullName}`
}

/** @param {{ moduleId: string }} module */
function fileOf({ moduleId }) {
  return fileAt(moduleId)
}

/** A file as records name it. @param {string} path */
export function fileAt(path) {
  return relative(process.cwd(), path)
}

/** @param {string} text */
function firstLine(text) {
  return text.split('\n')[0]
}
