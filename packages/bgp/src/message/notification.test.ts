import { describe, expect, it, test } from 'vitest'
import { decodeMessage, encodeMessage, type NotificationMessage } from '../index.js'

const marker = Array.from({ length: 16 }, () => 0xff)
const framed = (...body: number[]): Uint8Array => Uint8Array.of(...marker, 0, 19 + body.length, 3, ...body)

const cases: { name: string; bytes: Uint8Array; notification: NotificationMessage }[] = [
  {
    name: 'hold timer expired',
    bytes: framed(0x04, 0x00),
    notification: { type: 'notification', code: 4, subcode: 0, data: new Uint8Array() },
  },
  {
    name: 'administrative shutdown with a text',
    bytes: framed(0x06, 0x02, 0x03, 0x62, 0x79, 0x65), // Cease, shutdown, 3 octets: "bye"
    notification: { type: 'notification', code: 6, subcode: 2, data: Uint8Array.of(3, 0x62, 0x79, 0x65), shutdown: 'bye' },
  },
  {
    name: 'administrative reset without a text',
    bytes: framed(0x06, 0x04),
    notification: { type: 'notification', code: 6, subcode: 4, data: new Uint8Array() },
  },
]

describe.each(cases)('a NOTIFICATION: $name', ({ bytes, notification }) => {
  it('decodes', () => {
    expect(decodeMessage(bytes)).toEqual({ ok: true, message: notification, errors: [] })
  })

  it('encodes', () => {
    expect(encodeMessage(notification)).toEqual(bytes)
  })
})

test.each([
  ['a length that lies', [6, 2, 9, 0x62]],
  ['octets that are no UTF-8', [6, 2, 2, 0xc3, 0x28]],
])('a shutdown communication with %s is left as octets (RFC 9003 §2)', (_what, body) => {
  const result = decodeMessage(framed(...body))
  expect(result).toMatchObject({ ok: true, errors: [{ code: 'bgp.notification.shutdown', handling: 'ignore' }] })
  expect(result.ok && 'shutdown' in result.message).toBe(false)
})

test('a text longer than 255 octets, or behind another code, is not written', () => {
  const base = { type: 'notification', code: 6, subcode: 2, data: new Uint8Array() } as const
  expect(() => encodeMessage({ ...base, shutdown: 'é'.repeat(128) })).toThrow(
    expect.objectContaining({ code: 'bgp.notification.shutdown' }),
  )
  expect(() => encodeMessage({ ...base, subcode: 1, shutdown: 'x' })).toThrow(
    expect.objectContaining({ code: 'bgp.notification.shutdown' }),
  )
})
