import { expect, test } from 'vitest'
import { amountText, readAmount } from './amount.js'

test.each([
  ['1', 1],
  ['1500', 1500],
  ['64k', 64_000],
  ['10M', 10_000_000],
  ['2500M', 2_500_000_000],
  ['1000T', 1e15],
])('%s is %d', (text, value) => {
  expect(readAmount(text)).toBe(value)
  expect(readAmount(amountText(value))).toBe(value)
})

test.each(['', '0', '-1', '1.5M', '10m', '10 M', '10Mi', '1e6', '99999999T'])('%o is no amount', (text) => {
  expect(readAmount(text)).toBe(undefined)
})

test('an amount is told with the largest unit that says all of it', () => {
  expect([1, 1500, 64_000, 1_500_000, 1e10].map(amountText)).toEqual(['1', '1500', '64k', '1500k', '10G'])
})
