import fc from 'fast-check'
import { expect, it } from 'vitest'
import { judge, UNKNOWN } from './verdict.js'

/** From the whole history: the first answer decides, and from then on the last change stands until enough answers in a row say the opposite. */
function oracle(history: readonly boolean[], rise: number, fall: number): boolean {
  const [first] = history
  if (first === undefined) return true
  let isUp = first
  let from = 1
  for (let at = 1; at < history.length; at++) {
    const needed = isUp ? fall : rise
    const last = history.slice(Math.max(from, at + 1 - needed), at + 1)
    if (last.length === needed && last.every((answer) => answer !== isUp)) {
      isUp = !isUp
      from = at + 1
    }
  }
  return isUp
}

it('takes a backend away and brings it back by answers in a row, as its whole history says', () => {
  const count = fc.integer({ min: 1, max: 5 })
  // Runs, so that long rows of equal answers come up.
  const history = fc
    .array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 7 })), { maxLength: 12 })
    .map((runs) => runs.flatMap(([answer, times]) => Array.from({ length: times }, () => answer)))
  fc.assert(
    fc.property(history, count, count, (answers, rise, fall) => {
      let verdict = UNKNOWN
      for (const [index, answered] of answers.entries()) {
        verdict = judge(verdict, answered, { rise, fall })
        expect(verdict.isUp).toBe(oracle(answers.slice(0, index + 1), rise, fall))
      }
    }),
    { numRuns: 500 },
  )
})
