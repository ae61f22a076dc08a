import { IpPrefix } from '@heddle/wire'
import { decodeRtr, encodeRtr, rtrLength, type RtrPdu } from '@heddle/bgp'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { has, unhex, valuesOf } from './directory.js'

interface Row {
  readonly version: number
  readonly type: number
  readonly hex: string
}

const cases: readonly (readonly [name: string, hex: string, pdu: RtrPdu])[] = [
  ['reset query', '0102000000000008', { type: 'reset-query', version: 1 }],
  ['serial query', '0001cf480000000c00000001', { type: 'serial-query', version: 0, session: 0xcf48, serial: 1 }],
  ['cache response', '0003cf4800000008', { type: 'cache-response', version: 0, session: 0xcf48 }],
  [
    'IPv4 prefix (RFC 8210 §5.6)',
    '010400000000001401181800c00002000000fde8',
    { type: 'ipv4-prefix', version: 1, announce: true, prefix: IpPrefix.parse('192.0.2.0/24'), maxLength: 24, as: 65_000 },
  ],
  [
    'end of data, with intervals',
    '0107cf48000000180000000100000e100000025800001c20',
    { type: 'end-of-data', version: 1, session: 0xcf48, serial: 1, intervals: { refresh: 3600, retry: 600, expire: 7200 } },
  ],
  [
    'ASPA',
    '020b0100000000140000fde80000fde90000fdea',
    { type: 'aspa', version: 2, announce: true, customer: 65_000, providers: [65_001, 65_002] },
  ],
  [
    'error report',
    '010a0002000000130000000000000003626164',
    { type: 'error-report', version: 1, code: 2, pdu: new Uint8Array(), text: 'bad' },
  ],
]

describe.each(cases)('%s', (_name, hex, pdu) => {
  test('decodes and encodes', () => {
    expect(decodeRtr(unhex(hex))).toEqual({ ok: true, pdu })
    expect(Buffer.from(encodeRtr(pdu)).toString('hex')).toBe(hex)
  })

  test('cut at any octet, or changed in any, is a value or an error', () => {
    const bytes = unhex(hex)
    for (let at = 0; at < bytes.length; at++) {
      expect(decodeRtr(bytes.subarray(0, at)).ok).toBe(false)
      for (const change of [1, 0x80, 0xff]) expect(decodeRtr(bytes.with(at, bytes[at] ^ change))).toHaveProperty('ok')
    }
  })
})

test('any octets are a value that encodes to what decodes to it, or an error', () => {
  const head = fc.tuple(fc.nat(3), fc.nat(12), fc.uint8Array({ minLength: 2, maxLength: 2 }), fc.uint8Array({ maxLength: 60 }))
  fc.assert(
    fc.property(head, ([version, type, field, body]) => {
      const bytes = Uint8Array.of(version, type, ...field, 0, 0, 0, 8 + body.length, ...body)
      const result = decodeRtr(bytes)
      if (!result.ok) expect(result.error.code).toMatch(/^rtr\./)
      else expect(decodeRtr(encodeRtr(result.pdu))).toEqual(result)
    }),
    { numRuns: 2000 },
  )
})

test.skipIf(!has('rtr/rtr-pdus.jsonl.gz'))(
  'PDUs of StayRTR and its clients come back octet for octet (skipped without HEDDLE_VECTORS)',
  () => {
    const rows = valuesOf<Row>('rtr/rtr-pdus.jsonl.gz')
    for (const { version, hex } of rows) {
      const bytes = unhex(hex)
      expect(rtrLength(bytes)).toBe(bytes.length)
      const result = decodeRtr(bytes)
      if (!result.ok) expect.unreachable(`${hex} ${result.error.code}`)
      expect(result.pdu.version).toBe(version)
      expect(Buffer.from(encodeRtr(result.pdu)).toString('hex')).toBe(hex)
    }
    expect(rows.length).toBeGreaterThan(200)
  },
)
