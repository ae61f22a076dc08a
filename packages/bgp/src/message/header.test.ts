import { describe, expect, it, test } from 'vitest'
import { MESSAGE_TYPE, readHeader } from '../index.js'

const marker = Array.from({ length: 16 }, () => 0xff)
const header = (length: number, type: number): Uint8Array => Uint8Array.of(...marker, length >>> 8, length & 0xff, type)

/** Smallest and largest length of each type, without and with extended messages (RFC 4271 §6.1, RFC 8654 §4). */
const bounds = [
  { name: 'OPEN', type: MESSAGE_TYPE.open, smallest: 29, largest: 4096, extended: 4096 },
  { name: 'UPDATE', type: MESSAGE_TYPE.update, smallest: 23, largest: 4096, extended: 65_535 },
  { name: 'NOTIFICATION', type: MESSAGE_TYPE.notification, smallest: 21, largest: 4096, extended: 65_535 },
  { name: 'KEEPALIVE', type: MESSAGE_TYPE.keepalive, smallest: 19, largest: 19, extended: 19 },
  { name: 'ROUTE-REFRESH', type: MESSAGE_TYPE.routeRefresh, smallest: 23, largest: 4096, extended: 65_535 },
]

describe.each(bounds)('the header of $name', ({ type, smallest, largest, extended }) => {
  it.each([smallest, largest])('may say %i octets', (length) => {
    expect(readHeader(header(length, type), { extended: false })).toEqual({ ok: true, header: { length, type } })
  })

  it.each([smallest - 1, largest + 1])('may not say %i octets', (length) => {
    expect(readHeader(header(length, type), { extended: false })).toMatchObject({
      ok: false,
      error: {
        code: 'bgp.header.length',
        offset: 16,
        notification: { code: 1, subcode: 2, data: Uint8Array.of(length >>> 8, length & 0xff) },
      },
    })
  })

  it('may say more where extended messages were negotiated, if it is of a type that has them', () => {
    expect(readHeader(header(extended, type))).toMatchObject({ ok: true })
    if (extended < 65_535) expect(readHeader(header(extended + 1, type))).toMatchObject({ ok: false })
  })
})

test('a marker that is not all ones is not synchronized', () => {
  const bytes = header(19, MESSAGE_TYPE.keepalive)
  for (let at = 0; at < 16; at++) {
    expect(readHeader(bytes.with(at, 0x7f))).toMatchObject({ ok: false, error: { offset: at, notification: { code: 1, subcode: 1 } } })
  }
})

test.each([0, 6, 255])('type %i is a bad type', (type) => {
  expect(readHeader(header(19, type))).toMatchObject({
    ok: false,
    error: { notification: { code: 1, subcode: 3, data: Uint8Array.of(type) } },
  })
})

test('eighteen octets are not enough to tell', () => {
  expect(readHeader(header(19, 4).subarray(0, 18))).toBeUndefined()
})
