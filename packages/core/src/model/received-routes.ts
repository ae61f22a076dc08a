import type { IpAddress } from '@heddle/wire'
import type { TargetIndex } from '../target/target-index.js'
import type { VpnRoute, VpnRouteChange, VpnRouteKey } from '../vpn-route.js'
import type { Changes } from './changes.js'
import type { VrfState } from './vrf-state.js'

interface ReceivedRoute {
  readonly route: VpnRoute
  importers: readonly VrfState[]
}

/** Names a route among those of every source. */
export function routeKey({ source, rd, prefix, pathId, evpn }: VpnRouteKey): string {
  return `${source} ${rd} ${prefix} ${pathId}${evpn === true ? ' evpn' : ''}`
}

/** Every VPN route that was told, imported or not: a new import finds it at once. */
export class ReceivedRoutes {
  readonly #targets: TargetIndex<VrfState>
  readonly #changes: Changes
  readonly #routes = new Map<string, ReceivedRoute>()
  readonly #bySource = new Map<string, Set<string>>()

  constructor(targets: TargetIndex<VrfState>, changes: Changes) {
    this.#targets = targets
    this.#changes = changes
  }

  /** @param own next hops of this node: a route to one is our own, reflected, and nothing that came before it holds */
  apply(changes: readonly VpnRouteChange[], own: readonly IpAddress[]): void {
    for (const change of changes) {
      if (change.kind === 'withdraw') this.withdraw(change)
      else if (own.some((address) => address.equals(change.route.nextHop))) this.withdraw(change.route)
      else this.announce(change.route)
    }
  }

  announce(route: VpnRoute): void {
    const key = routeKey(route)
    this.withdraw(route)
    const importers = this.#targets.importers(route.routeTargets)
    this.#routes.set(key, { route, importers })
    const names = this.#bySource.get(route.source)
    if (names === undefined) this.#bySource.set(route.source, new Set([key]))
    else names.add(key)
    for (const vrf of importers) this.#import(vrf, key, route)
  }

  withdraw(route: VpnRouteKey): void {
    this.#withdraw(routeKey(route))
  }

  withdrawSource(source: string): void {
    for (const key of this.#bySource.get(source) ?? []) this.#withdraw(key)
  }

  /** Imports everything anew after a change of route targets; only what differs is touched. */
  reimport(): void {
    for (const [key, received] of this.#routes) {
      const importers = this.#targets.importers(received.route.routeTargets)
      if (importers === received.importers) continue
      for (const vrf of received.importers) if (!importers.includes(vrf)) this.#unimport(vrf, key, received.route)
      for (const vrf of importers) if (!received.importers.includes(vrf)) this.#import(vrf, key, received.route)
      received.importers = importers
    }
  }

  #withdraw(key: string): void {
    const received = this.#routes.get(key)
    if (received === undefined) return
    this.#routes.delete(key)
    const names = this.#bySource.get(received.route.source)
    names?.delete(key)
    if (names?.size === 0) this.#bySource.delete(received.route.source)
    for (const vrf of received.importers) this.#unimport(vrf, key, received.route)
  }

  #import(vrf: VrfState, key: string, route: VpnRoute): void {
    vrf.entry(route.prefix).remote.set(key, route)
    if (vrf.addSource(route.nextHop)) this.#changes.sources.add(vrf)
    this.#changes.touch(vrf, route.prefix)
  }

  #unimport(vrf: VrfState, key: string, route: VpnRoute): void {
    const entry = vrf.entry(route.prefix)
    entry.remote.delete(key)
    vrf.tidy(entry)
    if (vrf.removeSource(route.nextHop)) this.#changes.sources.add(vrf)
    this.#changes.touch(vrf, route.prefix)
  }
}
