import { ByteReader, ByteWriter, IpAddress, WireError } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import type { PathAttributes } from '../index.js'
import { ATTRIBUTE_CODECS, attributeCodecOf } from './registry.js'
import { encodeAttributes } from './encode.js'
import { nestedAttributes } from '../validate/attributes.js'

const ASN4 = { asn4: true, peerType: 'ibgp', nested: nestedAttributes(1) } as const

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
    attributes: { pmsiTunnel: { flags: 0, label: 0x101, tunnel: { kind: 'ingress-replication', endpoint: IpAddress.parse('192.0.2.1') } } },
  },
  {
    name: 'PMSI_TUNNEL without a tunnel',
    bytes: 'c0 16 05 01 00 00 00 00',
    attributes: { pmsiTunnel: { flags: 1, label: 0, tunnel: { kind: 'none' } } },
  },
  {
    name: 'PMSI_TUNNEL of an RSVP-TE P2MP LSP',
    bytes: 'c0 16 11 00 01 00 00 00 c0 00 02 01 00 00 00 07 00 00 00 09',
    attributes: {
      pmsiTunnel: {
        flags: 0,
        label: 0,
        tunnel: { kind: 'rsvp-te-p2mp', extendedTunnelId: IpAddress.parse('192.0.2.1'), reserved: 0, tunnelId: 7, p2mpId: 9 },
      },
    },
  },
  {
    name: 'PMSI_TUNNEL of an mLDP P2MP LSP',
    bytes: 'c0 16 16 00 02 00 00 00 06 00 01 04 c0 00 02 01 00 07 01 00 04 00 00 00 05',
    attributes: {
      pmsiTunnel: {
        flags: 0,
        label: 0,
        tunnel: { kind: 'mldp-p2mp', fec: 6, root: IpAddress.parse('192.0.2.1'), opaque: Uint8Array.of(1, 0, 4, 0, 0, 0, 5) },
      },
    },
  },
  {
    name: 'PMSI_TUNNEL of a PIM-SSM tree',
    bytes: 'c0 16 0d 00 03 00 00 00 c0 00 02 01 e8 01 01 01',
    attributes: {
      pmsiTunnel: {
        flags: 0,
        label: 0,
        tunnel: { kind: 'pim-ssm', root: IpAddress.parse('192.0.2.1'), group: IpAddress.parse('232.1.1.1') },
      },
    },
  },
  {
    name: 'PMSI_TUNNEL of a BIER sub-domain, ingress replication beside it',
    bytes: 'c0 16 0c 00 8b 00 01 00 00 00 03 c0 00 02 01',
    attributes: {
      pmsiTunnel: {
        flags: 0,
        label: 0x100,
        composite: true,
        tunnel: { kind: 'bier', subDomain: 0, bfrId: 3, bfrPrefix: IpAddress.parse('192.0.2.1') },
      },
    },
  },
  {
    name: 'PMSI_TUNNEL of an SRv6 tree',
    bytes: 'c0 16 19 00 0d 00 00 00 00 00 00 05 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01',
    attributes: {
      pmsiTunnel: { flags: 0, label: 0, tunnel: { kind: 'srv6-p2mp', treeId: 5, root: IpAddress.parse('2001:db8::1') } },
    },
    long: true, // with an address of IPv4
  },
  {
    name: 'ATTR_SET',
    bytes: 'c0 80 18 00 00 fd e8 40 01 01 00 40 02 06 02 01 00 01 11 70 40 05 04 00 00 00 c8',
    attributes: {
      attrSet: { originAs: 65_000, attributes: { origin: 'igp', asPath: [{ type: 'sequence', asns: [70_000] }], localPref: 200 } },
    },
    long: true,
  },
  {
    name: 'tunnel encapsulation: MPLS in UDP with an egress endpoint and a sub-TLV of two-octet length',
    bytes: 'c0 17 15 00 0d 00 11 06 0a 00 00 00 00 00 01 c0 00 02 01 80 00 02 01 02',
    attributes: {
      tunnelEncapsulation: [
        {
          type: 13,
          subTlvs: [
            { kind: 'egress-endpoint', address: IpAddress.parse('192.0.2.1') },
            { kind: 'unknown', type: 128, value: Uint8Array.of(1, 2) },
          ],
        },
      ],
    },
  },
  {
    name: 'IPv6 extended communities',
    bytes: 'c0 19 14 00 02 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 00 01',
    attributes: { ipv6ExtendedCommunities: [{ kind: 'route-target', address: IpAddress.parse('2001:db8::1'), assigned: 1 }] },
  },
  { name: 'AIGP', bytes: '80 1a 0b 01 00 0b 00 00 00 00 00 00 00 0a', attributes: { aigp: 10n } },
  {
    name: 'LARGE_COMMUNITY',
    bytes: 'c0 20 0c 00 01 11 70 00 00 00 01 00 00 00 02',
    attributes: { largeCommunities: [{ globalAdministrator: 70_000, localData1: 1, localData2: 2 }] },
  },
  {
    name: 'BGP-LS attribute',
    bytes: '80 1d 0a 04 02 00 02 aa bb 04 03 00 00',
    attributes: {
      linkState: [
        { type: 1026, value: Uint8Array.of(0xaa, 0xbb) },
        { type: 1027, value: new Uint8Array() },
      ],
    },
    long: true,
  },
  {
    name: 'D-PATH',
    bytes: 'c0 24 0f 02 00 00 fd e8 00 01 46 00 00 fd e9 00 02 80',
    attributes: {
      domainPath: [
        [
          { globalAdministrator: 65_000, localAdministrator: 1, safi: 70 },
          { globalAdministrator: 65_001, localAdministrator: 2, safi: 128 },
        ],
      ],
    },
  },
  {
    name: 'BFD discriminator',
    bytes: 'c0 26 0b 01 00 00 00 05 01 04 c0 00 02 01',
    attributes: { bfdDiscriminator: { mode: 1, discriminator: 5, tlvs: [{ type: 1, value: Uint8Array.of(192, 0, 2, 1) }] } },
  },
  {
    name: 'Prefix-SID: label index and label blocks',
    bytes: 'c0 28 15 01 00 07 00 00 00 00 00 00 64 03 00 08 00 00 00 3e 80 00 1f 40',
    attributes: {
      prefixSid: [
        { kind: 'label-index', flags: 0, labelIndex: 100 },
        { kind: 'originator-srgb', flags: 0, ranges: [{ base: 16_000, size: 8000 }] },
      ],
    },
    long: true,
  },
  {
    name: 'Prefix-SID: SRv6 service with the structure of its SID',
    bytes: [
      'c0 28 25',
      '05 00 22 00', // SRv6 L3 service, reserved
      '01 00 1e 00', // SID information, reserved
      '20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 00', // SID
      '00 00 13 00', // flags, End.DT4, reserved
      '01 00 06 20 10 10 00 10 30', // structure
    ].join(' '),
    attributes: {
      prefixSid: [
        {
          kind: 'srv6-l3-service',
          subTlvs: [
            {
              kind: 'sid-information',
              sid: IpAddress.parse('2001:db8::'),
              flags: 0,
              behavior: 19,
              subTlvs: [
                {
                  kind: 'structure',
                  locatorBlockLength: 32,
                  locatorNodeLength: 16,
                  functionLength: 16,
                  argumentLength: 0,
                  transpositionLength: 16,
                  transpositionOffset: 48,
                },
              ],
            },
          ],
        },
      ],
    },
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
