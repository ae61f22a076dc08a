import { IpPrefix } from '@heddle/wire'
import { expect, test } from 'vitest'
import { keepsFlows, type PortObject } from './objects.js'

const port = (vrf: number, ...sources: readonly string[]): PortObject => ({
  id: 1,
  kind: 'endpoint',
  vrf,
  allowedSources: sources.map((source) => IpPrefix.parse(source)),
  gateways: [],
  mtu: 1400,
})

test.each<[string, PortObject, PortObject, boolean]>([
  ['nothing changes', port(1, '10.0.0.1/32'), port(1, '10.0.0.1/32'), true],
  ['an address comes', port(1, '10.0.0.1/32'), port(1, '10.0.0.2/32', '10.0.0.1/32'), true],
  ['a prefix covers what was there', port(1, '10.0.0.1/32', 'fd00::1/128'), port(1, '10.0.0.0/24', 'fd00::/64'), true],
  ['nothing is checked any more', port(1, '10.0.0.1/32'), port(1), true],
  ['an address goes', port(1, '10.0.0.1/32', '10.0.0.2/32'), port(1, '10.0.0.1/32'), false],
  ['a prefix gets narrower', port(1, '10.0.0.0/24'), port(1, '10.0.0.0/25'), false],
  ['sources are checked from now on', port(1), port(1, '10.0.0.1/32'), false],
  ['the VRF is another one', port(1, '10.0.0.1/32'), port(2, '10.0.0.1/32'), false],
])('flows of a port, when %s', (_, before, after, keeps) => {
  expect(keepsFlows(before, after)).toBe(keeps)
})
