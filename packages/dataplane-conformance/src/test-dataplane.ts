import { conformanceCases } from './cases/conformance-cases.js'
import { checkEqual } from './conformance-error.js'
import { missingFor } from './conformance-case.js'
import type { HarnessFactory } from './harness.js'
import { Lab } from './lab.js'

/** What a test framework gives; vitest, jest, mocha and `node:test` have these functions. */
export interface TestFramework {
  readonly describe: (name: string, body: () => void) => void
  readonly it: (name: string, body: (context: TestContext) => Promise<void>) => void
}

/** What a running test gets, where the framework has such a thing. */
export type TestContext = { readonly skip?: (reason: string) => void } | undefined

/** How the suite is run against a dataplane. */
export interface TestDataplaneOptions {
  readonly test: TestFramework
  /** Names of cases that this adapter is excused from, each with the reason. A name that no case has is an error. */
  readonly skip?: Readonly<Record<string, string>>
  /** Tables that each property tries, with ten packets each; 40 when left out. More where a packet costs little. */
  readonly runs?: number
}

/** Defines one test for each conformance case; `factory` makes a fresh harness for each. */
export function testDataplane(name: string, factory: HarnessFactory, { test, skip = {}, runs }: TestDataplaneOptions): void {
  test.describe(`dataplane conformance: ${name}`, () => {
    for (const one of conformanceCases) {
      test.it(one.name, async (context) => {
        const excuse = skip[one.name]
        if (excuse !== undefined) return context?.skip?.(excuse)
        const harness = await factory()
        let missing: string | undefined
        try {
          missing = missingFor(one.needs, harness)
          if (missing === undefined) await one.run(new Lab(harness, runs))
        } finally {
          await harness.close()
        }
        if (missing !== undefined) context?.skip?.(missing)
      })
    }
    test.it('skips name cases that exist', async () => {
      const names = new Set(conformanceCases.map(({ name: known }) => known))
      checkEqual(
        Object.keys(skip).filter((excused) => !names.has(excused)),
        [],
        'skips of unknown cases',
      )
    })
  })
}
