import { ByteReader, ByteWriter, IpAddress, IpPrefix, RouteDistinguisher, WireError } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import {
  BGP_LS,
  BGP_LS_VPN,
  IPV4_FLOWSPEC,
  IPV4_MCAST_VPN,
  IPV4_MUP,
  IPV4_SR_POLICY,
  IPV6_FLOWSPEC,
  IPV6_SR_POLICY,
  L2VPN_VPLS,
  VPNV4_FLOWSPEC,
  decodeMessage,
  strongestHandling,
  withdrawMalformed,
  type Family,
  type Nlri,
} from '../index.js'
import { decodeNlri, encodeNlri } from './registry.js'

const rd = RouteDistinguisher.parse('192.0.2.1:5')
const RD = '00 01 c0 00 02 01 00 05'
const ip = (text: string): IpAddress => IpAddress.parse(text)

interface Case {
  readonly name: string
  readonly family: Family
  readonly bytes: readonly string[]
  readonly nlri: Nlri
}

const cases: readonly Case[] = [
  {
    name: 'FlowSpec: the first example of RFC 8955 §4.3',
    family: IPV4_FLOWSPEC,
    bytes: ['0b', '01 18 c0 00 02', '03 81 06', '04 81 19'],
    nlri: {
      kind: 'flowspec',
      components: [
        { type: 'destination-prefix', prefix: IpPrefix.parse('192.0.2.0/24') },
        { type: 'protocol', matches: [{ and: false, operator: '==', value: 6 }] },
        { type: 'port', matches: [{ and: false, operator: '==', value: 25 }] },
      ],
    },
  },
  {
    name: 'FlowSpec: the second example of RFC 8955 §4.3',
    family: IPV4_FLOWSPEC,
    bytes: ['12', '01 18 c0 00 02', '02 18 cb 00 71', '04 03 89 45 8b 91 1f 90'],
    nlri: {
      kind: 'flowspec',
      components: [
        { type: 'destination-prefix', prefix: IpPrefix.parse('192.0.2.0/24') },
        { type: 'source-prefix', prefix: IpPrefix.parse('203.0.113.0/24') },
        {
          type: 'port',
          matches: [
            { and: false, operator: '>=', value: 137 },
            { and: true, operator: '<=', value: 139 },
            { and: false, operator: '==', value: 8080 },
          ],
        },
      ],
    },
  },
  {
    name: 'FlowSpec: fragments, TCP flags, and a value wider than it needs to be',
    family: IPV4_FLOWSPEC,
    bytes: ['0c', '05 91 00 50', '09 81 12', '0c 02 04 81 08'],
    nlri: {
      kind: 'flowspec',
      components: [
        { type: 'destination-port', matches: [{ and: false, operator: '==', value: 80, size: 2 }] },
        { type: 'tcp-flags', matches: [{ and: false, not: false, all: true, value: 0x12 }] },
        {
          type: 'fragment',
          matches: [
            { and: false, not: true, all: false, value: 4 },
            { and: false, not: false, all: true, value: 8 },
          ],
        },
      ],
    },
  },
  {
    name: 'FlowSpec of IPv6: a prefix with an offset (RFC 8956 §3.8.2) and a flow label',
    family: IPV6_FLOWSPEC,
    bytes: ['11', '01 68 41 24 68 ac f1 34', '03 81 3a', '0d a1 00 01 23 45'],
    nlri: {
      kind: 'flowspec',
      components: [
        { type: 'destination-prefix', prefix: IpPrefix.parse('::1234:5678:9a00:0/104'), offset: 65 },
        { type: 'protocol', matches: [{ and: false, operator: '==', value: 58 }] },
        { type: 'flow-label', matches: [{ and: false, operator: '==', value: 0x12345 }] },
      ],
    },
  },
  {
    name: 'FlowSpec of VPNv4 (RFC 8955 §8)',
    family: VPNV4_FLOWSPEC,
    bytes: ['0e', RD, '02 20 0a 00 00 01'],
    nlri: { kind: 'flowspec', rd, components: [{ type: 'source-prefix', prefix: IpPrefix.parse('10.0.0.1/32') }] },
  },
  {
    name: 'SR policy over IPv4 (RFC 9830 §2.1)',
    family: IPV4_SR_POLICY,
    bytes: ['60', '00 00 00 07', '00 00 00 64', 'c0 00 02 01'],
    nlri: { kind: 'sr-policy', distinguisher: 7, color: 100, endpoint: ip('192.0.2.1') },
  },
  {
    name: 'SR policy over IPv6',
    family: IPV6_SR_POLICY,
    bytes: ['c0', '00 00 00 07', '00 00 00 64', '20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01'],
    nlri: { kind: 'sr-policy', distinguisher: 7, color: 100, endpoint: ip('2001:db8::1') },
  },
  {
    name: 'VPLS with a label block (RFC 4761 §3.2.2)',
    family: L2VPN_VPLS,
    bytes: ['00 11', RD, '00 05', '00 01', '00 08', '02 9c e1'],
    nlri: { kind: 'vpls', route: 'edge', rd, edgeId: 5, blockOffset: 1, blockSize: 8, labelBase: 0x02_9ce1 },
  },
  {
    name: 'VPLS with LDP (RFC 6074 §3.2.2)',
    family: L2VPN_VPLS,
    bytes: ['00 0c', RD, 'c0 00 02 01'],
    nlri: { kind: 'vpls', route: 'discovery', rd, address: ip('192.0.2.1') },
  },
  {
    name: 'MVPN intra-AS I-PMSI (RFC 6514 §4.1)',
    family: IPV4_MCAST_VPN,
    bytes: ['01 0c', RD, 'c0 00 02 01'],
    nlri: { kind: 'mvpn', route: 'intra-as-i-pmsi', rd, originator: ip('192.0.2.1') },
  },
  {
    name: 'MVPN S-PMSI of a wildcard source (RFC 6625 §2)',
    family: IPV4_MCAST_VPN,
    bytes: ['03 12', RD, '00', '20 ef 01 01 01', 'c0 00 02 01'],
    nlri: { kind: 'mvpn', route: 's-pmsi', rd, group: ip('239.1.1.1'), originator: ip('192.0.2.1') },
  },
  {
    name: 'MVPN leaf (RFC 6514 §4.4)',
    family: IPV4_MCAST_VPN,
    bytes: ['04 12', '01 0c', RD, 'c0 00 02 02', 'c0 00 02 01'],
    nlri: {
      kind: 'mvpn',
      route: 'leaf',
      routeKey: Uint8Array.of(1, 12, 0, 1, 192, 0, 2, 1, 0, 5, 192, 0, 2, 2),
      originator: ip('192.0.2.1'),
    },
  },
  {
    name: 'MVPN source tree join (RFC 6514 §4.6)',
    family: IPV4_MCAST_VPN,
    bytes: ['07 16', RD, '00 00 fd e8', '20 0a 63 0c 02', '20 ef fb ff e4'],
    nlri: { kind: 'mvpn', route: 'source-tree-join', rd, sourceAs: 65_000, source: ip('10.99.12.2'), group: ip('239.251.255.228') },
  },
  {
    name: 'MUP direct segment (draft-ietf-bess-mup-safi §3.1.2)',
    family: IPV4_MUP,
    bytes: ['01 00 02 0c', RD, '0a 00 00 01'],
    nlri: { kind: 'mup', architecture: 1, routeType: 2, rd, value: Uint8Array.of(10, 0, 0, 1) },
  },
  {
    name: 'BGP-LS node (RFC 9552 §5.2)',
    family: BGP_LS,
    bytes: ['00 01 00 1d', '02', '00 00 00 00 00 00 00 01', '01 00 00 10', '02 00 00 04 00 00 fd e9', '02 03 00 04 0a 00 00 01'],
    nlri: {
      kind: 'bgp-ls',
      object: 'node',
      protocol: 2,
      identifier: 1n,
      tlvs: [
        {
          type: 256,
          tlvs: [
            { type: 512, value: Uint8Array.of(0, 0, 0xfd, 0xe9) },
            { type: 515, value: Uint8Array.of(10, 0, 0, 1) },
          ],
        },
      ],
    },
  },
  {
    name: 'BGP-LS prefix of a VPN',
    family: BGP_LS_VPN,
    bytes: ['00 03 00 19', RD, '03', '00 00 00 00 00 00 00 00', '01 09 00 04 18 0a 00 01'],
    nlri: {
      kind: 'bgp-ls',
      object: 'ipv4-prefix',
      rd,
      protocol: 3,
      identifier: 0n,
      tlvs: [{ type: 265, value: Uint8Array.of(0x18, 10, 0, 1) }],
    },
  },
  {
    name: 'BGP-LS of an unknown type',
    family: BGP_LS,
    bytes: ['00 63 00 02', 'aa bb'],
    nlri: { kind: 'bgp-ls', object: 'other', nlriType: 99, value: Uint8Array.of(0xaa, 0xbb) },
  },
]

const octetsOf = (bytes: readonly string[]): Uint8Array =>
  Uint8Array.from(bytes.join(' ').split(' '), (octet) => Number.parseInt(octet, 16))

describe.each(cases)('$name', ({ family, bytes, nlri }) => {
  const octets = octetsOf(bytes)

  it.each([false, true])('decodes and encodes, with path identifiers: %s', (addPath) => {
    const field = addPath ? Uint8Array.of(0, 0, 0, 9, ...octets) : octets
    const value = addPath ? { ...nlri, pathId: 9 } : nlri
    const mode = { addPath, withdraw: false }
    expect(decodeNlri(new ByteReader(Uint8Array.of(...field, ...field)), family, mode)).toEqual([value, value])
    const out = new ByteWriter(1)
    encodeNlri(value, out, family, mode)
    expect(out.finish()).toEqual(field)
  })

  it('is refused, or kept as octets with a reason, at every truncation', () => {
    for (let length = 1; length < octets.length; length++) {
      const faults: WireError[] = []
      const mode = { addPath: false, withdraw: false, malformed: (error: WireError) => void faults.push(error) }
      try {
        decodeNlri(new ByteReader(octets.subarray(0, length)), family, mode)
        expect.unreachable(`${length} octets`)
      } catch (error) {
        expect(error).toBeInstanceOf(WireError)
      }
      expect(faults).toEqual([])
    }
  })
})

/** An UPDATE that announces two FlowSpec rules, the first of them as given. */
function announcing(rule: readonly number[]): Uint8Array {
  const field = [0, 1, 133, 0, 0, ...rule, 0x05, 0x02, 0x18, 0xc0, 0x00, 0x02]
  const attributes = [0x40, 1, 1, 0, 0x40, 2, 0, 0x80, 14, field.length, ...field]
  const length = 23 + attributes.length
  return Uint8Array.from([
    ...Array.from({ length: 16 }, () => 0xff),
    length >>> 8,
    length & 0xff,
    2,
    0,
    0,
    0,
    attributes.length,
    ...attributes,
  ])
}

test.each([
  ['components out of order', [0x06, 0x04, 0x81, 0x19, 0x03, 0x81, 0x06], 'bgp.nlri.flowspec.order', 'RFC 8955 §4.2', 42],
  ['a component twice', [0x06, 0x03, 0x81, 0x06, 0x03, 0x81, 0x11], 'bgp.nlri.flowspec.order', 'RFC 8955 §4.2', 42],
  ['a component that nobody knows', [0x03, 0x63, 0x81, 0x06], 'bgp.nlri.flowspec.type', 'RFC 8955 §10', 39],
  ['the flow label, which IPv4 has not', [0x03, 0x0d, 0x81, 0x06], 'bgp.nlri.flowspec.type', 'RFC 8955 §10', 39],
  ['a prefix of 33 bits', [0x07, 0x01, 0x21, 10, 0, 0, 0, 0], 'bgp.nlri.flowspec.prefix', 'RFC 8955 §4.2.2.1', 41],
  ['operators without an end', [0x03, 0x03, 0x01, 0x06], 'bgp.nlri.truncated', 'RFC 7606 §5.4', 42],
])('FlowSpec with %s is withdrawn, and the rule behind it read (RFC 8955 §10)', (_what, rule, code, rfc, offset) => {
  const result = decodeMessage(announcing(rule), { peerType: 'ibgp' })
  if (!result.ok || result.message.type !== 'update') expect.unreachable(JSON.stringify(result))
  expect(result.errors).toMatchObject([
    { code, rfc, offset, handling: 'treat-as-withdraw', path: 'message/attributes/mp-reach/nlri/nlri[0]' },
  ])
  expect(strongestHandling(result.errors)).toBe('treat-as-withdraw')
  const [{ nlri }] = withdrawMalformed(result.message, result.errors).withdrawn
  expect(nlri.map(({ kind }) => kind)).toEqual(['raw', 'flowspec'])
})

test('values that do not fit are refused when they are written', () => {
  const write = (nlri: Nlri, family: Family) => () => encodeNlri(nlri, new ByteWriter(), family, { addPath: false, withdraw: false })
  const dscp = { type: 'dscp', matches: [{ and: false, operator: '==', value: 10 }] } as const
  const port = { type: 'port', matches: [{ and: false, operator: '==', value: 1 }] } as const
  expect(write({ kind: 'flowspec', components: [dscp, port] }, IPV4_FLOWSPEC)).toThrow(
    expect.objectContaining({ code: 'bgp.nlri.flowspec.order' }),
  )
  expect(write({ kind: 'flowspec', components: [] }, IPV4_FLOWSPEC)).toThrow(expect.objectContaining({ code: 'bgp.nlri.length' }))
  expect(write({ kind: 'flowspec', components: [{ ...port, matches: [] }] }, IPV4_FLOWSPEC)).toThrow(
    expect.objectContaining({ code: 'bgp.nlri.flowspec.matches' }),
  )
  expect(write({ kind: 'sr-policy', distinguisher: 1, color: 1, endpoint: ip('::1') }, IPV4_SR_POLICY)).toThrow(
    expect.objectContaining({ code: 'bgp.nlri.family' }),
  )
})
