import { IpPrefix, type IpAddress } from '@heddle/wire'
import type { Encapsulation } from '../dataplane/objects.js'
import type { EndpointIntent, StaticRouteIntent, VrfIntent } from '../intent/intents.js'
import type { TrafficIntents } from '../intent/traffic.js'
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
  /** None when left out. */
  readonly traffic?: TrafficIntents
  /** Far ends that are heard no more; none when left out. */
  readonly down?: readonly IpAddress[]
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
    const remote = usableRoutes(inputs).filter((route) => imports(vrf, route.routeTargets) && (vrf.vni !== undefined || !hasVni(route)))
    for (const prefix of new Set([...local.map((route) => route.prefix), ...remote.map((route) => String(route.prefix))])) {
      const own = local.find((route) => route.prefix === prefix)
      const best = bestOf(remote.filter((route) => String(route.prefix) === prefix)).slice(0, inputs.maximumPaths)
      const tunnels = [...new Set(best.map((route) => `${encapsulationOf(inputs, route)} ${numberOf(route)} to ${route.nextHop}`))]
      const to = own !== undefined && own.owner !== vrf.name && own.to.startsWith('look up') ? `look up in ${own.owner}` : own?.to
      tables.set(`${vrf.name} ${prefix}`, to ?? tunnels.sort().join(', '))
    }
  }
  return tables
}

/** Each label that is to be there: what it does, and from where it is accepted. */
export function expectedLabels(inputs: ModelInputs): readonly string[] {
  return inputs.vrfs
    .flatMap((vrf) => {
      const from = sourcesOf(inputs, vrf)
      const endpoints = inputs.endpoints.filter((endpoint) => endpoint.vrf === vrf.name)
      return [`look up in ${vrf.name} from ${from}`, ...endpoints.map((endpoint) => `to ${nameOf(endpoint)} from ${from}`)]
    })
    .sort()
}

/** Each VNI that is to be there, as labels are told. @param routerMac of this node */
export function expectedVnis(inputs: ModelInputs, routerMac: string): readonly string[] {
  return inputs.vrfs
    .flatMap((vrf) =>
      vrf.vni === undefined ? [] : [`vni ${vrf.vni} as ${routerMac}: look up in ${vrf.name} from ${sourcesOf(inputs, vrf)}`],
    )
    .sort()
}

/** From where a VRF takes packets: what has told routes that it imports, and what its intent names. */
function sourcesOf(inputs: ModelInputs, vrf: VrfIntent): string {
  const told = inputs.routes.filter((route) => isForeign(inputs, route) && imports(vrf, route.routeTargets))
  const sources = [...told.map(({ nextHop }) => IpPrefix.of(nextHop)), ...(vrf.tunnelSources ?? [])].map(String)
  return [...new Set(sources)].sort().join(' ')
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
        : localRoutes(inputs, vrf).flatMap(({ prefix, to, isStatic }): [string, string][] => {
            const targets = vrf.export.map(String).sort().join(' ')
            const byLabel: [string, string] = [`${vrf.rd} ${prefix}`, `${isStatic ? `look up in ${vrf.name}` : `to ${to}`} for ${targets}`]
            return vrf.vni === undefined
              ? [byLabel]
              : [byLabel, [`${vrf.rd} ${prefix} evpn`, `vni ${vrf.vni} in ${vrf.name} for ${targets}`]]
          }),
    ),
  )
}

function imports(vrf: VrfIntent, targets: readonly { toString(): string }[]): boolean {
  return targets.some((target) => vrf.import.some((wanted) => String(wanted) === String(target)))
}

function nameOf({ netns, ifname }: EndpointIntent): string {
  return `port of ${netns} ${ifname}`
}

interface LocalRouteWords {
  readonly prefix: string
  readonly to: string
  readonly isStatic: boolean
  readonly owner: string
}

/** Static routes that nobody wrote: to virtual addresses, to what hides a VRF, and from a hidden VRF outside. The last one of a prefix counts. */
function implied({ traffic: { services = [], nat = [] } = {} }: ModelInputs, { name }: VrfIntent): readonly StaticRouteIntent[] {
  const hosts = [
    ...services.filter(({ vrf, advertise }) => vrf === name && advertise !== false).map(({ address }) => address),
    ...nat.filter(({ outside }) => outside === name).map(({ address }) => address),
  ]
  const all = [
    ...hosts.map((address): StaticRouteIntent => ({ prefix: IpPrefix.of(address), via: { type: 'discard' } })),
    ...nat
      .filter(({ vrf }) => vrf === name)
      .flatMap(({ outside, address, destinations }) =>
        (destinations ?? [IpPrefix.parse(address.family === 4 ? '0.0.0.0/0' : '::/0')]).map((prefix): StaticRouteIntent => ({
          prefix,
          via: { type: 'vrf', vrf: outside },
        })),
      ),
  ]
  return all.filter(({ prefix }, index) => !all.slice(index + 1).some((later) => String(later.prefix) === String(prefix)))
}

/** What starts in a VRF on this node, at most one a prefix: host routes before static ones, and those via an endpoint only with it. */
function localRoutes(inputs: ModelInputs, vrf: VrfIntent): readonly LocalRouteWords[] {
  const here = inputs.endpoints.filter((endpoint) => endpoint.vrf === vrf.name)
  const owners = (address: IpAddress) => here.filter(({ addresses }) => addresses.some((own) => String(own) === String(address)))
  const hosts = here.flatMap((endpoint) =>
    endpoint.addresses.map((address) => ({ prefix: String(IpPrefix.of(address)), to: nameOf(endpoint), isStatic: false, owner: vrf.name })),
  )
  const written = vrf.staticRoutes ?? []
  const isWritten = (prefix: IpPrefix): boolean => written.some((route) => String(route.prefix) === String(prefix))
  const statics = [...written, ...implied(inputs, vrf).filter(({ prefix }) => !isWritten(prefix))].flatMap(({ prefix, via }) => {
    const common = { prefix: String(prefix), isStatic: true, owner: vrf.name }
    if (via.type === 'discard') return [{ ...common, to: 'discard' }]
    if (via.type === 'vrf') return [{ ...common, to: `look up in ${via.vrf}` }]
    return owners(via.address).map((endpoint) => ({ ...common, to: nameOf(endpoint) }))
  })
  return [...hosts, ...statics.filter(({ prefix }) => !hosts.some((host) => host.prefix === prefix))]
}

function isForeign(inputs: ModelInputs, { nextHop }: VpnRoute): boolean {
  return !inputs.localAddresses.some((address) => String(address) === String(nextHop))
}

function usableRoutes(inputs: ModelInputs): readonly VpnRoute[] {
  return inputs.routes.filter(
    (route) =>
      isForeign(inputs, route) &&
      !(inputs.down ?? []).some((address) => String(address) === String(route.nextHop)) &&
      encapsulationOf(inputs, route) !== undefined &&
      inputs.localAddresses.some(({ family }) => family === route.nextHop.family),
  )
}

/** A far router's MAC address says that the label is a VNI. */
function hasVni({ routerMac }: VpnRoute): boolean {
  return routerMac !== undefined
}

function numberOf(route: VpnRoute): string {
  return hasVni(route) ? `vni ${route.label} of ${route.routerMac}` : `label ${route.label}`
}

/** The first that we prefer of those that the far end takes and the number is for; one that says nothing takes all but joint labels. */
function encapsulationOf({ encapsulations: ours }: ModelInputs, route: VpnRoute): Encapsulation | undefined {
  const { encapsulations: theirs } = route
  return ours.find((one) => (one === 'vxlan') === hasVni(route) && (theirs.length === 0 ? one !== 'mpls-udp-joint' : theirs.includes(one)))
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
    minimum(({ evpn }) => (evpn === true ? 0 : 1)),
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

/** What traffic intents ask of the dataplane, in words: a policy an endpoint and direction, a service, a pool, a mirror, a watched far end. */
export function expectedTraffic(inputs: ModelInputs): readonly string[] {
  const { policies = [], services = [], nat = [], mirrors = [], tunnelLiveness } = inputs.traffic ?? {}
  const selects = (endpoint: EndpointIntent, vrf: string | undefined, endpoints: readonly IpPrefix[] | undefined): boolean =>
    endpoint.vrf === vrf &&
    (endpoints === undefined || endpoint.addresses.some((address) => endpoints.some((one) => one.contains(address))))
  const judged = inputs.endpoints.flatMap((endpoint) =>
    (['ingress', 'egress'] as const).flatMap((direction) => {
      const chosen = policies.find((policy) => policy[direction] !== undefined && selects(endpoint, policy.vrf, policy.endpoints))?.[
        direction
      ]
      return chosen === undefined
        ? []
        : [`${direction} of ${nameOf(endpoint)}: ${JSON.stringify(chosen.rules)} else ${chosen.defaultVerdict}`]
    }),
  )
  const served = services.map(
    ({ vrf, address, protocol, port, backends }) => `${address} ${protocol} ${port} of ${vrf}: ${JSON.stringify(backends)}`,
  )
  const hidden = nat.map(({ vrf, outside, address, ports }) => `${vrf} behind ${address} in ${outside}: ${ports.first}–${ports.last}`)
  const copied = mirrors.map(({ vrf, endpoints, direction = 'both', collector, session }) => {
    const sources = inputs.endpoints.filter((endpoint) => selects(endpoint, vrf, endpoints)).map(nameOf)
    return `${sources.length === 0 ? 'both' : direction} of ${sources.sort().join(', ')} to ${collector} session ${session}`
  })
  const remotes = inputs.routes
    .filter((route) => isForeign(inputs, route) && inputs.vrfs.some((vrf) => imports(vrf, route.routeTargets)))
    .map(({ nextHop }) => nextHop)
    .filter(({ family }) => inputs.localAddresses.some((address) => address.family === family))
  const watched = tunnelLiveness === undefined ? [] : [...new Set(remotes.map((remote) => `watch ${remote}`))]
  return [...judged, ...served, ...hidden, ...copied, ...watched].sort()
}
