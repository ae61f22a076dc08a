import { IpPrefix } from '@heddle/wire'
import { expect, test } from 'vitest'
import { IPV4_UNICAST, decodeMessage, encodeMessage, type RouteRefreshMessage } from '../index.js'

const marker = 'ff'.repeat(16)
const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

// When: immediate; address prefixes: remove all, then permit 10.0.0.0/8 of length 16 to 24, deny the rest; a filter of type 2 that nobody knows.
const request = `${marker} 0033 05 0001 00 01  01  40 0012  80  00 0000000a 10 18 08 0a  20 00000014 00 20 00  02 0003 aabbcc`.replaceAll(
  ' ',
  '',
)
const message: RouteRefreshMessage = {
  type: 'route-refresh',
  family: IPV4_UNICAST,
  subtype: 0,
  orf: {
    when: 'immediate',
    filters: [
      {
        kind: 'address-prefix',
        entries: [
          { action: 'remove-all' },
          { action: 'add', match: 'permit', sequence: 10, minLength: 16, maxLength: 24, prefix: IpPrefix.parse('10.0.0.0/8') },
          { action: 'add', match: 'deny', sequence: 20, minLength: 0, maxLength: 32, prefix: IpPrefix.parse('0.0.0.0/0') },
        ],
      },
      { kind: 'unknown', type: 2, entries: Uint8Array.of(0xaa, 0xbb, 0xcc) },
    ],
  },
}

function sized(bytes: Uint8Array): Uint8Array {
  const out = bytes.slice()
  out[16] = out.length >>> 8
  out[17] = out.length & 0xff
  return out
}

test('filters of a request are taken apart (RFC 5291 §4, RFC 5292 §3)', () => {
  const bytes = sized(octets(request))
  expect(decodeMessage(bytes)).toEqual({ ok: true, message, errors: [] })
  expect(Buffer.from(encodeMessage(message)).toString('hex')).toBe(Buffer.from(bytes).toString('hex'))
})

test('filters that are none are kept as octets, and told', () => {
  const bytes = sized(octets(request))
  for (let length = 24; length < bytes.length; length++) {
    const cut = sized(bytes.slice(0, length))
    const result = decodeMessage(cut)
    if (!result.ok || result.message.type !== 'route-refresh') expect.unreachable()
    if (result.message.rawOrf !== undefined) expect(result.errors).toMatchObject([{ code: 'bgp.route-refresh.orf', handling: 'ignore' }])
    expect(Buffer.from(encodeMessage(result.message)).toString('hex')).toBe(Buffer.from(cut).toString('hex'))
  }
  expect(decodeMessage(bytes.with(23, 3))).toMatchObject({ ok: true, errors: [{ code: 'bgp.route-refresh.orf', rfc: 'RFC 5291 §4' }] })
})
