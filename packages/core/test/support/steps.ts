import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import fc from 'fast-check'
import type { EndpointIntent, StaticRouteIntent, VpnRoute, VrfIntent } from '../../src/index.js'

/** Something that happens to a model or its dataplane. */
export type Step =
  | { readonly type: 'vrfs'; readonly vrfs: readonly VrfIntent[] }
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

const vrfIntent = (name: string): fc.Arbitrary<VrfIntent> =>
  fc.record({
    name: fc.constant(name),
    rd: fc.constantFrom(...distinguishers).map((rd) => RouteDistinguisher.parse(rd)),
    import: targets,
    export: targets,
    staticRoutes: fc.uniqueArray(staticRoute, { maxLength: 3, selector: (route) => String(route.prefix) }),
    tunnelSources: fc.subarray(['198.51.100.0/24', '192.0.2.2/32', '2001:db8::/32']).map((list) => list.map(prefix)),
  })

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
    encapsulations: fc.shuffledSubarray(['mpls-udp' as const, 'mpls-gre' as const, 'vxlan' as const]),
    stale: fc.boolean(),
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
  .map(({ stale, ...rest }) => ({ ...rest, ...(stale && { stale }) }))

export const step: fc.Arbitrary<Step> = fc.oneof(
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
export const steps: fc.Arbitrary<Step[]> = fc.array(step, { maxLength: 80, size: 'max' })
