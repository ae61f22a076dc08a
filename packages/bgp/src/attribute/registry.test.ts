import { ByteReader, ByteWriter, IpAddress, WireError } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import type { PathAttributes } from '../index.js'
import { ATTRIBUTE_CODECS, attributeCodecOf } from './registry.js'
import { encodeAttributes } from './encode.js'

const ASN4 = { asn4: true, peerType: 'ibgp' } as const

/** Each attribute with its head: flags, type, length, value. `long` marks those of which the front part of a value is a value too. */
const cases: { name: string; bytes: string; attributes: PathAttributes; long?: true }[] = [
  { name: 'ORIGIN', bytes: '40 01 01 02', attributes: { origin: 'incomplete' } },
  {
    name: 'AS_PATH',
    bytes: '40 02 10 02 02 00 00 fd e8 00 01 11 70 01 01 00 00 00 07',
    attributes: {
      asPath: [
        { type: 'sequence', asns: [65_000, 70_000] },
        { type: 'set', asns: [7] },
      ],
    },
    long: true,
  },
  { name: 'an empty AS_PATH', bytes: '40 02 00', attributes: { asPath: [] } },
  { name: 'NEXT_HOP', bytes: '40 03 04 c0 00 02 01', attributes: { nextHop: IpAddress.parse('192.0.2.1') } },
  { name: 'MULTI_EXIT_DISC', bytes: '80 04 04 00 00 00 05', attributes: { med: 5 } },
  { name: 'LOCAL_PREF', bytes: '40 05 04 ff ff ff ff', attributes: { localPref: 0xffff_ffff } },
  { name: 'ATOMIC_AGGREGATE', bytes: '40 06 00', attributes: { atomicAggregate: true } },
  {
    name: 'AGGREGATOR',
    bytes: 'c0 07 08 00 01 11 70 c0 00 02 01',
    attributes: { aggregator: { as: 70_000, address: IpAddress.parse('192.0.2.1') } },
  },
  { name: 'COMMUNITIES', bytes: 'c0 08 08 fd e8 00 64 ff ff ff 01', attributes: { communities: [0xfde8_0064, 0xffff_ff01] }, long: true },
  { name: 'ORIGINATOR_ID', bytes: '80 09 04 0a 00 00 02', attributes: { originatorId: IpAddress.parse('10.0.0.2') } },
  {
    name: 'CLUSTER_LIST',
    bytes: '80 0a 08 0a 00 00 03 0a 00 00 04',
    attributes: { clusterList: [IpAddress.parse('10.0.0.3'), IpAddress.parse('10.0.0.4')] },
    long: true,
  },
  {
    name: 'EXTENDED_COMMUNITIES',
    bytes: 'c0 10 08 03 0c 00 00 00 00 00 0d',
    attributes: { extendedCommunities: [{ kind: 'encapsulation', tunnelType: 13 }] },
  },
  {
    name: 'PMSI_TUNNEL of ingress replication',
    bytes: 'c0 16 09 00 06 00 01 01 c0 00 02 01',
    attributes: { pmsiTunnel: { flags: 0, tunnelType: 6, label: 0x101, tunnelId: Uint8Array.of(192, 0, 2, 1) } },
  },
  {
    name: 'tunnel encapsulation: MPLS in UDP with an egress endpoint and a sub-TLV of two-octet length',
    bytes: 'c0 17 15 00 0d 00 11 06 0a 00 00 00 00 00 01 c0 00 02 01 80 00 02 01 02',
    attributes: {
      tunnelEncapsulation: [
        {
          type: 13,
          subTlvs: [
            { type: 6, value: Uint8Array.of(0, 0, 0, 0, 0, 1, 192, 0, 2, 1) },
            { type: 128, value: Uint8Array.of(1, 2) },
          ],
        },
      ],
    },
  },
  {
    name: 'IPv6 extended communities',
    bytes: 'c0 19 14 00 02 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 00 01',
    attributes: { ipv6ExtendedCommunities: [Uint8Array.of(0, 2, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1)] },
  },
  { name: 'AIGP', bytes: '80 1a 0b 01 00 0b 00 00 00 00 00 00 00 0a', attributes: { aigp: 10n } },
  {
    name: 'LARGE_COMMUNITY',
    bytes: 'c0 20 0c 00 01 11 70 00 00 00 01 00 00 00 02',
    attributes: { largeCommunities: [{ globalAdministrator: 70_000, localData1: 1, localData2: 2 }] },
  },
  { name: 'OTC', bytes: 'c0 23 04 00 00 fd e8', attributes: { otc: 65_000 } },
]

describe.each(cases)('$name', ({ bytes, attributes, long }) => {
  const octets = Uint8Array.from(bytes.split(' ').map((octet) => Number.parseInt(octet, 16)))
  const codec = attributeCodecOf(octets[1]) ?? expect.unreachable()
  const value = octets.subarray(3)

  it('decodes', () => {
    const input = new ByteReader(value)
    expect({ [codec.property]: codec.decode(input, ASN4) }).toEqual(attributes)
  })

  it('encodes with its head', () => {
    const out = new ByteWriter(1)
    encodeAttributes(attributes, out)
    expect(out.finish()).toEqual(octets)
  })

  it('is refused at every truncation, and never read beyond', () => {
    for (let length = 0; length < value.length; length++) {
      const input = new ByteReader(value.subarray(0, length))
      let refused = false
      try {
        codec.decode(input, ASN4)
      } catch (error) {
        expect(error).toBeInstanceOf(WireError)
        refused = true
      }
      if (long !== true) expect(refused, `${length} of ${value.length} octets`).toBe(true)
    }
  })
})

test('every codec stands in the table', () => {
  const seen = new Set(cases.flatMap(({ attributes }) => Object.keys(attributes)))
  for (const { property } of ATTRIBUTE_CODECS) if (!property.startsWith('as4')) expect(seen).toContain(property)
})

test('values of more than 255 octets have a length of two', () => {
  const out = new ByteWriter()
  encodeAttributes({ communities: Array.from({ length: 64 }, () => 1) }, out)
  expect([...out.view().subarray(0, 4)]).toEqual([0xd0, 8, 1, 0])
})

test('two-octet peers get AS_TRANS and the companions that say what it stands for (RFC 6793 §4.2.2)', () => {
  const out = new ByteWriter()
  const address = IpAddress.parse('192.0.2.1')
  encodeAttributes({ asPath: [{ type: 'sequence', asns: [70_000, 7] }], aggregator: { as: 70_000, address } }, out, { asn4: false })
  expect(Buffer.from(out.view()).toString('hex')).toBe(
    '40020602025ba00007c007065ba0c0000201c0110a02020001117000000007c0120800011170c0000201',
  )
})

test('unknown attributes keep their place among the known', () => {
  const out = new ByteWriter()
  const value = Uint8Array.of(1)
  encodeAttributes(
    {
      origin: 'igp',
      otc: 1,
      unknown: [
        { type: 200, flags: 0xe0, value },
        { type: 21, flags: 0x80, value },
      ],
    },
    out,
  )
  expect(Buffer.from(out.view()).toString('hex')).toBe(['40010100', '80150101', 'c0230400000001', 'e0c80101'].join(''))
})
