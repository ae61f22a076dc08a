import { expect, test } from 'vitest'
import { passOn } from '../index.js'

const value = Uint8Array.of(1)

test('what is unknown is passed on when it is transitive, and marked partial', () => {
  expect(passOn([{ type: 200, flags: 0xc0, value }])).toEqual([{ type: 200, flags: 0xe0, value }])
  expect(passOn([{ type: 201, flags: 0x80, value }])).toEqual([])
})

test('what is known by its shape is passed on as it is', () => {
  const prefixSid = { type: 40, flags: 0xc0, value }
  const bgpLs = { type: 29, flags: 0x80, value }
  expect(passOn([bgpLs, prefixSid])).toEqual([bgpLs, prefixSid])
})
