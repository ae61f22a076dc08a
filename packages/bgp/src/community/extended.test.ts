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
  [0x8006_0000, 0, { kind: 'unknown', high: 0x8006_0000, low: 0 }],
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
