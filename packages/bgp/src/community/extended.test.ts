import { IpAddress, MacAddress, RouteTarget } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import {
  encapsulationsOf,
  extendedCommunityFromWords,
  extendedCommunityWords,
  formatCommunity,
  parseCommunity,
  routeTargetsOf,
  type ExtendedCommunity,
} from '../index.js'

const cases: [high: number, low: number, community: ExtendedCommunity][] = [
  [0x0002_fde8, 1, { kind: 'route-target', target: RouteTarget.parse('65000:1') }],
  [0x0102_c000, 0x0201_0001, { kind: 'route-target', target: RouteTarget.parse('192.0.2.1:1') }],
  [0x0202_0001, 0x1170_0001, { kind: 'route-target', target: RouteTarget.parse('70000:1') }],
  [0x0103_c000, 0x0201_0007, { kind: 'site-of-origin', type: 1, administrator: 0xc000_0201, assigned: 7 }],
  [0x030c_0000, 13, { kind: 'encapsulation', tunnelType: 13 }],
  [0x030b_0000, 100, { kind: 'color', flags: 0, color: 100 }],
  [0x030d_0000, 0, { kind: 'default-gateway' }],
  [0x0600_0100, 5, { kind: 'mac-mobility', sticky: true, sequence: 5 }],
  [0x0601_0100, 0x0000_0101, { kind: 'esi-label', singleActive: true, label: 0x101 }],
  [0x0602_0011, 0x2233_4455, { kind: 'es-import', mac: MacAddress.parse('00:11:22:33:44:55') }],
  [0x0603_0011, 0x2233_4455, { kind: 'router-mac', mac: MacAddress.parse('00:11:22:33:44:55') }],
  [0x4004_fde8, 0x4998_9680, { kind: 'link-bandwidth', transitive: false, as: 65_000, bytesPerSecond: 1_250_000 }],
  [0x010b_c000, 0x0201_0002, { kind: 'vrf-route-import', address: IpAddress.parse('192.0.2.1'), assigned: 2 }],
  [0x0009_fde8, 0, { kind: 'source-as', as: 65_000, assigned: 0 }],
  [0x0105_c000, 0x0201_0001, { kind: 'ospf-domain', type: 1, administrator: 0xc000_0201, assigned: 1 }],
  [0x0306_0000, 0x0000_0501, { kind: 'ospf-route-type', area: IpAddress.parse('0.0.0.0'), routeType: 5, options: 1 }],
  [0x0107_c000, 0x0201_0000, { kind: 'ospf-router-id', routerId: IpAddress.parse('192.0.2.1'), assigned: 0 }],
  [0x800a_1300, 0x05dc_0064, { kind: 'layer2-info', encapsulation: 19, flags: 0, mtu: 1500, preference: 100 }],
  [0x4300_0000, 0x0000_0002, { kind: 'origin-validation', state: 2 }],
  [0x4300_0001, 0x0000_0002, { kind: 'unknown', high: 0x4300_0001, low: 2 }],
  [0x0604_0002, 0x05dc_0000, { kind: 'evpn-layer2-attributes', flags: 2, mtu: 1500 }],
  [0x0605_0100, 0x0000_0101, { kind: 'e-tree', leaf: true, label: 0x101 }],
  [0x0606_0140, 0, { kind: 'df-election', algorithm: 1, bitmap: 0x4000 }],
  [0x0608_0100, 0, { kind: 'arp-nd', flags: 1 }],
  [0x0609_0001, 0, { kind: 'multicast-flags', flags: 1 }],
  [0x060a_fde8, 7, { kind: 'evi-route-target', form: 0, tail: 0xfde8, value: 7 }],
  [0x060f_0001, 0x0002_8000, { kind: 'service-carving-time', seconds: 0x0001_0002, fraction: 0x8000 }],
  [0x8006_0000, 0, { kind: 'traffic-rate-bytes', as: 0, bytesPerSecond: 0 }],
  [0x800c_fde8, 0x447a_0000, { kind: 'traffic-rate-packets', as: 65_000, packetsPerSecond: 1000 }],
  [0x8007_0000, 3, { kind: 'traffic-action', sample: true, terminal: true }],
  [0x8008_fde8, 1, { kind: 'redirect', type: 0, administrator: 65_000, assigned: 1 }],
  [0x8108_c000, 0x0201_0001, { kind: 'redirect', type: 1, administrator: 0xc000_0201, assigned: 1 }],
  [0x8208_0001, 0x1170_0001, { kind: 'redirect', type: 2, administrator: 70_000, assigned: 1 }],
  [0x8009_0000, 24, { kind: 'traffic-marking', dscp: 24 }],
  [0x8009_0000, 64, { kind: 'unknown', high: 0x8009_0000, low: 64 }],
  [0x0800_0000, 1, { kind: 'redirect-to-next-hop', copy: true }],
  [0x8a4a_0000, 0xc000_0201, { kind: 'joint-labels', nextHop: Uint8Array.of(0, 0, 192, 0, 2, 1) }],
  [0x8a4a_ffff, 0xffff_ffff, { kind: 'joint-labels', nextHop: new Uint8Array(6).fill(255) }],
  [0x8a4b_0000, 0xc000_0201, { kind: 'unknown', high: 0x8a4b_0000, low: 0xc000_0201 }],
  [0xca4a_0000, 0xc000_0201, { kind: 'unknown', high: 0xca4a_0000, low: 0xc000_0201 }],
  [0x8004_0000, 0x0000_0007, { kind: 'unknown', high: 0x8004_0000, low: 7 }],
  [0x030d_0001, 0, { kind: 'unknown', high: 0x030d_0001, low: 0 }],
]

describe.each(cases)('extended community %i %i', (high, low, community) => {
  it(`is ${community.kind}`, () => {
    expect(extendedCommunityFromWords(high, low)).toEqual(community)
    expect(extendedCommunityWords(community)).toEqual([high, low])
  })
})

test('what routes are selected and sent by can be picked out', () => {
  const communities = cases.map(([, , community]) => community)
  expect(routeTargetsOf(communities).map(String)).toEqual(['65000:1', '192.0.2.1:1', '70000:1'])
  expect(encapsulationsOf(communities)).toEqual([13])
  expect(routeTargetsOf(undefined)).toEqual([])
})

test.each([
  ['65000:100', 0xfde8_0064],
  ['no-export', 0xffff_ff01],
  ['blackhole', 0xffff_029a],
])('community %s', (text, community) => {
  expect(parseCommunity(text)).toBe(community)
  expect(formatCommunity(community)).toBe(text)
})

test.each(['65536:1', '1', 'yes', '1:2:3'])('%s is no community', (text) => {
  expect(() => parseCommunity(text)).toThrow(expect.objectContaining({ code: 'bgp.community.invalid' }))
})
