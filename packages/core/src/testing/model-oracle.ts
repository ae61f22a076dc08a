import { IpPrefix, type IpAddress } from '@heddle/wire'
import type { DataplaneState } from '../dataplane/dataplane.js'
import type { EndpointIntent, VrfIntent } from '../intent/intents.js'
import type { VpnRoute } from '../vpn-route.js'

/** Everything that was told to a model and still holds. */
export interface ModelInputs {
  readonly localAddress: IpAddress
  readonly vrfs: readonly VrfIntent[]
  readonly endpoints: readonly EndpointIntent[]
  readonly routes: readonly VpnRoute[]
}

/**
 * What follows from the inputs, by the definitions and with no regard for cost: for each VRF, prefix → where packets go, in words without ids. Shares
 * nothing with the model.
 */
export function expectedTables({ localAddress, vrfs, endpoints, routes }: ModelInputs): ReadonlyMap<string, string> {
  const tables = new Map<string, string>()
  for (const vrf of vrfs) {
    const imports = (targets: readonly { toString(): string }[]): boolean =>
      targets.some((target) => vrf.import.some((wanted) => String(wanted) === String(target)))
    const prefixes = new Map<string, { own: string[]; leaked: [vrf: string, where: string][]; remote: VpnRoute[] }>()
    const at = (prefix: IpPrefix) => {
      const entry = prefixes.get(String(prefix)) ?? { own: [], leaked: [], remote: [] }
      prefixes.set(String(prefix), entry)
      return entry
    }
    for (const owner of vrfs) {
      if (owner !== vrf && !imports(owner.export)) continue
      for (const endpoint of endpoints) {
        if (endpoint.vrf !== owner.name) continue
        for (const address of endpoint.addresses) {
          const entry = at(IpPrefix.of(address))
          const where = `port of ${endpoint.netns} ${endpoint.ifname}`
          if (owner === vrf) entry.own.push(where)
          else entry.leaked.push([owner.name, where])
        }
      }
    }
    for (const route of routes) if (!route.nextHop.equals(localAddress) && imports(route.routeTargets)) at(route.prefix).remote.push(route)
    for (const [prefix, { own, leaked, remote }] of prefixes) {
      const [first] = own
      if (first !== undefined) tables.set(`${vrf.name} ${prefix}`, first)
      else if (leaked.length > 0) tables.set(`${vrf.name} ${prefix}`, leaked.sort(([a], [b]) => (a < b ? -1 : 1))[0]?.[1] ?? '')
      else
        tables.set(
          `${vrf.name} ${prefix}`,
          bestOf(remote)
            .map(tunnelOf)
            .sort()
            .filter((value, index, all) => all.indexOf(value) === index)
            .join(', '),
        )
    }
  }
  return tables
}

/** The routes that no other one beats, by the order of RFC 4271 §9.1.2.2, all from one neighbouring AS. */
function bestOf(routes: readonly VpnRoute[]): readonly VpnRoute[] {
  const rank = ({ stale, preference: p }: VpnRoute): number[] => [
    stale === true ? 1 : 0,
    -p.localPref,
    p.asPathLength,
    p.origin,
    p.med,
    p.external ? 0 : 1,
  ]
  const less = (a: number[], b: number[]): boolean => {
    const index = a.findIndex((value, at) => value !== b[at])
    return index >= 0 && (a[index] ?? 0) < (b[index] ?? 0)
  }
  return routes.filter((route) => !routes.some((other) => less(rank(other), rank(route))))
}

function tunnelOf({ label, nextHop }: VpnRoute): string {
  return `label ${label} to ${nextHop}`
}

/** The tables of a dataplane in the same words. */
export function describeState(state: DataplaneState): ReadonlyMap<string, string> {
  const vrfNames = new Map(state.vrfs.map(({ id, name }) => [id, name]))
  const nextHops = new Map(state.nextHops.map(({ id, action }) => [id, action]))
  const groups = new Map(state.groups.map(({ id, members }) => [id, members]))
  const tables = new Map<string, string>()
  const { routes } = state
  for (let row = 0; row < routes.count; row++) {
    const members = (groups.get(routes.group[row]) ?? []).map(({ nextHop }) => {
      const action = nextHops.get(nextHop)
      if (action?.type === 'port') return `port ${action.port}`
      if (action?.type === 'tunnel') return `label ${action.labels.join('/')} to ${action.remote}`
      return action?.type ?? 'dangling'
    })
    tables.set(`${vrfNames.get(routes.vrf[row]) ?? 'dangling'} ${routes.prefixAt(row)}`, members.sort().join(', '))
  }
  return tables
}
