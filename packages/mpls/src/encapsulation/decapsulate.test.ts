import {
  encodeGreHeader,
  encodeIpv4Header,
  encodeIpv6Extensions,
  encodeIpv6Header,
  encodeUdpHeader,
  firstNextHeader,
  greHeaderSize,
  IpAddress,
  ipv6ExtensionsSize,
  pseudoHeaderSum,
  setUdpChecksum,
  type GreHeader,
  type Ipv6Extension,
} from '@heddle/wire'
import { greHeader } from '@heddle/wire/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mplsOverUdp } from './mpls-over-udp.js'
import { mplsOverGre } from './mpls-over-gre.js'
import { decapsulateEthernet, decapsulateGre, decapsulateIp, decapsulateUdp, Decapsulation } from './decapsulate.js'
import { vxlan } from './vxlan.js'
import { MacAddress } from '@heddle/wire'

const hex = (text: string): Uint8Array => Uint8Array.from(text.replace(/\s/g, '').match(/../g) ?? [], (octet) => Number.parseInt(octet, 16))
const [A, B] = [IpAddress.parse('192.0.2.1'), IpAddress.parse('192.0.2.2')]
const [A6, B6] = [IpAddress.parse('2001:db8::1'), IpAddress.parse('2001:db8::2')]
const MPLS = hex('000641ff 45000014') // label 100, bottom, and the beginning of a packet
const VXLAN = hex('08000000 00002a00 020000000002')

const out = new Decapsulation()
const open = (bytes: Uint8Array, options = {}): string => decapsulateIp(bytes, 0, bytes.length, out, options)

function ip(
  family: 4 | 6,
  protocol: number,
  payload: Uint8Array,
  { extensions = [], fragment = {} }: { extensions?: readonly Ipv6Extension[]; fragment?: object } = {},
): Uint8Array {
  const head = family === 4 ? 20 : 40 + ipv6ExtensionsSize(extensions)
  const bytes = new Uint8Array(head + payload.length)
  const view = new DataView(bytes.buffer)
  if (family === 4) {
    const fields = {
      dscp: 0,
      ecn: 0,
      totalLength: bytes.length,
      identification: 0,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
    }
    encodeIpv4Header({ ...fields, ...fragment, ttl: 64, protocol, source: A, destination: B, options: new Uint8Array(0) }, view, 0)
  } else {
    const fields = { dscp: 0, ecn: 0, flowLabel: 0, payloadLength: bytes.length - 40, hopLimit: 64, source: A6, destination: B6 }
    encodeIpv6Header({ ...fields, nextHeader: firstNextHeader(extensions, protocol) }, view, 0)
    encodeIpv6Extensions(extensions, protocol, view, 40)
  }
  bytes.set(payload, head)
  return bytes
}

function udp(
  family: 4 | 6,
  destinationPort: number,
  payload: Uint8Array,
  { checksum = 'none', length = 8 + payload.length } = {},
): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length)
  bytes.set(payload, 8)
  encodeUdpHeader({ sourcePort: 50_000, destinationPort, length, checksum: 0 }, new DataView(bytes.buffer), 0)
  const [source, destination] = family === 4 ? [A, B] : [A6, B6]
  if (checksum !== 'none') setUdpChecksum(bytes, 0, bytes.length, pseudoHeaderSum(source, destination, 17, bytes.length))
  if (checksum === 'wrong') bytes[7] ^= 1
  return ip(family, 17, bytes)
}

describe('over UDP', () => {
  it.each([
    [6635, 'ok'],
    [51_234, 'ok'],
    [6636, 'not-a-tunnel'],
    [0, 'not-a-tunnel'],
  ])('port %d: %s', (port, verdict) => {
    for (const family of [4, 6] as const) expect(open(udp(family, port, MPLS))).toBe(verdict)
    expect(decapsulateUdp(MPLS, 0, MPLS.length, port, out)).toBe(verdict)
  })

  it.each([
    [4, 'none', {}, 'ok'],
    [4, 'right', {}, 'ok'],
    [4, 'wrong', {}, 'udp-checksum'],
    [6, 'right', {}, 'ok'],
    [6, 'wrong', {}, 'udp-checksum'],
    // RFC 6935 §5, RFC 6936 §4: without a checksum where both ends agreed on it.
    [6, 'none', {}, 'ok'],
    [6, 'none', { zeroChecksumIpv6: false }, 'udp-checksum-missing'],
    [6, 'right', { zeroChecksumIpv6: false }, 'ok'],
    [4, 'none', { zeroChecksumIpv6: false }, 'ok'],
  ] as const)('IPv%d, checksum %s, %o: %s', (family, checksum, options, verdict) => {
    for (const [port, payload] of [
      [6635, MPLS],
      [51_234, MPLS],
      [4789, VXLAN],
    ] as const)
      expect(open(udp(family, port, payload, { checksum }), options)).toBe(verdict)
  })

  it.each([
    [7, 'udp-malformed'],
    [17, 'udp-malformed'], // one octet more than there is
    [1000, 'udp-malformed'],
    [8, 'label-stack'], // nothing in it, whatever follows the datagram
    [12, 'label-stack'], // a label without a packet
  ])('a UDP length of %d: %s', (length, verdict) => {
    expect(open(udp(4, 6635, MPLS, { length }))).toBe(verdict)
  })

  it('sends an entropy port and, over IPv6 alone, a checksum by default', () => {
    const checksums = [mplsOverUdp({ local: A, remote: B, labels: [16] }), mplsOverUdp({ local: A6, remote: B6, labels: [16] })]
    expect(checksums.map(({ udpChecksum }) => udpChecksum)).toEqual([false, true])
    expect(mplsOverUdp({ local: A6, remote: B6, labels: [16], udpChecksum: false }).udpChecksum).toBe(false)
  })
})

describe('over GRE', () => {
  it('takes checksum, key and sequence number in any combination', () => {
    const gre = greHeader().map((header): GreHeader => ({ ...header, protocol: 0x8847 }))
    fc.assert(
      fc.property(gre, fc.constantFrom(4 as const, 6 as const), fc.boolean(), (header, family, isDamaged) => {
        const size = greHeaderSize(header)
        const packet = Uint8Array.of(...new Uint8Array(size), ...MPLS)
        encodeGreHeader(header, new DataView(packet.buffer), 0, packet.length)
        if (isDamaged) packet[packet.length - 1] ^= 1
        expect(open(ip(family, 47, packet))).toBe(isDamaged && header.checksum ? 'gre-checksum' : 'ok')
        expect(decapsulateGre(packet, 0, packet.length, out)).toBe(isDamaged && header.checksum ? 'gre-checksum' : 'ok')
        expect([out.stack, out.labels, out.sourcePort]).toEqual(isDamaged && header.checksum ? expect.anything() : [size, 1, 0])
      }),
    )
  })

  it.each([
    ['0000 8848', 'gre-protocol'], // upstream-assigned labels
    ['0000 0800', 'gre-protocol'],
    ['0001 8847', 'gre-malformed'],
    ['4000 8847', 'gre-malformed'],
    ['2000 8847', 'gre-malformed'],
    ['0000', 'gre-malformed'],
    ['0000 8847', 'label-stack'],
    ['0000 8847 000640ff 45000014', 'label-stack'],
  ])('%s: %s', (text, verdict) => {
    expect(open(ip(4, 47, hex(text)))).toBe(verdict)
  })
})

describe('the outer header', () => {
  it.each([
    ['a first fragment', { moreFragments: true, dontFragment: false }],
    ['a later fragment', { fragmentOffset: 8 }],
  ])('%s is refused', (_, fragment) => {
    expect(open(ip(4, 47, hex('0000 8847 000641ff 45'), { fragment }))).toBe('outer-fragment')
  })

  it('may have extension headers, and be an atomic fragment, but no other', () => {
    const gre = hex('0000 8847 000641ff 45')
    const options: Ipv6Extension = { type: 'destination-options', data: new Uint8Array(6) }
    const fragment = (offset: number, moreFragments: boolean): Ipv6Extension => ({
      type: 'fragment',
      offset,
      moreFragments,
      identification: 1,
    })
    expect(open(ip(6, 47, gre, { extensions: [options] }))).toBe('ok')
    expect(open(ip(6, 47, gre, { extensions: [fragment(0, false)] }))).toBe('ok')
    expect(open(ip(6, 47, gre, { extensions: [fragment(0, true)] }))).toBe('outer-fragment')
    expect(open(ip(6, 47, gre, { extensions: [fragment(8, false)] }))).toBe('outer-fragment')
  })

  it.each([
    ['nothing', new Uint8Array(0), 'outer-malformed'],
    ['TCP', ip(4, 6, new Uint8Array(20)), 'not-a-tunnel'],
    ['a lying length', udp(4, 6635, MPLS).subarray(0, -1), 'outer-malformed'],
    ['a lying IPv6 length', udp(6, 6635, MPLS).subarray(0, -1), 'outer-malformed'],
    ['a wrong IPv4 checksum', udp(4, 6635, MPLS).map((octet, at) => (at === 8 ? octet - 1 : octet)), 'outer-checksum'],
  ])('%s is refused', (_, bytes, verdict) => {
    expect(open(bytes)).toBe(verdict)
  })
})

describe('over Ethernet', () => {
  const macs = '020000000001 020000000002'
  it.each([
    [`${macs} 8847 000641ff 45`, 'ok'],
    [`${macs} 8100 0007 8847 000641ff 45`, 'ok'],
    [`${macs} 88a8 0007 8100 0008 8847 000640ff 000651ff 45`, 'ok'],
    [`${macs} 0800 000641ff 45`, 'not-a-tunnel'],
    [`${macs} 8847 000641ff`, 'label-stack'],
    [macs, 'outer-malformed'],
  ])('%s: %s', (text, verdict) => {
    const bytes = hex(text)
    expect(decapsulateEthernet(bytes, 0, bytes.length, out)).toBe(verdict)
    if (verdict === 'ok') expect([bytes.length - out.payload, out.family]).toEqual([1, 0])
  })
})

describe('VXLAN', () => {
  it.each([
    ['08000000 00002a00 02', 'ok'],
    ['ff123456 00002aff 02', 'ok'], // reserved fields are ignored
    ['00000000 00002a00 02', 'vxlan-malformed'],
    ['08000000 00002a00', 'vxlan-malformed'],
    ['0800', 'vxlan-malformed'],
  ])('%s: %s', (text, verdict) => {
    expect(open(udp(4, 4789, hex(text)))).toBe(verdict)
    if (verdict === 'ok') expect(out.vni).toBe(42)
  })
})

it.each([
  ['addresses of two families', () => mplsOverUdp({ local: A, remote: B6, labels: [16] }), 'mpls.tunnel.family'],
  ['no label', () => mplsOverGre({ local: A, remote: B, labels: [] }), 'mpls.tunnel.labels'],
  ['a label of 21 bits', () => mplsOverUdp({ local: A, remote: B, labels: [16, 0x100000] }), 'mpls.tunnel.labels'],
  [
    'a VNI of 25 bits',
    () => vxlan({ local: A, remote: B, vni: 0x1000000, routerMac: MacAddress.of(0, 1), localMac: MacAddress.of(0, 2) }),
    'mpls.tunnel.vni',
  ],
])('a tunnel with %s is refused', (_, make, code) => {
  expect(make).toThrow(expect.objectContaining({ code }) as Error)
})
