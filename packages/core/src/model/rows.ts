import type { IpAddress, MacAddress } from '@heddle/wire'
import type { Encapsulation } from '../dataplane/objects.js'
import type { FibCompiler } from '../fib/fib-compiler.js'
import type { EndpointState } from './endpoint-state.js'
import type { TunnelChoice } from './tunnel-choice.js'
import type { EndpointRow, LabelRow, RouteRow, TunnelRow, VrfRow } from './views.js'
import { localLabel, type TableEntry, type VrfState } from './vrf-state.js'

export function endpointRow({ intent, label, port, attached }: EndpointState): EndpointRow {
  return { ...intent, label, port, attached }
}

export function vrfRow({ intent, id, label, table, vni }: VrfState, routerMac: MacAddress | undefined): VrfRow {
  return { ...intent, id, label, routes: table.size, ...(vni !== undefined && routerMac !== undefined && { routerMac }) }
}

/** Every candidate for every prefix of every VRF, best first. */
export function* routeRows(vrfs: Iterable<VrfState>, fib: FibCompiler, tunnels: TunnelChoice): Iterable<RouteRow> {
  for (const vrf of vrfs)
    for (const entry of vrf.table.values()) yield* entryRows(vrf, entry, fib.isInstalled(vrf.id, entry.prefix), tunnels)
}

function* entryRows(vrf: VrfState, entry: TableEntry, isInstalled: boolean, tunnels: TunnelChoice): Iterable<RouteRow> {
  const { prefix } = entry
  const locals = vrf.localCandidates(entry)
  for (const [index, local] of locals.entries()) {
    const { rd, export: routeTargets } = local.owner.intent
    const best = index === 0
    yield { vrf: vrf.name, prefix, rd, routeTargets, label: localLabel(local), source: 'local', best, installed: best && isInstalled }
  }
  const remote = [...entry.remote.values()]
  const chosen = new Set(locals.length === 0 ? tunnels.select(remote, vrf) : [])
  for (const route of [...chosen, ...remote.filter((candidate) => !chosen.has(candidate))]) {
    const { rd, routeTargets, label, nextHop, source, routerMac } = route
    const encapsulation = tunnels.tunnel(route, vrf)?.encapsulation
    const best = chosen.has(route)
    yield {
      vrf: vrf.name,
      prefix,
      rd,
      routeTargets,
      label,
      nextHop,
      source,
      best,
      installed: best && isInstalled,
      ...(routerMac !== undefined && { routerMac }),
      ...(encapsulation !== undefined && { encapsulation }),
      ...(route.stale === true && { stale: true }),
    }
  }
}

export function labelRows(vrfs: Iterable<VrfState>, endpoints: Iterable<EndpointState>, fib: FibCompiler): readonly LabelRow[] {
  return [
    ...Array.from(vrfs, ({ label, name }): LabelRow => ({
      label,
      vrf: name,
      action: 'pop-lookup',
      installed: fib.objects.labels.isProgrammed(label),
    })),
    ...Array.from(endpoints, ({ label, vrf, intent }): LabelRow => ({
      label,
      vrf: vrf.name,
      action: 'pop-forward',
      endpoint: `${intent.ifname} of ${intent.netns}`,
      installed: fib.objects.labels.isProgrammed(label),
    })),
  ]
}

/** Tunnels that routes lead into. */
export function tunnelRows(routes: Iterable<RouteRow>, tunnels: TunnelChoice): readonly TunnelRow[] {
  const rows = new Map<string, { remote: IpAddress; encapsulation: Encapsulation; routes: number }>()
  for (const { best, nextHop, encapsulation } of routes) {
    if (!best || nextHop === undefined || encapsulation === undefined) continue
    const key = `${nextHop} ${encapsulation}`
    const known = rows.get(key)
    if (known === undefined) rows.set(key, { remote: nextHop, encapsulation, routes: 1 })
    else known.routes++
  }
  return [...rows.values()].flatMap((row) => {
    const local = tunnels.localAddress(row.remote)
    return local === undefined ? [] : [{ ...row, local }]
  })
}
