// What `npm run kernels` takes for sound: it said so of runs in which nothing was tested.
import { describe, expect, it } from 'vitest'
import { isSound, outcomeOf } from '../scripts/lib/guest-records.mjs'

const PASSED = { state: 'passed', test: 'a.test.ts > works' } as const
const FAILED = { state: 'failed', test: 'a.test.ts > works' } as const
const PLANNED = { state: 'planned', test: 'a.test.ts > hangs' } as const
const run = (status: number | undefined, ...records: Parameters<typeof outcomeOf>[0]) => ({ name: '6.1', status, ...outcomeOf(records) })
const unreachable = { name: '6.12', status: undefined, unreachable: 'no network', ...outcomeOf([]) }

describe('the outcome of a suite on other kernels', () => {
  it.each([
    ['all tests passed', [run(0, PASSED)], []],
    ['a kernel that nobody named is out of reach, and another is not', [run(0, PASSED), unreachable], ['6.1']],
  ] as const)('is sound where %s', (_, outcomes, named) => {
    expect(isSound(outcomes, named)).toBe(true)
  })

  it.each([
    ['a test failed', [run(1, FAILED)], []],
    ['a test did not end', [run(0, PASSED, PLANNED)], []],
    ['the run did not end', [run(undefined, PASSED)], []],
    ['all tests passed and the run ended with an error of its own', [run(1, PASSED)], []],
    ['the run could not begin', [run(1)], []],
    ['there was no test', [run(0)], []],
    ['every kernel is out of reach', [unreachable], []],
    ['a kernel that was named is out of reach', [run(0, PASSED), unreachable], ['6.1', '6.12']],
  ] as const)('is not sound where %s', (_, outcomes, named) => {
    expect(isSound(outcomes, named)).toBe(false)
  })
})
