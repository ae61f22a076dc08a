import { ByteReader, ByteWriter, IpAddress, IpPrefix, MacAddress, RouteDistinguisher } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import { L2VPN_EVPN, type EvpnNlri } from '../index.js'
import { evpnCodec } from './evpn.js'

const ANNOUNCED = { addPath: false, withdraw: false }
const rd = RouteDistinguisher.parse('192.0.2.1:5')
const esi = new Uint8Array(10)

const cases: { name: string; bytes: string[]; nlri: EvpnNlri }[] = [
  {
    name: 'Ethernet auto-discovery (type 1)',
    bytes: ['01 19', '00 01 c0 00 02 01 00 05', '00 '.repeat(10).trim(), 'ff ff ff ff', '00 01 01'],
    nlri: { kind: 'evpn', route: 'ethernet-auto-discovery', rd, esi, ethernetTag: 0xffff_ffff, label: 0x101 },
  },
  {
    name: 'MAC/IP with two labels (type 2)',
    bytes: [
      '02 28',
      '00 01 c0 00 02 01 00 05',
      '00 '.repeat(10).trim(),
      '00 00 00 00',
      '30 00 11 22 33 44 55',
      '20 0a 00 00 05',
      '00 27 10',
      '00 4e 20',
    ],
    nlri: {
      kind: 'evpn',
      route: 'mac-ip',
      rd,
      esi,
      ethernetTag: 0,
      mac: MacAddress.parse('00:11:22:33:44:55'),
      ip: IpAddress.parse('10.0.0.5'),
      label1: 10_000,
      label2: 20_000,
    },
  },
  {
    name: 'MAC alone (type 2)',
    bytes: ['02 21', '00 01 c0 00 02 01 00 05', '00 '.repeat(10).trim(), '00 00 00 00', '30 00 11 22 33 44 55', '00', '00 27 10'],
    nlri: { kind: 'evpn', route: 'mac-ip', rd, esi, ethernetTag: 0, mac: MacAddress.parse('00:11:22:33:44:55'), label1: 10_000 },
  },
  {
    name: 'inclusive multicast (type 3)',
    bytes: ['03 11', '00 01 c0 00 02 01 00 05', '00 00 00 00', '20 c0 00 02 01'],
    nlri: { kind: 'evpn', route: 'inclusive-multicast', rd, ethernetTag: 0, originator: IpAddress.parse('192.0.2.1') },
  },
  {
    name: 'Ethernet segment (type 4)',
    bytes: ['04 17', '00 01 c0 00 02 01 00 05', '00 '.repeat(10).trim(), '20 c0 00 02 01'],
    nlri: { kind: 'evpn', route: 'ethernet-segment', rd, esi, originator: IpAddress.parse('192.0.2.1') },
  },
  {
    name: 'IP prefix (type 5)',
    bytes: ['05 22', '00 01 c0 00 02 01 00 05', '00 '.repeat(10).trim(), '00 00 00 00', '18 0a 00 00 00', '00 00 00 00', '00 27 10'],
    nlri: {
      kind: 'evpn',
      route: 'ip-prefix',
      rd,
      esi,
      ethernetTag: 0,
      prefix: IpPrefix.parse('10.0.0.0/24'),
      gateway: IpAddress.parse('0.0.0.0'),
      label: 10_000,
    },
  },
  {
    name: 'a type that is not taken apart',
    bytes: ['0b 02 aa bb'],
    nlri: { kind: 'evpn', route: 'other', routeType: 11, value: Uint8Array.of(0xaa, 0xbb) },
  },
]

describe.each(cases)('EVPN $name', ({ bytes, nlri }) => {
  const octets = Uint8Array.from(
    bytes
      .join(' ')
      .split(' ')
      .map((octet) => Number.parseInt(octet, 16)),
  )

  it('decodes', () => {
    expect(evpnCodec.decode(new ByteReader(octets), L2VPN_EVPN, ANNOUNCED)).toEqual([nlri])
  })

  it('encodes', () => {
    const out = new ByteWriter()
    evpnCodec.encode(nlri, out, L2VPN_EVPN, ANNOUNCED)
    expect(out.finish()).toEqual(octets)
  })

  it('is refused when its length is one more or less', () => {
    if (nlri.route === 'other') return
    for (const step of [-1, 1]) {
      const changed = Uint8Array.of(...octets, 0, 0).with(1, octets[1] + step)
      expect(() => evpnCodec.decode(new ByteReader(changed), L2VPN_EVPN, ANNOUNCED)).toThrow()
    }
  })
})

test('a prefix longer than its address is refused', () => {
  const bytes = new Uint8Array(36)
  bytes.set([5, 34])
  bytes[24] = 33
  expect(() => evpnCodec.decode(new ByteReader(bytes), L2VPN_EVPN, ANNOUNCED)).toThrow(
    expect.objectContaining({ code: 'bgp.nlri.length', rfc: 'RFC 9136 §3.1' }),
  )
})
