import type { IpAddress, IpPrefix } from '@heddle/wire'
import type { Encapsulation } from '../dataplane/objects.js'
import type { FibCompiler } from '../fib/fib-compiler.js'
import type { RoutePreference, VpnRoute, VpnRouteChange } from '../vpn-route.js'
import type { Changes } from './changes.js'
import { routeKey } from './received-routes.js'
import { localLabel, type LocalRoute, type VrfState } from './vrf-state.js'

/** What decides about a route that starts here. */
export const LOCAL_PREFERENCE: RoutePreference = {
  localPref: 100,
  asPathLength: 0,
  origin: 0,
  med: 0,
  neighborAs: 0,
  external: false,
  clusterListLength: 0,
  originatorId: 0,
}

export interface ExportsOptions {
  readonly nextHop: IpAddress | undefined
  readonly encapsulations: readonly Encapsulation[]
}

/**
 * What others were told of the local routes. A route that is not told yet is looked at each time; one that is told, when it was touched, since what the
 * dataplane holds of it only changes with what is wanted of it.
 */
export class Exports {
  readonly #fib: FibCompiler
  readonly #changes: Changes
  readonly #options: ExportsOptions
  readonly #told = new Map<string, VpnRoute>()
  /** Whether every route is to be looked at. */
  #isAllTouched = true

  constructor(fib: FibCompiler, changes: Changes, options: ExportsOptions) {
    this.#fib = fib
    this.#changes = changes
    this.#options = options
  }

  /** What VRFs export may have changed, or all that the dataplane holds. */
  touchAll(): void {
    this.#isAllTouched = true
  }

  /** Changes since the last call. Only what the dataplane holds is announced. */
  take(vrfs: Iterable<VrfState>): readonly VpnRouteChange[] {
    const touched = new Map(this.#changes.exports)
    this.#changes.exports.clear()
    if (!this.#isAllTouched) return this.#takeTouched(touched)
    this.#isAllTouched = false
    return this.#takeAll(vrfs)
  }

  #takeTouched(touched: ReadonlyMap<VrfState, ReadonlyMap<string, IpPrefix>>): readonly VpnRouteChange[] {
    const withdrawn: VpnRouteChange[] = []
    const announced: VpnRouteChange[] = []
    for (const [vrf, prefixes] of touched) {
      for (const [name, prefix] of prefixes) {
        const local = vrf.local.get(name)
        const route = local === undefined ? undefined : this.#exported(vrf, local)
        if (local !== undefined && route === undefined) this.#changes.touchExport(vrf, prefix)
        const key = { source: 'local', rd: vrf.intent.rd, prefix, pathId: 0 }
        const before = this.#told.get(routeKey(key))
        if (route === undefined) {
          if (this.#told.delete(routeKey(key))) withdrawn.push({ kind: 'withdraw', ...key })
        } else if (before === undefined || !sameRoute(before, route)) {
          this.#told.set(routeKey(key), route)
          announced.push({ kind: 'announce', route })
        }
      }
    }
    return [...withdrawn, ...announced]
  }

  #takeAll(vrfs: Iterable<VrfState>): readonly VpnRouteChange[] {
    const wanted = new Map<string, VpnRoute>()
    for (const vrf of vrfs) {
      for (const local of vrf.local.values()) {
        const route = this.#exported(vrf, local)
        if (route !== undefined) wanted.set(routeKey(route), route)
        else this.#changes.touchExport(vrf, local.prefix)
      }
    }
    const changes: VpnRouteChange[] = []
    for (const [key, route] of this.#told) {
      if (wanted.has(key)) continue
      this.#told.delete(key)
      changes.push({ kind: 'withdraw', source: route.source, rd: route.rd, prefix: route.prefix, pathId: route.pathId })
    }
    for (const [key, route] of wanted) {
      const before = this.#told.get(key)
      if (before !== undefined && sameRoute(before, route)) continue
      this.#told.set(key, route)
      changes.push({ kind: 'announce', route })
    }
    return changes
  }

  #exported(vrf: VrfState, local: LocalRoute): VpnRoute | undefined {
    const { nextHop, encapsulations } = this.#options
    if (nextHop === undefined || vrf.intent.export.length === 0) return undefined
    const label = localLabel(local)
    if (local.via.endpoint?.attached === false) return undefined
    if (!this.#fib.isInstalled(vrf.id, local.prefix) || !this.#fib.objects.labels.isProgrammed(label)) return undefined
    return {
      source: 'local',
      rd: vrf.intent.rd,
      prefix: local.prefix,
      pathId: 0,
      routeTargets: vrf.intent.export,
      label,
      nextHop,
      encapsulations,
      preference: LOCAL_PREFERENCE,
    }
  }
}

function sameRoute(a: VpnRoute, b: VpnRoute): boolean {
  return a.label === b.label && a.routeTargets.join(' ') === b.routeTargets.join(' ')
}
