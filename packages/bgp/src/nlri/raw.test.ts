import { ByteReader, ByteWriter } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import { BGP_LS_VPN, IPV4_FLOWSPEC, L2VPN_FLOWSPEC, L2VPN_VPLS, familyOf, type Family } from '../index.js'
import { rawCodec } from './raw.js'

const cases: { name: string; family: Family; entries: number[][] }[] = [
  {
    name: 'FlowSpec',
    family: IPV4_FLOWSPEC,
    entries: [
      [0x03, 0x03, 0x81, 0x06],
      [0xf0, 0xf1, ...Array.from({ length: 241 }, () => 1)],
    ],
  },
  {
    name: 'VPLS',
    family: L2VPN_VPLS,
    entries: [
      [0x00, 0x02, 1, 2],
      [0x00, 0x01, 3],
    ],
  },
  {
    name: 'MVPN',
    family: familyOf(1, 5),
    entries: [
      [0x07, 0x02, 1, 2],
      [0x01, 0x00],
    ],
  },
  {
    name: 'MUP',
    family: familyOf(1, 85),
    entries: [
      [0x01, 0x00, 0x01, 0x02, 1, 2],
      [0x01, 0x00, 0x02, 0x00],
    ],
  },
  {
    name: 'BGP-LS',
    family: familyOf(16_388, 71),
    entries: [
      [0x00, 0x01, 0x00, 0x02, 1, 2],
      [0x00, 0x02, 0x00, 0x00],
    ],
  },
  {
    name: 'BGP-LS of a VPN',
    family: BGP_LS_VPN,
    entries: [
      [0x00, 0x01, 0x00, 0x02, 1, 2],
      [0xff, 0xff, 0x00, 0x00],
    ],
  },
  {
    name: 'FlowSpec of layer-2 VPNs',
    family: L2VPN_FLOWSPEC,
    entries: [
      [0x0a, 0, 0, 0xfd, 0xe8, 0, 0, 0, 1, 0x0e, 0x81],
      [0xf0, 0xf1, ...Array.from({ length: 241 }, () => 1)],
    ],
  },
  { name: 'SR policy', family: familyOf(1, 73), entries: [[0x60, ...Array.from({ length: 12 }, (_, index) => index)]] },
]

describe.each(cases)('entries of $name', ({ family, entries }) => {
  it.each([false, true])('are told from each other, with path identifiers: %s', (addPath) => {
    const mode = { addPath, withdraw: false }
    const field = entries.flatMap((entry, index) => (addPath ? [0, 0, 0, index, ...entry] : entry))
    const nlri = rawCodec.decode(new ByteReader(Uint8Array.from(field)), family, mode)
    expect(nlri.map(({ bytes }) => [...bytes])).toEqual(entries)
    if (addPath) expect(nlri.map(({ pathId }) => pathId)).toEqual(entries.map((_, index) => index))
    const out = new ByteWriter()
    for (const entry of nlri) rawCodec.encode(entry, out, family, mode)
    expect([...out.finish()]).toEqual(field)
  })

  it('are refused when the last one is cut off', () => {
    const field = Uint8Array.from(entries.flat())
    expect(() => rawCodec.decode(new ByteReader(field.subarray(0, -1)), family, { addPath: false, withdraw: false })).toThrow()
  })
})

test('a FlowSpec rule without octets is refused', () => {
  expect(() => rawCodec.decode(new ByteReader(Uint8Array.of(0)), IPV4_FLOWSPEC, { addPath: false, withdraw: false })).toThrow(
    expect.objectContaining({ code: 'bgp.nlri.length', rfc: 'RFC 8955 §4.1' }),
  )
})

test('the field of an unknown family is one value', () => {
  const mode = { addPath: true, withdraw: false }
  expect(rawCodec.decode(new ByteReader(Uint8Array.of(1, 2, 3)), familyOf(1, 241), mode)).toEqual([
    { kind: 'raw', bytes: Uint8Array.of(1, 2, 3) },
  ])
})
