import { describe, expect, test } from 'vitest'
import { decodeMessage, encodeMessage, familyOf, type DecodeOptions } from '../index.js'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))

/** An UPDATE with MP_REACH_NLRI of a family that nobody has assigned, and with attributes that nobody has. */
function announcing(safi: number): Uint8Array {
  const field = hex(`0001 ${safi.toString(16)} 04 0a000001 00 7000010a00000100010a000002e0000105`)
  const attributes = [
    ...hex('40 01 01 00  40 02 00  40 05 04 00000064'),
    0x90,
    14,
    field.length >>> 8,
    field.length & 0xff,
    ...field,
    ...hex('c0 10 10 80 71 fd e8 00 00 00 07  80 04 00 00 00 00 00 08'), // origin VN, security group
    ...hex('80 f1 05 0102030405'), // edge discovery
    ...hex('c0 f3 08 80 71 fd e8 00 00 00 07'), // origin VN path
  ]
  const body = [0, 0, attributes.length >>> 8, attributes.length & 0xff, ...attributes]
  const length = 19 + body.length
  return Uint8Array.from([...Array.from({ length: 16 }, () => 0xff), length >>> 8, length & 0xff, 2, ...body])
}

describe.each([241, 242, 243])('routes of the private SAFI %i, as Contrail sends them', (safi) => {
  test.each<DecodeOptions>([{ peerType: 'ibgp' }, { peerType: 'ibgp', addPath: 'all' }])('are kept octet for octet %o', (options) => {
    const bytes = announcing(safi)
    const result = decodeMessage(bytes, options)
    if (!result.ok || result.message.type !== 'update') expect.unreachable(JSON.stringify(result))
    expect(result.errors).toEqual([])
    const [{ family, nlri, rawNextHop }] = result.message.announced
    expect(family).toEqual(familyOf(1, safi))
    expect(nlri).toEqual([{ kind: 'raw', bytes: hex('7000010a00000100010a000002e0000105') }])
    expect(rawNextHop).toEqual(hex('0a000001'))
    const { unknown, extendedCommunities } = result.message.attributes
    expect(unknown?.map(({ type, flags }) => [type, flags])).toEqual([
      [241, 0x80],
      [243, 0xc0],
    ])
    expect(extendedCommunities).toEqual([
      { kind: 'unknown', high: 0x8071_fde8, low: 7 },
      { kind: 'unknown', high: 0x8004_0000, low: 8 },
    ])
    const again = decodeMessage(encodeMessage(result.message, options), options)
    expect(again).toEqual(result)
  })

  test('cut at any octet, are a value or an error', () => {
    const bytes = announcing(safi)
    for (let length = 23; length < bytes.length; length++) {
      const cut = bytes.slice(0, length)
      cut[16] = length >>> 8
      cut[17] = length & 0xff
      expect(decodeMessage(cut)).toHaveProperty('ok')
    }
  })
})
