import { IpPrefix, type IpAddress } from '@heddle/wire'
import type { Encapsulation } from '../dataplane/objects.js'
import type { EndpointIntent, VrfIntent } from '../intent/intents.js'
import type { VpnRoute } from '../vpn-route.js'

/** Everything that was told to a model and still holds. */
export interface ModelInputs {
  readonly localAddresses: readonly IpAddress[]
  /** What both this node prefers and its dataplane can, best first. */
  readonly encapsulations: readonly Encapsulation[]
  readonly maximumPaths: number
  readonly vrfs: readonly VrfIntent[]
  readonly endpoints: readonly EndpointIntent[]
  readonly routes: readonly VpnRoute[]
}

/*
 * What follows from the inputs, by the definitions and with no regard for cost, in the words of `describe-state.ts` with endpoints in place of ports.
 * Nothing of it is shared with the model.
 */

/** `VRF PREFIX` → where packets go. */
export function expectedTables(inputs: ModelInputs): ReadonlyMap<string, string> {
  const tables = new Map<string, string>()
  for (const vrf of inputs.vrfs) {
    const local = inputs.vrfs
      .filter((owner) => owner === vrf || imports(vrf, owner.export))
      .sort((a, b) => (a === vrf ? -1 : b === vrf ? 1 : a.name < b.name ? -1 : 1))
      .flatMap((owner) => localRoutes(inputs, owner))
    const remote = usableRoutes(inputs).filter(({ routeTargets }) => imports(vrf, routeTargets))
    for (const prefix of new Set([...local.map((route) => route.prefix), ...remote.map((route) => String(route.prefix))])) {
      const own = local.find((route) => route.prefix === prefix)
      const best = bestOf(remote.filter((route) => String(route.prefix) === prefix)).slice(0, inputs.maximumPaths)
      const tunnels = [...new Set(best.map((route) => `${encapsulationOf(inputs, route)} label ${route.label} to ${route.nextHop}`))]
      tables.set(`${vrf.name} ${prefix}`, own === undefined ? tunnels.sort().join(', ') : own.to)
    }
  }
  return tables
}

/** Each label that is to be there: what it does, and from where it is accepted. */
export function expectedLabels(inputs: ModelInputs): readonly string[] {
  return inputs.vrfs
    .flatMap((vrf) => {
      const told = inputs.routes.filter((route) => isForeign(inputs, route) && imports(vrf, route.routeTargets))
      const sources = [...told.map(({ nextHop }) => IpPrefix.of(nextHop)), ...(vrf.tunnelSources ?? [])].map(String)
      const from = [...new Set(sources)].sort().join(' ')
      const endpoints = inputs.endpoints.filter((endpoint) => endpoint.vrf === vrf.name)
      return [`look up in ${vrf.name} from ${from}`, ...endpoints.map((endpoint) => `to ${nameOf(endpoint)} from ${from}`)]
    })
    .sort()
}

/** Each endpoint's port: its VRF, its MTU, and the addresses that packets from it may have. */
export function expectedPorts(inputs: ModelInputs): readonly string[] {
  return inputs.endpoints
    .map((endpoint) => {
      const statics = inputs.vrfs.find(({ name }) => name === endpoint.vrf)?.staticRoutes ?? []
      const own = endpoint.addresses.map(String)
      const behind = statics.filter(({ via }) => via.type === 'endpoint' && own.includes(String(via.address)))
      const sources = [...endpoint.addresses.map((address) => IpPrefix.of(address)), ...behind.map(({ prefix }) => prefix)]
      return `${nameOf(endpoint)} in ${endpoint.vrf}, ${endpoint.mtu}, from ${sources.map(String).sort().join(' ')}`
    })
    .sort()
}

/** `RD PREFIX` → what others are told when all that is wanted is programmed and every endpoint is attached. */
export function expectedExports(inputs: ModelInputs): ReadonlyMap<string, string> {
  return new Map(
    inputs.vrfs.flatMap((vrf) =>
      vrf.export.length === 0
        ? []
        : localRoutes(inputs, vrf).map(({ prefix, to, isStatic }): [string, string] => [
            `${vrf.rd} ${prefix}`,
            `${isStatic ? `look up in ${vrf.name}` : `to ${to}`} for ${vrf.export.map(String).sort().join(' ')}`,
          ]),
    ),
  )
}

function imports(vrf: VrfIntent, targets: readonly { toString(): string }[]): boolean {
  return targets.some((target) => vrf.import.some((wanted) => String(wanted) === String(target)))
}

function nameOf({ netns, ifname }: EndpointIntent): string {
  return `port of ${netns} ${ifname}`
}

/** What starts in a VRF on this node, at most one a prefix: host routes before static ones, and those via an endpoint only with it. */
function localRoutes(inputs: ModelInputs, vrf: VrfIntent): readonly { prefix: string; to: string; isStatic: boolean }[] {
  const here = inputs.endpoints.filter((endpoint) => endpoint.vrf === vrf.name)
  const owners = (address: IpAddress) => here.filter(({ addresses }) => addresses.some((own) => String(own) === String(address)))
  const hosts = here.flatMap((endpoint) =>
    endpoint.addresses.map((address) => ({ prefix: String(IpPrefix.of(address)), to: nameOf(endpoint), isStatic: false })),
  )
  const statics = (vrf.staticRoutes ?? []).flatMap(({ prefix, via }) =>
    via.type === 'discard'
      ? [{ prefix: String(prefix), to: 'discard', isStatic: true }]
      : owners(via.address).map((endpoint) => ({ prefix: String(prefix), to: nameOf(endpoint), isStatic: true })),
  )
  return [...hosts, ...statics.filter(({ prefix }) => !hosts.some((host) => host.prefix === prefix))]
}

function isForeign(inputs: ModelInputs, { nextHop }: VpnRoute): boolean {
  return !inputs.localAddresses.some((address) => String(address) === String(nextHop))
}

function usableRoutes(inputs: ModelInputs): readonly VpnRoute[] {
  return inputs.routes.filter(
    (route) =>
      isForeign(inputs, route) &&
      encapsulationOf(inputs, route) !== undefined &&
      inputs.localAddresses.some(({ family }) => family === route.nextHop.family),
  )
}

/** The first that we prefer of those that the far end takes; one that says nothing takes what we prefer most. */
function encapsulationOf({ encapsulations: ours }: ModelInputs, { encapsulations: theirs }: VpnRoute): Encapsulation | undefined {
  return ours.find((encapsulation) => theirs.length === 0 || theirs.includes(encapsulation))
}

/** Step by step as RFC 4271 §9.1.2.2 tells it: each step takes away who is worse than another one that is still there. */
function bestOf(routes: readonly VpnRoute[]): readonly VpnRoute[] {
  const minimum =
    (of: (route: VpnRoute) => number) =>
    (left: readonly VpnRoute[]): readonly VpnRoute[] =>
      left.filter((route) => left.every((other) => of(route) <= of(other)))
  const steps = [
    minimum(({ stale }) => (stale === true ? 1 : 0)),
    minimum(({ preference }) => -preference.localPref),
    minimum(({ preference }) => preference.asPathLength),
    minimum(({ preference }) => preference.origin),
    (left: readonly VpnRoute[]) =>
      left.filter(({ preference: { med, neighborAs } }) =>
        left.every(({ preference: other }) => other.neighborAs !== neighborAs || med <= other.med),
      ),
    minimum(({ preference }) => (preference.external ? 0 : 1)),
  ]
  const tied = steps.reduce<readonly VpnRoute[]>((left, step) => step(left), routes)
  const identity = ({ preference, source, rd, pathId }: VpnRoute): readonly (number | string)[] => [
    preference.originatorId,
    preference.clusterListLength,
    source,
    rd.high,
    rd.low,
    pathId,
  ]
  return tied.toSorted((a, b) => {
    const [x, y] = [identity(a), identity(b)]
    const at = x.findIndex((value, index) => value !== y[index])
    return at < 0 ? 0 : (x[at] ?? 0) < (y[at] ?? 0) ? -1 : 1
  })
}
