import { expect, test } from 'vitest'
import { CE, ECN_DROP, ECT_0, ECT_1, NOT_ECT, poppedEcn, pushedEcn } from './ecn.js'

// RFC 6040 figure 4: rows are the inner field, columns the outer one.
const columns = [NOT_ECT, ECT_0, ECT_1, CE]
const figure4 = [
  [NOT_ECT, [NOT_ECT, NOT_ECT, NOT_ECT, ECN_DROP]],
  [ECT_0, [ECT_0, ECT_0, ECT_1, CE]],
  [ECT_1, [ECT_1, ECT_1, ECT_1, CE]],
  [CE, [CE, CE, CE, CE]],
] as const

test.each(figure4)('what arrives with %i inside leaves the tunnel as figure 4 says', (inner, row) => {
  expect(columns.map((outer) => poppedEcn(inner, outer))).toEqual(row)
})

test('normal mode copies the field, compatibility mode clears it (RFC 6040 figure 3)', () => {
  for (const inner of columns) {
    expect(pushedEcn('normal', inner)).toBe(inner)
    expect(pushedEcn('compatibility', inner)).toBe(NOT_ECT)
  }
})
