import type {
  DataplaneFeature,
  DropReason,
  Encapsulation,
  GroupObject,
  LabelObject,
  NextHopAction,
  PortObject,
  TunnelSourcesObject,
} from '@heddle/core'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import fc from 'fast-check'
import type { Tables } from '../tables.js'
import { arbitraryPools } from './pools.js'
import { arbitraryServices } from './services.js'
import { arbitraryPolicies } from './policies.js'

/** What tables are made for: what the dataplane carries, and who is around it. */
export interface Surroundings {
  readonly encapsulations: readonly Encapsulation[]
  /** One for each family of the underlay. */
  readonly underlays: readonly { readonly local: IpAddress; readonly peers: readonly IpAddress[] }[]
  /** What the dataplane offers; nothing when left out. */
  readonly features?: readonly DataplaneFeature[]
  /** Traffic classes that the outer header of a packet from the underlay may have; 0 when left out. */
  readonly trafficClasses?: readonly number[]
}

/* Few ids, labels and addresses, so that what is drawn meets often. */
export const VRFS = [1, 2, 3]
export const PORTS = [1, 2, 3, 4]
export const LABELS = [16, 17, 18, 19, 20, 1_048_575]
export const VNIS = [0, 1, 16_777_215]
export const MACS = [MacAddress.of(0x020000, 1), MacAddress.of(0x020000, 2)]
const NEXT_HOPS = [0, 1, 2, 3, 4, 5, 6, 7]
const GROUPS = [0, 1, 2, 3, 4, 5]
const SOURCES = [0, 1, 2]
const MAX_PORT_MTU = 1400

const PREFIXES = [
  '0.0.0.0/0',
  '10.0.0.0/8',
  '10.0.0.0/15',
  '10.0.0.0/16',
  '10.0.0.0/30',
  '10.0.0.1/32',
  '10.0.0.2/32',
  '10.1.0.1/32',
  '::/0',
  'fd00::/8',
  'fd00::/63',
  'fd00::/64',
  'fd00::/126',
  'fd00::1/128',
  'fd00::2/128',
  'fd00:0:0:1::1/128',
]

const ALLOWED = ['10.0.0.0/24', '10.0.0.1/32', '10.0.0.2/32', 'fd00::/64', 'fd00::1/128', '0.0.0.0/0'].map((text) => IpPrefix.parse(text))
const GATEWAYS = ['10.0.0.254', 'fd00::254'].map((text) => IpAddress.parse(text))
const REASONS: readonly DropReason[] = ['discard', 'no-route', 'no-next-hop']

/** Draws tables in which nothing dangles. Ports 1–3 are endpoints and 4 is an endpoint or the host. */
export function arbitraryTables(around: Surroundings): fc.Arbitrary<Tables> {
  const ids = <T>(all: readonly number[], arbitrary: fc.Arbitrary<T>): fc.Arbitrary<(T & { id: number })[]> =>
    fc.tuple(...all.map((id) => arbitrary.map((object) => ({ ...object, id }))))
  return fc.record({
    vrfs: fc.constant(VRFS.map((id) => ({ id, name: ['red', 'green', 'blue'][id - 1] }))),
    ports: fc.tuple(...PORTS.map((id) => arbitraryPort(id, around))),
    nextHops: ids(NEXT_HOPS, fc.record({ action: arbitraryAction(around) })),
    groups: ids(GROUPS, arbitraryMembers()),
    tunnelSources: ids(SOURCES, arbitrarySources(around)),
    labels: fc.subarray(LABELS).chain((labels) => fc.tuple(...labels.map((label) => arbitraryLabel(label, around)))),
    vnis: fc
      .subarray(VNIS)
      .chain((vnis) =>
        fc.tuple(...vnis.map((vni) => fc.record({ vni: fc.constant(vni), vrf: of(VRFS), routerMac: of(MACS), sources: of(SOURCES) }))),
      ),
    ...offered(around, 'policy', { policies: arbitraryPolicies(PORTS) }),
    ...offered(around, 'service', { services: arbitraryServices(VRFS) }),
    ...offered(around, 'nat', { natPools: arbitraryPools(VRFS) }),
    routes: fc.uniqueArray(fc.record({ vrf: of(VRFS), prefix: of(PREFIXES), group: of(GROUPS) }), {
      maxLength: 30,
      size: 'max',
      selector: ({ vrf, prefix }) => `${vrf} ${prefix}`,
    }),
  })
}

/**
 * The same tables without any way from one VRF to another: every route leads to the ports of its own VRF, and a default route does so too, that
 * as many packets as can be come out somewhere.
 */
export function separated(tables: Tables): Tables {
  const { ports, vrfs, routes, labels } = tables
  return {
    ...tables,
    nextHops: ports.map(({ id }) => ({ id, action: { type: 'port', port: id } })),
    groups: vrfs.map(({ id }) => ({
      id,
      members: ports.filter(({ vrf }) => vrf === id).map((port) => ({ nextHop: port.id, weight: 1 })),
      seed: id,
    })),
    routes: [
      ...routes.filter(({ prefix }) => !prefix.endsWith('/0')).map(({ vrf, prefix }) => ({ vrf, prefix, group: vrf })),
      ...vrfs.flatMap(({ id }) => ['0.0.0.0/0', '::/0'].map((prefix) => ({ vrf: id, prefix, group: id }))),
    ],
    labels: labels.filter(({ action }) => action.type !== 'swap'),
  }
}

function arbitraryPort(id: number, around: Surroundings): fc.Arbitrary<PortObject> {
  return fc.record({
    id: fc.constant(id),
    kind: id === 4 ? fc.constantFrom('endpoint' as const, 'host' as const) : fc.constant('endpoint' as const),
    vrf: of(VRFS),
    allowedSources: fc.oneof(fc.constant([]), fc.subarray(ALLOWED)),
    gateways: fc.subarray(GATEWAYS),
    mtu: fc.constantFrom(MAX_PORT_MTU, 1300),
    ...offered(around, 'policy', { maxFlows: fc.constantFrom(1, 3, 1000) }),
    ...offered(around, 'mss-clamp', { clampMss: fc.boolean() }),
  })
}

function arbitraryAction(around: Surroundings): fc.Arbitrary<NextHopAction> {
  return fc.oneof(
    { weight: 4, arbitrary: of(PORTS).map((port): NextHopAction => ({ type: 'port', port })) },
    { weight: 4, arbitrary: arbitraryTunnel(around) },
    { weight: 2, arbitrary: of(VRFS).map((vrf): NextHopAction => ({ type: 'lookup', vrf })) },
    { weight: 1, arbitrary: fc.constant<NextHopAction>({ type: 'local' }) },
    { weight: 1, arbitrary: of(REASONS).map((reason): NextHopAction => ({ type: 'discard', reason })) },
    { weight: 1, arbitrary: fc.constant<NextHopAction>({ type: 'discard' }) },
  )
}

/** Draws a tunnel, at times without labels: only what has one left below that which is swapped can take it. */
export function arbitraryTunnel(around: Surroundings): fc.Arbitrary<NextHopAction> {
  const { encapsulations, underlays } = around
  const model = fc.constantFrom('uniform' as const, 'pipe' as const)
  const ecn = fc.record(offered(around, 'ecn', { ecn: fc.constantFrom('normal' as const, 'compatibility' as const) }))
  const ends = of(underlays).chain(({ local, peers }) => fc.record({ local: fc.constant(local), remote: of(peers) }))
  return fc
    .record({ encapsulation: of(encapsulations), ends, ttlModel: model, trafficClassModel: model, vni: of(VNIS), routerMac: of(MACS), ecn })
    .chain(({ encapsulation, ends: { local, remote }, vni, routerMac, ttlModel, trafficClassModel, ecn: mode }) => {
      const common = { type: 'tunnel', encapsulation, local, remote, ttlModel, trafficClassModel, ...mode } as const
      if (encapsulation === 'vxlan') return fc.constant({ ...common, labels: [], vni, routerMac })
      const labels = fc.array(fc.integer({ min: 16, max: 1_048_575 }), { maxLength: 3 })
      return labels.map((stack): NextHopAction => ({ ...common, labels: stack }))
    })
}

function arbitraryMembers(): fc.Arbitrary<Omit<GroupObject, 'id'>> {
  const member = fc.record({ nextHop: of(NEXT_HOPS), weight: fc.integer({ min: 1, max: 5 }) })
  return fc.record({
    members: fc.uniqueArray(member, { maxLength: 4, selector: ({ nextHop }) => nextHop }),
    seed: fc.nat(0xffffffff),
  })
}

function arbitrarySources({ underlays }: Surroundings): fc.Arbitrary<Omit<TunnelSourcesObject, 'id'>> {
  const hosts = underlays.flatMap(({ peers }) => peers.slice(0, 3).map((peer) => IpPrefix.of(peer)))
  const wide = underlays.map(({ peers: [peer] }) => IpPrefix.of(peer, peer.family === 4 ? 31 : 127))
  return fc.record({ prefixes: fc.subarray([...hosts, ...wide]) })
}

function arbitraryLabel(label: number, around: Surroundings): fc.Arbitrary<LabelObject> {
  const action = fc.oneof(
    of(PORTS).map((port): LabelObject['action'] => ({ type: 'pop-forward', port })),
    of(VRFS).map((vrf): LabelObject['action'] => ({ type: 'pop-lookup', vrf })),
    of(NEXT_HOPS).map((nextHop): LabelObject['action'] => ({ type: 'swap', nextHop })),
  )
  const model = offered(around, 'traffic-class-pop', { trafficClassModel: fc.constantFrom('uniform' as const, 'pipe' as const) })
  return fc.record({ label: fc.constant(label), action, sources: of(SOURCES), ...model })
}

/** Members that only a dataplane with `feature` is asked for. */
function offered<T extends object>({ features }: Surroundings, feature: DataplaneFeature, members: T): Partial<T> {
  return features?.includes(feature) === true ? members : {}
}

function of<T>(values: readonly T[]): fc.Arbitrary<T> {
  return fc.constantFrom(...values)
}
