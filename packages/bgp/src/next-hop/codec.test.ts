import { ByteReader, ByteWriter, IpAddress, RouteDistinguisher } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import {
  BGP_LS_VPN,
  IPV4_FLOWSPEC,
  IPV4_UNICAST,
  IPV6_UNICAST,
  L2VPN_EVPN,
  RTC,
  VPNV4_UNICAST,
  VPNV6_UNICAST,
  familyOf,
  type Family,
  type NextHop,
} from '../index.js'
import { decodeNextHop, encodeNextHop, nextHopForm } from './codec.js'

const four = IpAddress.parse('192.0.2.1')
const six = IpAddress.parse('2001:db8::1')
const mapped = IpAddress.parse('::ffff:192.0.2.1')
const linkLocal = IpAddress.parse('fe80::1')
const rd = RouteDistinguisher.parse('65000:1')
const zero = new Uint8Array(8)

const cases: { name: string; family: Family; bytes: Uint8Array[]; nextHop: NextHop }[] = [
  { name: 'IPv4', family: IPV4_UNICAST, bytes: [four.toBytes()], nextHop: { address: four } },
  { name: 'IPv6 for IPv4 routes (RFC 8950)', family: IPV4_UNICAST, bytes: [six.toBytes()], nextHop: { address: six } },
  { name: 'IPv6', family: IPV6_UNICAST, bytes: [six.toBytes()], nextHop: { address: six } },
  {
    name: 'IPv6 and link-local (RFC 2545)',
    family: IPV6_UNICAST,
    bytes: [six.toBytes(), linkLocal.toBytes()],
    nextHop: { address: six, linkLocal },
  },
  { name: 'VPNv4', family: VPNV4_UNICAST, bytes: [zero, four.toBytes()], nextHop: { address: four } },
  {
    name: 'VPNv4 with an RD that is not zero',
    family: VPNV4_UNICAST,
    bytes: [rd.toBytes(), four.toBytes()],
    nextHop: { address: four, rd },
  },
  { name: 'VPNv4 over IPv6 (RFC 8950)', family: VPNV4_UNICAST, bytes: [zero, six.toBytes()], nextHop: { address: six } },
  { name: 'VPNv6 over IPv4 (RFC 4659)', family: VPNV6_UNICAST, bytes: [zero, mapped.toBytes()], nextHop: { address: mapped } },
  {
    name: 'VPNv6 with link-local',
    family: VPNV6_UNICAST,
    bytes: [zero, six.toBytes(), zero, linkLocal.toBytes()],
    nextHop: { address: six, linkLocal },
  },
  { name: 'RTC over IPv6', family: RTC, bytes: [six.toBytes()], nextHop: { address: six } },
  { name: 'BGP-LS of a VPN (RFC 9552 §5.5)', family: BGP_LS_VPN, bytes: [zero, six.toBytes()], nextHop: { address: six } },
  { name: 'EVPN', family: L2VPN_EVPN, bytes: [four.toBytes()], nextHop: { address: four } },
]

describe.each(cases)('the next hop of $name', ({ family, bytes, nextHop }) => {
  const field = Uint8Array.from(bytes.flatMap((part) => [...part]))

  it('decodes', () => {
    expect(decodeNextHop(new ByteReader(field), family)).toEqual(nextHop)
  })

  it('encodes', () => {
    const out = new ByteWriter()
    encodeNextHop(nextHop, out, family)
    expect(out.finish()).toEqual(field)
  })

  it.each([0, 3, 9, 17, 33, 64])('is refused with %i octets', (length) => {
    expect(() => decodeNextHop(new ByteReader(new Uint8Array(length)), family)).toThrow(
      expect.objectContaining({ code: 'bgp.next-hop.length', rfc: 'RFC 7606 §7.11' }),
    )
  })
})

test('an IPv4 next hop of an IPv6 family is written mapped', () => {
  const out = new ByteWriter()
  encodeNextHop({ address: four }, out, VPNV6_UNICAST)
  expect(decodeNextHop(new ByteReader(out.finish()), VPNV6_UNICAST)).toEqual({ address: mapped })
})

test('four octets behind the RD of VPNv6 read mapped', () => {
  expect(decodeNextHop(new ByteReader(Uint8Array.of(...zero, ...four.toBytes())), VPNV6_UNICAST)).toEqual({ address: mapped })
})

test('a FlowSpec route has no next hop, and that of an unknown family is kept as octets', () => {
  expect(decodeNextHop(new ByteReader(new Uint8Array()), IPV4_FLOWSPEC)).toBeUndefined()
  expect(nextHopForm(familyOf(1, 241))).toBe('raw')
})
