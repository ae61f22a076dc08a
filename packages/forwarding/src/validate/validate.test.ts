import { NO_GROUP, RouteBatch, type FibTransaction, type NextHopAction } from '@heddle/core'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { expect, it, test } from 'vitest'
import { ForwardingEngine } from '../index.js'

const LIMITS = { vrfs: 2, ports: 2, nextHops: 4, groups: 4, groupMembers: 2, labels: 2, vnis: 2, routes: 2, labelStackDepth: 2 }

const none = { set: [], remove: [] }
const nothing: FibTransaction = {
  generation: 1,
  vrfs: none,
  ports: none,
  nextHops: none,
  groups: none,
  tunnelSources: none,
  labels: none,
  vnis: none,
  routes: new RouteBatch(),
}

const tunnel = {
  type: 'tunnel',
  encapsulation: 'mpls-udp',
  local: IpAddress.parse('192.0.2.1'),
  remote: IpAddress.parse('192.0.2.2'),
  labels: [100],
  ttlModel: 'pipe',
  trafficClassModel: 'pipe',
} as const

function routes(...rows: readonly (readonly [vrf: number, prefix: string, group: number])[]): RouteBatch {
  const batch = new RouteBatch()
  for (const [vrf, prefix, group] of rows) batch.push(vrf, IpPrefix.parse(prefix), group)
  return batch
}

function hop(action: NextHopAction): Partial<FibTransaction> {
  return { nextHops: { set: [{ id: 9, action }], remove: [] } }
}

const port = { id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 } as const

/** VRF 1, VRF 2 without routes, group 1 of next hop 1, and one route to it. */
const base: FibTransaction = {
  ...nothing,
  vrfs: { set: [1, 2].map((id) => ({ id, name: `vrf ${id}` })), remove: [] },
  nextHops: { set: [{ id: 1, action: { type: 'discard' } }], remove: [] },
  groups: { set: [{ id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 0 }], remove: [] },
  routes: routes([1, '10.0.0.0/8', 1]),
}

const rows: { name: string; part: Partial<FibTransaction>; code: string | undefined }[] = [
  { name: 'nothing at all', part: {}, code: undefined },
  { name: 'tunnel ends of two families', part: hop({ ...tunnel, remote: IpAddress.parse('2001:db8::1') }), code: 'dataplane.range' },
  { name: 'VXLAN without a router MAC', part: hop({ ...tunnel, encapsulation: 'vxlan', labels: [], vni: 1 }), code: 'dataplane.range' },
  {
    name: 'VXLAN with a label',
    part: hop({ ...tunnel, encapsulation: 'vxlan', vni: 1, routerMac: MacAddress.of(0x020000, 1) }),
    code: 'dataplane.range',
  },
  { name: 'three labels of two', part: hop({ ...tunnel, labels: [100, 101, 102] }), code: 'dataplane.limit' },
  { name: 'a next hop to a port that is not there', part: hop({ type: 'port', port: 5 }), code: 'dataplane.dangling-reference' },
  {
    name: 'a weight of zero',
    part: { groups: { set: [{ id: 2, members: [{ nextHop: 1, weight: 0 }], seed: 0 }], remove: [] } },
    code: 'dataplane.range',
  },
  { name: 'a third VRF of two', part: { vrfs: { set: [{ id: 3, name: 'green' }], remove: [] } }, code: 'dataplane.limit' },
  { name: 'a third VRF for a second', part: { vrfs: { set: [{ id: 3, name: 'green' }], remove: [2] } }, code: undefined },
  { name: 'a VRF removed under its routes', part: { vrfs: { set: [], remove: [1] } }, code: 'dataplane.dangling-reference' },
  {
    name: 'a VRF removed with its routes',
    part: { vrfs: { set: [], remove: [1] }, routes: routes([1, '10.0.0.0/8', NO_GROUP]) },
    code: undefined,
  },
  {
    name: 'a group removed with its routes',
    part: { groups: { set: [], remove: [1] }, routes: routes([1, '10.0.0.0/8', NO_GROUP]) },
    code: undefined,
  },
  {
    name: 'behind sound rows, one of the VRF with the last id, which is not there',
    part: { routes: routes([1, '10.0.0.0/8', 1], [0xffff_ffff, '10.1.0.0/16', 1]) },
    code: 'dataplane.dangling-reference',
  },
  {
    name: 'behind sound rows, one to a group that is not there and has the last octet of one that is',
    part: { routes: routes([1, '10.0.0.0/8', 1], [1, '10.1.0.0/16', 257]) },
    code: 'dataplane.dangling-reference',
  },
  {
    name: 'the removal of what is not there, in a VRF that is not there',
    part: { routes: routes([1, '10.0.0.0/8', 1], [9, '10.1.0.0/16', NO_GROUP]) },
    code: undefined,
  },
  { name: 'a third route of two', part: { routes: routes([1, '10.1.0.0/16', 1], [1, '10.2.0.0/16', 1]) }, code: 'dataplane.limit' },
  {
    name: 'two routes for one',
    part: { routes: routes([1, '10.0.0.0/8', NO_GROUP], [1, '10.1.0.0/16', 1], [1, '10.2.0.0/16', 1]) },
    code: undefined,
  },
  {
    name: 'the joint label',
    part: { labels: { set: [{ label: 49_152, action: { type: 'pop-lookup', vrf: 1 }, sources: 1 }], remove: [] } },
    code: 'dataplane.joint-label',
  },
  { name: 'the removal of the joint label', part: { labels: { set: [], remove: [49_152] } }, code: undefined },
  { name: 'a next hop that pushes the joint label', part: hop({ ...tunnel, labels: [49_152, 100] }), code: undefined },
  {
    name: 'two labels of two behind a joint one',
    part: hop({ ...tunnel, encapsulation: 'mpls-udp-joint', labels: [100, 101] }),
    code: undefined,
  },
  {
    name: 'a VNI beyond 24 bits',
    part: { vnis: { set: [{ vni: 16_777_216, vrf: 1, routerMac: MacAddress.of(2, 0), sources: 1 }], remove: [] } },
    code: 'dataplane.range',
  },
  {
    name: 'an MTU below what IPv4 allows',
    part: { ports: { set: [{ ...port, mtu: 67 }], remove: [] } },
    code: 'dataplane.range',
  },
  {
    name: 'a rate limit',
    part: { ports: { set: [{ ...port, rateLimits: { egress: { bitsPerSecond: 1, burstOctets: 1 } } }], remove: [] } },
    code: undefined,
  },
  {
    name: 'a rate limit without a burst',
    part: { ports: { set: [{ ...port, rateLimits: { egress: { bitsPerSecond: 1, burstOctets: 0 } } }], remove: [] } },
    code: 'dataplane.range',
  },
  {
    name: 'an uplink with a rate limit',
    part: { ports: { set: [{ ...port, kind: 'uplink', rateLimits: { ingress: { bitsPerSecond: 1, burstOctets: 1 } } }], remove: [] } },
    code: 'dataplane.range',
  },
  {
    name: 'an uplink with rate limits that are none', // which were refused
    part: { ports: { set: [{ ...port, kind: 'uplink', rateLimits: {} }], remove: [] } },
    code: undefined,
  },
]

test.each(rows)('$name: $code', ({ part, code }) => {
  const engine = new ForwardingEngine({ limits: LIMITS })
  expect(engine.apply(base)).toEqual({ status: 'applied', generation: 1, failures: [] })
  const before = JSON.stringify(engine.state())
  const report = engine.apply({ ...nothing, generation: 2, ...part })
  expect(report.failures.map((failure) => failure.code)).toEqual(code === undefined ? [] : expect.arrayContaining([code]))
  expect(report.status).toBe(code === undefined ? 'applied' : 'refused')
  if (code !== undefined) expect(JSON.stringify(engine.state())).toBe(before)
})

it('names the object and tells what is allowed', () => {
  const engine = new ForwardingEngine({ limits: LIMITS })
  const { failures } = engine.apply({
    ...nothing,
    labels: { set: [{ label: 3, action: { type: 'pop-lookup', vrf: 7 }, sources: 1 }], remove: [] },
  })
  expect(failures[0]).toEqual({
    object: { kind: 'label', key: '3' },
    code: 'dataplane.range',
    message: 'label 3 is not within 16–1048575',
  })
})

// Routes of a run are judged together, which may not hide one among them.
it.each([1, 3, 510, 511, 512, 513, 1023, 1024, 1025])('names row %i among many hosts, malformed or of what is not there', (row) => {
  const engine = new ForwardingEngine({ limits: { ...LIMITS, routes: 2000 } })
  engine.apply(base)
  const changes: [change: (batch: RouteBatch) => void, key: string, code: string][] = [
    [(batch) => (batch.length[row] = 33), `1 row ${row}`, 'dataplane.range'],
    [(batch) => (batch.family[row] = 5), `1 row ${row}`, 'dataplane.range'],
    [(batch) => (batch.group[row] = 257), `1 10.1.${row >> 8}.${row & 255}/32`, 'dataplane.dangling-reference'],
    [(batch) => (batch.vrf[row] = 257), `257 10.1.${row >> 8}.${row & 255}/32`, 'dataplane.dangling-reference'],
  ]
  for (const [change, key, code] of changes) {
    const batch = routes(...Array.from({ length: 1300 }, (_, host) => [1, `10.1.${host >> 8}.${host & 255}/32`, 1] as const))
    change(batch)
    const { status, failures } = engine.apply({ ...nothing, generation: 2, routes: batch })
    expect([status, failures.map((failure) => [failure.object.key, failure.code])]).toEqual(['refused', [[key, code]]])
  }
})

// The routes of a run are judged by its VRF and groups: without a look at the VRF, all of them were applied, and programmed nowhere.
it('refuses a whole run of routes to a VRF that is not there, or goes with them, and takes removals from one', () => {
  const hosts = (vrf: number, group: number): RouteBatch =>
    routes(...Array.from({ length: 600 }, (_, host) => [vrf, `10.1.${host >> 8}.${host & 255}/32`, group] as const))
  const engine = new ForwardingEngine({ limits: { ...LIMITS, routes: 2000 } })
  engine.apply(base)
  const report = (part: Partial<FibTransaction>): [status: string, codes: string[], keys: Set<string>] => {
    const { status, failures } = engine.apply({ ...nothing, generation: 2, ...part })
    return [status, failures.map(({ code }) => code), new Set(failures.map(({ object }) => object.key))]
  }
  const dangling = Array.from({ length: 600 }, () => 'dataplane.dangling-reference')
  const named = (vrf: number): Set<string> => new Set(Array.from({ length: 600 }, (_, host) => `${vrf} 10.1.${host >> 8}.${host & 255}/32`))
  expect(report({ routes: hosts(257, 1) })).toEqual(['refused', dangling, named(257)])
  expect(report({ routes: hosts(2, 1), vrfs: { set: [], remove: [2] } })).toEqual(['refused', dangling, named(2)])
  expect(report({ routes: hosts(257, NO_GROUP) })).toEqual(['applied', [], new Set()])
})
