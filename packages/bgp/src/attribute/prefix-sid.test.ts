import { IpAddress } from '@heddle/wire'
import { expect, test } from 'vitest'
import { transposeSid } from '../index.js'

test('the function of a SID is put back from the label (RFC 9252 §4)', () => {
  const locator = IpAddress.parse('2001:db8:0:1::')
  // 16 bits at 64, in the most significant of a label of 20 bits: 0x1234 and four bits of nothing.
  const structure = { transpositionOffset: 64, transpositionLength: 16 }
  expect(transposeSid(locator, structure, 0x12340, 20).toString()).toBe('2001:db8:0:1:1234::')
  expect(transposeSid(locator, structure, 0x123400, 24).toString()).toBe('2001:db8:0:1:1234::')
  expect(transposeSid(locator, { transpositionOffset: 0, transpositionLength: 0 }, 0xfffff, 20)).toEqual(locator)
  expect(transposeSid(IpAddress.parse('2001:db8:0:1:ffff::'), structure, 0, 20)).toEqual(locator)
})

test.each([
  [{ transpositionOffset: 64, transpositionLength: 21 }, 20],
  [{ transpositionOffset: 120, transpositionLength: 16 }, 20],
] as const)('%o does not fit', (structure, bits) => {
  expect(() => transposeSid(IpAddress.parse('2001:db8::'), structure, 1, bits)).toThrow(
    expect.objectContaining({ code: 'bgp.srv6.transposition' }),
  )
})
