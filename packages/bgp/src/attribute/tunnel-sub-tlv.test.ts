import { ByteWriter, IpAddress, MacAddress } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import { TUNNEL_TYPE, type TunnelSubTlv } from '../index.js'
import { decodeTunnelSubTlv, encodeTunnelSubTlv, tunnelSubTlvType } from './tunnel-sub-tlv.js'

const { mplsInUdp, vxlan, nvgre, gre, l2tpv3, mplsInGre } = TUNNEL_TYPE
const SR_POLICY = 15
const mac = MacAddress.parse('00:11:22:33:44:55')

const cases: readonly (readonly [name: string, tunnelType: number, type: number, hex: string, subTlv: TunnelSubTlv])[] = [
  ['VXLAN (§3.2.1)', vxlan, 1, 'c0 000064 001122334455 0000', { kind: 'virtual-network', flags: 0xc0, vni: 100, mac }],
  ['NVGRE (§3.2.2)', nvgre, 1, '80 000064 001122334455 0000', { kind: 'virtual-network', flags: 0x80, vni: 100, mac }],
  ['L2TPv3 (§3.2.3)', l2tpv3, 1, '00000007 aabbccdd', { kind: 'l2tpv3', sessionId: 7, cookie: Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd) }],
  ['GRE (§3.2.4)', gre, 1, '00000007', { kind: 'gre-key', key: 7 }],
  ['MPLS in GRE (§3.2.5)', mplsInGre, 1, '00000007', { kind: 'gre-key', key: 7 }],
  ['protocol type (§3.4.1)', mplsInUdp, 2, '8847', { kind: 'protocol-type', protocol: 0x8847 }],
  ['color (§3.4.2)', mplsInUdp, 4, '030b 0000 00000064', { kind: 'color', flags: 0, color: 100 }],
  [
    'egress endpoint, IPv4 (§3.1)',
    mplsInUdp,
    6,
    '00000000 0001 c0000201',
    { kind: 'egress-endpoint', address: IpAddress.parse('192.0.2.1') },
  ],
  [
    'egress endpoint, IPv6, reserved bits set',
    mplsInUdp,
    6,
    '0000fde8 0002 20010db8000000000000000000000001',
    { kind: 'egress-endpoint', address: IpAddress.parse('2001:db8::1'), reserved: 65_000 },
  ],
  ['egress endpoint, the next hop', mplsInUdp, 6, '00000000 0000', { kind: 'egress-endpoint' }],
  ['DS field (§3.3.1)', mplsInUdp, 7, 'b8', { kind: 'ds-field', value: 0xb8 }],
  ['UDP destination port (§3.3.2)', mplsInUdp, 8, '19eb', { kind: 'udp-destination-port', port: 6635 }],
  ['embedded label handling (§3.5)', vxlan, 9, '01', { kind: 'embedded-label-handling', value: 1 }],
  [
    'MPLS label stack (§3.6)',
    mplsInUdp,
    10,
    '000100ff 00065140',
    {
      kind: 'label-stack',
      labels: [
        { label: 16, trafficClass: 0, bottom: false, ttl: 255 },
        { label: 101, trafficClass: 0, bottom: true, ttl: 64 },
      ],
    },
  ],
  [
    'Prefix-SID (§3.7)',
    mplsInUdp,
    11,
    '01 0007 00 0000 00000064',
    { kind: 'prefix-sid', tlvs: [{ kind: 'label-index', flags: 0, labelIndex: 100 }] },
  ],
  ['preference (RFC 9830 §2.4.1)', SR_POLICY, 12, '00 00 00000064', { kind: 'preference', flags: 0, preference: 100 }],
  ['binding SID: a label (RFC 9830 §2.4.2)', SR_POLICY, 13, '00 00 00100000', { kind: 'binding-sid', flags: 0, label: 0x10_0000 }],
  ['binding SID: none', SR_POLICY, 13, '00 00', { kind: 'binding-sid', flags: 0 }],
  ['explicit NULL (RFC 9830 §2.4.5)', SR_POLICY, 14, '00 00 01', { kind: 'explicit-null', flags: 0, policy: 1 }],
  ['priority (RFC 9830 §2.4.6)', SR_POLICY, 15, '0a 00', { kind: 'priority', priority: 10 }],
  [
    'segment list (RFC 9830 §2.4.4)',
    SR_POLICY,
    128,
    '00 0906 00 00 00000001 0106 00 00 00064000 0d12 00 00 20010db8000000000000000000000001 0302 aabb',
    {
      kind: 'segment-list',
      segments: [
        { kind: 'weight', flags: 0, weight: 1 },
        { kind: 'label', flags: 0, entry: 0x6_4000 },
        { kind: 'srv6', flags: 0, sid: IpAddress.parse('2001:db8::1') },
        { kind: 'unknown', type: 3, value: Uint8Array.of(0xaa, 0xbb) },
      ],
    },
  ],
  ['policy name (RFC 9830 §2.4.8)', SR_POLICY, 130, '00 726564', { kind: 'policy-name', name: 'red' }],
]

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

describe.each(cases)('%s', (_name, tunnelType, type, hex, subTlv) => {
  it('decodes and encodes', () => {
    expect(decodeTunnelSubTlv(tunnelType, type, octets(hex))).toEqual(subTlv)
    expect(tunnelSubTlvType(subTlv)).toBe(type)
    const out = new ByteWriter()
    encodeTunnelSubTlv(subTlv, out)
    expect(out.finish()).toEqual(octets(hex))
  })

  it('cut or longer, is what it is or unknown, and its octets survive (RFC 9012 §13)', () => {
    const whole = octets(`${hex} 00`)
    for (let length = 0; length <= whole.length; length++) {
      const value = whole.subarray(0, length)
      const out = new ByteWriter()
      const decoded = decodeTunnelSubTlv(tunnelType, type, value)
      encodeTunnelSubTlv(decoded, out)
      expect(out.finish()).toEqual(value.slice())
      expect(tunnelSubTlvType(decoded)).toBe(type)
    }
  })
})

test('reserved bits make it unknown, so that they are passed on', () => {
  expect(decodeTunnelSubTlv(vxlan, 1, octets('c0 000064 001122334455 0001'))).toMatchObject({ kind: 'unknown', type: 1 })
  expect(decodeTunnelSubTlv(SR_POLICY, 12, octets('00 01 00000064'))).toMatchObject({ kind: 'unknown', type: 12 })
})
