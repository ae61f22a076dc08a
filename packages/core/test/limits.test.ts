import { ManualClock } from '@heddle/io/testing'
import { IpAddress, IpPrefix, MacAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { expect, test } from 'vitest'
import {
  checkTraffic,
  DATAPLANE_FEATURES,
  OverlayModel,
  type DataplaneCapabilities,
  type DataplaneLimits,
  type DataplaneState,
  type DirectionIntent,
  type EndpointIntent,
  type ServiceIntent,
  type TrafficIntents,
  type VpnRoute,
  type VrfIntent,
} from '../src/index.js'
import { applyToState, describeState, emptyState } from '../src/testing/index.js'
import { LIMITS } from './support/world.js'

const RED = RouteTarget.parse('65000:1')

function vrf(name: string, number: number): VrfIntent {
  return { name, rd: RouteDistinguisher.parse(`65000:${number}`), import: [RED], export: [] }
}

function endpoint(number: number): EndpointIntent {
  return { vrf: 'red', netns: `/run/netns/${number}`, ifname: 'eth0', addresses: [IpAddress.v4(0x0a000000 + number)], mtu: 1400 }
}

function route(number: number, more: Partial<VpnRoute> = {}): VpnRoute {
  return {
    source: '192.0.2.9',
    rd: RouteDistinguisher.parse('65000:9'),
    prefix: IpPrefix.of(IpAddress.v4(0x0a010000 + number)),
    pathId: 0,
    routeTargets: [RED],
    label: 100 + number,
    nextHop: IpAddress.parse('192.0.2.9'),
    encapsulations: [],
    preference: {
      localPref: 100,
      asPathLength: 0,
      origin: 0,
      med: 0,
      neighborAs: 0,
      external: false,
      clusterListLength: 0,
      originatorId: 0,
    },
    ...more,
  }
}

function modelWith(limits: Partial<DataplaneLimits>, labels: { first?: number; last?: number } = {}): OverlayModel {
  return new OverlayModel({
    clock: new ManualClock(),
    localAddresses: [IpAddress.parse('192.0.2.1')],
    capabilities: { encapsulations: ['mpls-udp'], limits: { ...LIMITS, ...limits }, features: DATAPLANE_FEATURES },
    labels,
  })
}

function program(model: OverlayModel, state: DataplaneState): DataplaneState {
  const transaction = model.takeTransaction()
  if (transaction === undefined) return state
  model.programmed({ status: 'applied', generation: transaction.generation, failures: [] })
  return applyToState(state, transaction)
}

/** Of a model with one endpoint: what its port, and that of the underlay, may have of flows. */
function flowLimits(capabilities: Pick<DataplaneCapabilities, 'limits' | 'features'>, options: { endpointFlows?: number } = {}): unknown[] {
  const localAddresses = [IpAddress.parse('192.0.2.1')]
  const model = new OverlayModel({
    clock: new ManualClock(),
    localAddresses,
    capabilities: { encapsulations: ['mpls-udp'], ...capabilities },
    ...options,
  })
  model.setVrfs([vrf('red', 1)])
  model.addEndpoint(endpoint(1))
  return program(model, emptyState()).ports.map(({ kind, maxFlows }) => [kind, maxFlows])
}

test('an endpoint may have half of the flows that the dataplane remembers, or as many as is said', () => {
  const features = ['policy'] as const
  const [uplink, none] = [
    ['uplink', undefined],
    ['endpoint', undefined],
  ]
  expect(flowLimits({ limits: { ...LIMITS, flows: 1001 }, features })).toEqual([uplink, ['endpoint', 501]])
  expect(flowLimits({ limits: { ...LIMITS, flows: 1001 }, features }, { endpointFlows: 2000 })).toEqual([uplink, ['endpoint', 2000]])
  const { flows: _, ...without } = { flows: 0, ...LIMITS }
  expect(flowLimits({ limits: without, features })).toEqual([uplink, none])
  expect(flowLimits({ limits: without, features }, { endpointFlows: 7 })).toEqual([uplink, ['endpoint', 7]])
  expect(flowLimits({ limits: { ...LIMITS, flows: 1001 }, features: [] }, { endpointFlows: 7 })).toEqual([uplink, none])
})

test('routes that the dataplane has no room for wait for others to go, and are not installed meanwhile', () => {
  const model = modelWith({ routes: 3 })
  model.setVrfs([vrf('red', 1)])
  model.applyRoutes([1, 2, 3, 4, 5].map((number) => ({ kind: 'announce' as const, route: route(number) })))
  const full = program(model, emptyState())
  expect(full.routes.count).toBe(3)
  expect([...model.routes()].filter(({ installed }) => installed)).toHaveLength(3)
  expect(model.takeTransaction()).toBeUndefined()
  model.applyRoutes([1, 2, 3, 4].map((number) => ({ kind: 'withdraw' as const, ...route(number) })))
  expect([...describeState(program(model, full))]).toEqual([['red 10.1.0.5/32', 'mpls-udp label 105 to 192.0.2.9']])
})

// With one next hop too many, every transaction was refused, whatever it was about.
test.each([
  ['next hops', { nextHops: 3 }],
  ['groups', { groups: 3 }],
])('routes for which there are no more %s wait for others to go, and all else is programmed', (_, limits) => {
  const model = modelWith(limits)
  model.setVrfs([vrf('red', 1)])
  const announce = (...routes: readonly VpnRoute[]): void =>
    model.applyRoutes(routes.map((each) => ({ kind: 'announce' as const, route: each })))
  const withdraw = (...numbers: readonly number[]): void =>
    model.applyRoutes(numbers.map((number) => ({ kind: 'withdraw' as const, ...route(number) })))
  const ways = (state: DataplaneState): string[] => [...describeState(state)].map(([name, way]) => `${name} ${way}`).toSorted()
  const by = (number: number, label: number): string => `red 10.1.0.${number}/32 mpls-udp label ${label} to 192.0.2.9`

  announce(...[1, 2, 3, 4, 5].map((number) => route(number)), route(6, { label: 104 }))
  const full = program(model, emptyState())
  expect([full.nextHops.length, full.groups.length]).toEqual([3, 3])
  expect(ways(full)).toEqual([by(1, 101), by(2, 102), by(3, 103)])
  expect(model.takeTransaction()).toBeUndefined()
  // What is there already has room, and who waits for nothing any more is not admitted.
  announce(route(7, { label: 102 }), route(5, { label: 103 }))
  const more = program(model, full)
  expect(ways(more)).toEqual([by(1, 101), by(2, 102), by(3, 103), by(5, 103), by(7, 102)])
  // A route whose way changes has the room of the one that it had.
  announce(route(1, { label: 108 }))
  const changed = program(model, more)
  expect([changed.nextHops.length, changed.groups.length]).toEqual([3, 3])
  expect(ways(changed)).toEqual([by(1, 108), by(2, 102), by(3, 103), by(5, 103), by(7, 102)])
  // All that wait for the same come at once.
  withdraw(2, 7)
  expect(ways(program(model, changed))).toEqual([by(1, 108), by(3, 103), by(4, 104), by(5, 103), by(6, 104)])
  expect(model.takeTransaction()).toBeUndefined()
})

test('a route is spread over no more next hops than a group of the dataplane has', () => {
  const model = modelWith({ groupMembers: 2 })
  model.setVrfs([vrf('red', 1)])
  const paths = [1, 2, 3].map((number) => route(1, { source: `192.0.2.${number + 1}`, nextHop: IpAddress.parse(`192.0.2.${number + 1}`) }))
  model.applyRoutes(paths.map((value) => ({ kind: 'announce' as const, route: value })))
  expect(program(model, emptyState()).groups.map(({ members }) => members.length)).toEqual([2])
})

test.each([
  ['ports', { ports: 3 }, {}, 'endpoint.limit'],
  ['labels', { labels: 3 }, {}, 'endpoint.limit'],
  ['label range', {}, { first: 16, last: 18 }, 'endpoint.labels-exhausted'],
])('an endpoint beyond the %s is refused, and the others go on', (_, limits, labels, code) => {
  const model = modelWith(limits, labels)
  model.setVrfs([vrf('red', 1)])
  model.addEndpoint(endpoint(1))
  model.addEndpoint(endpoint(2))
  expect(() => model.addEndpoint(endpoint(3))).toThrow(expect.objectContaining({ code }) as Error)
  expect(model.endpoints()).toHaveLength(2)
  expect(program(model, emptyState()).ports).toHaveLength(3)
})

test.each([
  ['VRFs', { vrfs: 1 }, {}, 'intent.vrf.limit'],
  ['labels', { labels: 1 }, {}, 'intent.vrf.limit'],
  ['label range', {}, { first: 16, last: 16 }, 'intent.vrf.labels-exhausted'],
])('VRFs beyond the %s are refused whole', (_, limits, labels, code) => {
  const model = modelWith(limits, labels)
  expect(() => model.setVrfs([vrf('red', 1), vrf('blue', 2)])).toThrow(
    expect.objectContaining({ problems: [expect.objectContaining({ code }) as unknown] }) as Error,
  )
  expect(model.vrfs()).toEqual([])
  model.setVrfs([vrf('red', 1)])
})

test('a VXLAN tunnel has a VNI and the far router in place of a label, and is not offered for our labels', () => {
  const model = new OverlayModel({
    clock: new ManualClock(),
    localAddresses: [IpAddress.parse('192.0.2.1')],
    capabilities: { encapsulations: ['mpls-udp', 'vxlan'], limits: LIMITS },
    encapsulations: ['vxlan', 'mpls-udp'],
  })
  model.setVrfs([{ ...vrf('red', 1), export: [RED], vni: 5001 }])
  model.addEndpoint(endpoint(1))
  model.setAttached(endpoint(1), true)
  model.applyRoutes([{ kind: 'announce', route: route(1, { encapsulations: ['vxlan'] }) }])
  const state = program(model, emptyState())
  expect(state.nextHops.map(({ action }) => action.type)).toEqual(['port']) // no router MAC: it cannot be reached
  const routerMac = MacAddress.parse('02:00:00:00:00:09')
  model.applyRoutes([{ kind: 'announce', route: route(1, { encapsulations: ['vxlan'], routerMac }) }])
  expect(program(model, state).nextHops.map(({ action }) => action)).toContainEqual(
    expect.objectContaining({ type: 'tunnel', encapsulation: 'vxlan', labels: [], vni: 101, routerMac }),
  )
  const told = model.takeExports().find((change) => change.kind === 'announce' && change.route.evpn === undefined)
  expect(told?.kind === 'announce' && told.route.encapsulations).toEqual(['mpls-udp'])
})

test.each<[what: string, change: Partial<EndpointIntent>]>([
  ['no address', { addresses: [] }],
  ...['0.0.0.0', '127.0.0.1', '224.0.0.1', 'fe80::1', 'ff02::1', '::'].map((address): [string, Partial<EndpointIntent>] => [
    `address ${address}`,
    { addresses: [IpAddress.parse(address)] },
  ]),
  ...[67, 65_536, 1400.5, Number.NaN].map((mtu): [string, Partial<EndpointIntent>] => [`MTU ${mtu}`, { mtu }]),
])('an endpoint with %s is refused, lest a whole transaction be', (_, change) => {
  const model = modelWith({})
  model.setVrfs([vrf('red', 1)])
  expect(() => model.addEndpoint({ ...endpoint(1), ...change })).toThrow(expect.objectContaining({ code: 'endpoint.invalid' }) as Error)
})

// With one far end too many, every transaction was refused, whatever it was about.
test('far ends of tunnels beyond what the dataplane watches are not watched, and what is watched stays so', () => {
  const model = modelWith({ liveness: 2 })
  model.setIntents([vrf('red', 1)], { tunnelLiveness: { desiredMinTx: 300_000, requiredMinRx: 300_000, multiplier: 3 } })
  const announce = (...numbers: readonly number[]): void =>
    model.applyRoutes(
      numbers.map((number) => ({ kind: 'announce' as const, route: route(number, { nextHop: IpAddress.parse(`192.0.2.${number}`) }) })),
    )
  const watched = ({ liveness }: DataplaneState): string[] => (liveness ?? []).map(({ remote }) => String(remote)).toSorted()
  announce(12, 13)
  const full = program(model, emptyState())
  expect(watched(full)).toEqual(['192.0.2.12', '192.0.2.13'])
  announce(10, 11)
  const more = program(model, full)
  expect([more.routes.count, watched(more)]).toEqual([4, ['192.0.2.12', '192.0.2.13']])
  model.applyRoutes([{ kind: 'withdraw', ...route(12) }])
  const after = program(model, more)
  expect(watched(after)).toHaveLength(2)
  expect(watched(after)).toContain('192.0.2.13')
})

test.each([3, 15, 0x10_0000])('a route with label %d is not used, and the others are', (label) => {
  const model = modelWith({})
  model.setVrfs([vrf('red', 1)])
  model.applyRoutes([route(1, { label }), route(2)].map((value) => ({ kind: 'announce' as const, route: value })))
  expect([...describeState(program(model, emptyState())).keys()]).toEqual(['red 10.1.0.2/32'])
})

const RULES: DirectionIntent = { rules: [{ verdict: 'allow' }, { verdict: 'deny' }], defaultVerdict: 'deny' }
const BACKENDS = ['10.0.0.1', '10.0.0.2'].map((address) => ({ address: IpAddress.parse(address), port: 53, weight: 1 }))
const services = (count: number, backends: number): ServiceIntent[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `dns${index}`,
    vrf: 'red',
    address: IpAddress.v4(0x0a630000 + index),
    protocol: 'udp',
    port: 53,
    backends: BACKENDS.slice(0, backends),
  }))
const hidden = ['10.98.0.1', 'fd98::1'].map((address) => ({
  vrf: 'red',
  outside: 'blue',
  address: IpAddress.parse(address),
  ports: { first: 1024, last: 2047 },
}))
const mirrors = [1, 2].map((session) => ({ name: `ids${session}`, collector: IpAddress.parse('192.0.2.8'), session }))

// The dataplane refused the transaction for them, and each one behind it, whatever it was about.
test.each<[what: string, limits: Partial<DataplaneLimits>, traffic: TrafficIntents, code: string]>([
  ['rules of a policy', { policyRules: 1 }, { policies: [{ name: 'open', vrf: 'red', egress: RULES }] }, 'intent.policy.limit'],
  ['services', { services: 1 }, { services: services(2, 1) }, 'intent.service.limit'],
  ['backends of a service', { serviceBackends: 1 }, { services: services(1, 2) }, 'intent.service.limit'],
  ['NAT pools', { natPools: 1 }, { nat: hidden }, 'intent.nat.limit'],
  ['mirrors', { mirrors: 1 }, { mirrors }, 'intent.mirror.limit'],
])('%s beyond what the dataplane takes are refused before they are wanted', (_, limits, traffic, code) => {
  const problems = (more: Partial<DataplaneLimits>): string[] =>
    checkTraffic(traffic, {
      vrfs: [vrf('red', 1), vrf('blue', 2)],
      capabilities: { encapsulations: ['mpls-gre'], features: DATAPLANE_FEATURES, limits: { ...LIMITS, ...more } },
      localAddresses: [IpAddress.parse('192.0.2.1')],
    }).map((problem) => problem.code)
  expect(problems(limits)).toEqual([code])
  const doubled = Object.fromEntries(Object.entries(limits).map(([limit, most]) => [limit, most * 2]))
  expect(problems(doubled)).toEqual([])
})
