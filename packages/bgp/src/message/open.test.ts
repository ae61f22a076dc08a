import { IpAddress } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import { VPNV4_UNICAST, decodeMessage, encodeMessage, type OpenMessage } from '../index.js'

const marker = Array.from({ length: 16 }, () => 0xff)
/** An OPEN whose body is given as octets, or as hex a field. */
function framed(...body: (number | string)[]): Uint8Array {
  const octets = body.flatMap((part) => (typeof part === 'number' ? [part] : part.split(' ').map((octet) => Number.parseInt(octet, 16))))
  return Uint8Array.of(...marker, (19 + octets.length) >>> 8, (19 + octets.length) & 0xff, 1, ...octets)
}

const cases: { name: string; bytes: Uint8Array; open: OpenMessage }[] = [
  {
    name: 'of a speaker with four-octet AS numbers and VPNv4',
    bytes: framed(
      '04', // version
      '5b a0', // my AS: AS_TRANS
      '00 5a', // hold time 90
      'c0 00 02 01', // identifier 192.0.2.1
      '0e', // parameters: 14 octets
      '02 0c', // capabilities: 12 octets
      '01 04 00 01 00 80', // multiprotocol 1/128
      '41 04 00 01 11 70', // four-octet AS 70,000
    ),
    open: {
      type: 'open',
      as: 70_000,
      holdTime: 90,
      routerId: IpAddress.parse('192.0.2.1'),
      capabilities: [
        { kind: 'multiprotocol', family: VPNV4_UNICAST },
        { kind: 'four-octet-as', as: 70_000 },
      ],
    },
  },
  {
    name: 'of a speaker without capabilities',
    bytes: framed(0x04, 0xfd, 0xe8, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x01, 0x00),
    open: { type: 'open', as: 65_000, holdTime: 0, routerId: IpAddress.parse('10.0.0.1'), capabilities: [] },
  },
]

describe.each(cases)('an OPEN $name', ({ bytes, open }) => {
  it('decodes', () => {
    expect(decodeMessage(bytes)).toEqual({ ok: true, message: open, errors: [] })
  })

  it('encodes', () => {
    expect(encodeMessage(open)).toEqual(bytes)
  })
})

test('each capability in a parameter of its own reads the same as all in one', () => {
  const bytes = framed(0x04, 0xfd, 0xe8, 0, 0, 0x0a, 0, 0, 1, 0x08, 0x02, 0x02, 0x02, 0x00, 0x02, 0x02, 0x46, 0x00)
  expect(decodeMessage(bytes)).toMatchObject({
    ok: true,
    message: { capabilities: [{ kind: 'route-refresh' }, { kind: 'enhanced-route-refresh' }] },
  })
})

test('parameters beyond 255 octets use the extended form (RFC 9072), which is read with small ones too', () => {
  const capabilities = Array.from({ length: 40 }, (_, index) => ({
    kind: 'unknown' as const,
    code: 200,
    value: Uint8Array.of(index, 1, 2, 3, 4),
  }))
  const open: OpenMessage = { type: 'open', as: 65_000, holdTime: 90, routerId: IpAddress.parse('10.0.0.1'), capabilities }
  const bytes = encodeMessage(open)
  expect([...bytes.subarray(28, 35)]).toEqual([255, 255, 0x01, 0x1b, 2, 0x01, 0x18])
  expect(decodeMessage(bytes)).toEqual({ ok: true, message: open, errors: [] })

  const small = framed(0x04, 0xfd, 0xe8, 0, 0, 0x0a, 0, 0, 1, 0xff, 0xff, 0x00, 0x05, 0x02, 0x00, 0x02, 0x02, 0x00)
  expect(decodeMessage(small)).toMatchObject({ ok: true, message: { capabilities: [{ kind: 'route-refresh' }] } })
})

/** What is wrong, and the subcode of the NOTIFICATION (RFC 4271 §6.2, RFC 5492 §5). */
const refused: [what: string, code: string, subcode: number, body: number[]][] = [
  ['version 3', 'bgp.open.version', 1, [0x03, 0xfd, 0xe8, 0, 90, 10, 0, 0, 1, 0]],
  ['AS 0', 'bgp.open.as', 2, [0x04, 0, 0, 0, 90, 10, 0, 0, 1, 0]],
  ['AS 0 in the capability', 'bgp.open.as', 2, [0x04, 0xfd, 0xe8, 0, 90, 10, 0, 0, 1, 8, 2, 6, 0x41, 4, 0, 0, 0, 0]],
  ['identifier 0.0.0.0', 'bgp.open.identifier', 3, [0x04, 0xfd, 0xe8, 0, 90, 0, 0, 0, 0, 0]],
  ['an optional parameter that is no capability', 'bgp.open.parameter', 4, [0x04, 0xfd, 0xe8, 0, 90, 10, 0, 0, 1, 2, 1, 0]],
  ['a hold time of 1 s', 'bgp.open.hold-time', 6, [0x04, 0xfd, 0xe8, 0, 1, 10, 0, 0, 1, 0]],
  ['a hold time of 2 s', 'bgp.open.hold-time', 6, [0x04, 0xfd, 0xe8, 0, 2, 10, 0, 0, 1, 0]],
  ['a capability longer than its parameter', 'bgp.open.length', 0, [0x04, 0xfd, 0xe8, 0, 90, 10, 0, 0, 1, 4, 2, 2, 0x41, 4]],
  ['a parameter longer than the list', 'bgp.open.length', 0, [0x04, 0xfd, 0xe8, 0, 90, 10, 0, 0, 1, 2, 2, 1]],
  ['octets behind the parameters', 'bgp.open.length', 0, [0x04, 0xfd, 0xe8, 0, 90, 10, 0, 0, 1, 0, 0]],
  ['a four-octet AS capability of 3 octets', 'bgp.capability.length', 0, [0x04, 0xfd, 0xe8, 0, 90, 10, 0, 0, 1, 7, 2, 5, 0x41, 3, 0, 0, 1]],
]

test.each(refused)('%s is refused as %s with NOTIFICATION 2/%i', (_what, code, subcode, body) => {
  expect(decodeMessage(framed(...body))).toMatchObject({
    ok: false,
    error: { code, handling: 'session-reset', notification: { code: 2, subcode } },
  })
})

test('what cannot stand on the wire is not written', () => {
  const open: OpenMessage = { type: 'open', as: 70_000, holdTime: 90, routerId: IpAddress.parse('10.0.0.1'), capabilities: [] }
  expect(() => encodeMessage(open)).toThrow(expect.objectContaining({ code: 'bgp.open.as' }))
  expect(() => encodeMessage({ ...open, as: 1, holdTime: 2 })).toThrow(expect.objectContaining({ code: 'bgp.open.hold-time' }))
})
