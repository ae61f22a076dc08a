import { IpAddress, IpPrefix, MacAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import fc from 'fast-check'
import type { EndpointIntent, StaticRouteIntent, TrafficIntents, VpnRoute, VrfIntent } from '../../src/index.js'

/** Something that happens to a model or its dataplane. */
export type Step =
  | { readonly type: 'vrfs'; readonly vrfs: readonly VrfIntent[] }
  | { readonly type: 'traffic'; readonly traffic: TrafficIntents }
  | { readonly type: 'heard'; readonly which: number; readonly isUp: boolean }
  | { readonly type: 'observe'; readonly which: number }
  | { readonly type: 'add'; readonly endpoint: EndpointIntent }
  | { readonly type: 'remove'; readonly endpoint: EndpointIntent }
  | { readonly type: 'announce'; readonly route: VpnRoute }
  | { readonly type: 'withdraw'; readonly route: VpnRoute }
  | { readonly type: 'source-down'; readonly source: string }
  | { readonly type: 'apply'; readonly outcome: Outcome; readonly seed: number }
  | { readonly type: 'begin' }
  | { readonly type: 'replaced'; readonly past: number }

/** What the dataplane makes of a transaction; `lost`: it is replaced before it can say. */
export type Outcome = 'ok' | 'refused' | 'partly' | 'lost'

const text = <T>(read: (value: string) => T, ...values: string[]): fc.Arbitrary<T> => fc.constantFrom(...values).map(read)
const address = (value: string): IpAddress => IpAddress.parse(value)
const prefix = (value: string): IpPrefix => IpPrefix.parse(value)

// One of each of the three types.
const targets = fc.subarray(['65000:1', '192.0.2.9:2', '4200000000:3']).map((list) => list.map((value) => RouteTarget.parse(value)))
const distinguishers = ['65000:1', '192.0.2.1:2', '4200000000:3', '65000:4']
const addresses = text(address, '10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1')

const staticRoute: fc.Arbitrary<StaticRouteIntent> = fc.oneof(
  fc.record({ prefix: text(prefix, '10.0.0.1/32', '10.0.0.0/24', 'fd00::/16'), via: fc.constant({ type: 'discard' as const }) }),
  fc.record({
    prefix: text(prefix, '10.0.0.2/32', '10.1.0.0/16', '0.0.0.0/0'),
    via: text(address, '10.0.0.1', '10.0.0.2', '10.0.0.3').map((via) => ({ type: 'endpoint' as const, address: via })),
  }),
)

const viaVrf: fc.Arbitrary<StaticRouteIntent> = fc.record({
  prefix: text(prefix, '10.0.0.9/32', '10.9.0.0/16'),
  via: fc.constantFrom('a', 'b', 'c').map((vrf) => ({ type: 'vrf' as const, vrf })),
})

const vrfIntent = (name: string): fc.Arbitrary<VrfIntent> =>
  fc
    .record({
      name: fc.constant(name),
      vni: fc.constantFrom(undefined, 5001, 5002),
      rd: fc.constantFrom(...distinguishers).map((rd) => RouteDistinguisher.parse(rd)),
      import: targets,
      export: targets,
      staticRoutes: fc.uniqueArray(fc.oneof({ weight: 6, arbitrary: staticRoute }, { weight: 1, arbitrary: viaVrf }), {
        maxLength: 3,
        selector: (route) => String(route.prefix),
      }),
      tunnelSources: fc.subarray(['198.51.100.0/24', '192.0.2.2/32', '2001:db8::/32']).map((list) => list.map(prefix)),
    })
    .map(({ vni, ...rest }) => ({ ...rest, ...(vni !== undefined && { vni }) }))

const vrfList: fc.Arbitrary<VrfIntent[]> = fc
  .tuple(...['a', 'b', 'c'].map((name) => fc.option(vrfIntent(name), { freq: 6 })))
  .map((list) => list.filter((vrf) => vrf !== null))

const endpoint: fc.Arbitrary<EndpointIntent> = fc.record({
  vrf: fc.constantFrom('a', 'b', 'c'),
  netns: fc.constantFrom('/run/netns/1', '/run/netns/2', '/run/netns/3'),
  ifname: fc.constantFrom('eth0', 'eth1'),
  addresses: fc.uniqueArray(addresses, { minLength: 1, maxLength: 2, selector: String }),
  mtu: fc.constantFrom(1400, 1468),
})

const identity = {
  source: fc.constantFrom('198.51.100.1', '198.51.100.2'),
  rd: text((value) => RouteDistinguisher.parse(value), '1:1', '1:2'),
  prefix: text(prefix, '10.0.0.1/32', '10.0.0.9/32', '10.0.0.0/24', '10.1.0.0/16', 'fd00::9/128'),
  pathId: fc.nat(1),
}

const route: fc.Arbitrary<VpnRoute> = fc
  .record({
    ...identity,
    routeTargets: targets,
    label: fc.integer({ min: 16, max: 20 }),
    nextHop: text(address, '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '2001:db8::2'),
    encapsulations: fc.shuffledSubarray(['mpls-udp-joint' as const, 'mpls-udp' as const, 'mpls-gre' as const, 'vxlan' as const]),
    stale: fc.boolean(),
    evpn: fc.boolean(),
    routerMac: fc.constantFrom(undefined, '02:00:00:00:00:0a', '02:00:00:00:00:0b'),
    preference: fc.record({
      localPref: fc.constantFrom(100, 100, 200),
      asPathLength: fc.constantFrom(0, 0, 1),
      origin: fc.constantFrom(0 as const, 0 as const, 2 as const),
      med: fc.nat(2),
      neighborAs: fc.constantFrom(0, 64_512, 64_513),
      external: fc.boolean(),
      clusterListLength: fc.nat(1),
      originatorId: fc.nat(2),
    }),
  })
  .map(({ stale, evpn, routerMac, ...rest }) => ({
    ...rest,
    ...(stale && { stale }),
    ...(evpn && { evpn }),
    ...(evpn && routerMac !== undefined && { routerMac: MacAddress.parse(routerMac) }),
  }))

const vrfName = fc.constantFrom('a', 'b', 'c')
const selection = fc.subarray(['10.0.0.0/31', '10.0.0.2/31', 'fd00::/16']).map((list) => list.map(prefix))
const rule = fc.record(
  {
    verdict: fc.constantFrom('allow' as const, 'deny' as const),
    protocol: fc.constantFrom(6, 17),
    peers: selection,
    mirror: fc.constantFrom('m1', 'm2'),
  },
  { requiredKeys: ['verdict'] },
)
const direction = fc.record({ rules: fc.array(rule, { maxLength: 2 }), defaultVerdict: fc.constantFrom('allow' as const, 'deny' as const) })

const policy = fc.record(
  { name: fc.constantFrom('p1', 'p2', 'p3'), vrf: vrfName, endpoints: selection, ingress: direction, egress: direction },
  { requiredKeys: ['name', 'vrf'] },
)

const service = fc.record(
  {
    name: fc.constantFrom('s1', 's2'),
    vrf: vrfName,
    address: text(address, '10.0.0.2', '10.7.0.1'),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    port: fc.constantFrom(80, 443),
    backends: fc
      .subarray(['10.0.0.1', '10.0.0.3'])
      .map((list) => list.map((value) => ({ address: address(value), port: 8080, weight: 1 }))),
    advertise: fc.boolean(),
  },
  { requiredKeys: ['name', 'vrf', 'address', 'protocol', 'port', 'backends'] },
)

const hiding = fc.record(
  {
    vrf: vrfName,
    outside: vrfName,
    address: text(address, '203.0.113.1', 'fd07::1'),
    ports: fc.constant({ first: 1024, last: 2047 }),
    destinations: fc.constant([prefix('10.9.0.0/16')]),
  },
  { requiredKeys: ['vrf', 'outside', 'address', 'ports'] },
)

const mirror = fc.record(
  {
    name: fc.constantFrom('m1', 'm2'),
    vrf: vrfName,
    endpoints: selection,
    direction: fc.constantFrom('ingress' as const, 'egress' as const, 'both' as const),
    collector: text(address, '192.0.2.7', '192.0.2.8'),
    session: fc.constantFrom(1, 2),
  },
  { requiredKeys: ['name', 'collector', 'session'] },
)

const few = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 2 })

const traffic: fc.Arbitrary<TrafficIntents> = fc.record(
  {
    policies: few(policy),
    services: few(service),
    nat: few(hiding),
    mirrors: few(mirror),
    tunnelLiveness: fc.constant({ desiredMinTx: 300_000, requiredMinRx: 300_000, multiplier: 3 }),
  },
  { requiredKeys: [] },
)

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('traffic' as const), traffic }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('heard' as const), which: fc.nat(5), isUp: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('observe' as const), which: fc.nat(8) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('vrfs' as const), vrfs: vrfList }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('add' as const), endpoint }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('remove' as const), endpoint }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('announce' as const), route }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('withdraw' as const), route }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('source-down' as const), source: identity.source }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('apply' as const),
      outcome: fc.constantFrom<Outcome>('ok', 'ok', 'ok', 'refused', 'partly', 'partly', 'lost'),
      seed: fc.nat(100),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ type: 'begin' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('replaced' as const), past: fc.nat(5) }) },
)

/** Many steps: left to itself, fast-check makes lists of at most ten. */
export const steps: fc.Arbitrary<Step[]> = fc.array(step, { maxLength: 80 })
