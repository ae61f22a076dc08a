import type { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import type { Encapsulation } from '../dataplane/objects.js'
import type { FibCompiler } from '../fib/fib-compiler.js'
import type { RoutePreference, VpnRoute, VpnRouteChange, VpnRouteKey } from '../vpn-route.js'
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
  /** With labels of MPLS. */
  readonly encapsulations: readonly Encapsulation[]
  /** With VNIs. */
  readonly routerMac: MacAddress | undefined
}

/** What a local route is told as: VPNv4 or VPNv6, and EVPN where its VRF has a VNI. */
const KINDS: readonly Pick<VpnRouteKey, 'evpn'>[] = [{}, { evpn: true }]

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
        for (const kind of KINDS) {
          const change = this.#changeOf(vrf, vrf.local.get(name), { source: 'local', rd: vrf.intent.rd, prefix, pathId: 0, ...kind })
          if (change !== undefined) (change.kind === 'withdraw' ? withdrawn : announced).push(change)
        }
      }
    }
    return [...withdrawn, ...announced]
  }

  #changeOf(vrf: VrfState, local: LocalRoute | undefined, key: VpnRouteKey): VpnRouteChange | undefined {
    const name = routeKey(key)
    const before = this.#told.get(name)
    const route = local === undefined ? undefined : this.#exported(vrf, local, key)
    if (route === undefined) return this.#told.delete(name) ? { kind: 'withdraw', ...key } : undefined
    if (before !== undefined && sameRoute(before, route)) return undefined
    this.#told.set(name, route)
    return { kind: 'announce', route }
  }

  #takeAll(vrfs: Iterable<VrfState>): readonly VpnRouteChange[] {
    const wanted = new Map<string, VpnRoute>()
    for (const vrf of vrfs) {
      for (const local of vrf.local.values()) {
        for (const kind of KINDS) {
          const route = this.#exported(vrf, local, kind)
          if (route !== undefined) wanted.set(routeKey(route), route)
        }
      }
    }
    const changes: VpnRouteChange[] = []
    for (const [key, route] of this.#told) {
      if (wanted.has(key)) continue
      this.#told.delete(key)
      const { source, rd, prefix, pathId, evpn } = route
      changes.push({ kind: 'withdraw', source, rd, prefix, pathId, ...(evpn && { evpn }) })
    }
    for (const [key, route] of wanted) {
      const before = this.#told.get(key)
      if (before !== undefined && sameRoute(before, route)) continue
      this.#told.set(key, route)
      changes.push({ kind: 'announce', route })
    }
    return changes
  }

  /** A local route as others are told it; what the dataplane is still to take is looked at again. */
  #exported(vrf: VrfState, local: LocalRoute, { evpn }: Pick<VpnRouteKey, 'evpn'>): VpnRoute | undefined {
    const { nextHop } = this.#options
    const way = evpn === true ? this.#byVni(vrf) : this.#byLabel(local)
    if (way === undefined || nextHop === undefined || vrf.intent.export.length === 0) return undefined
    const isThere = local.via.endpoint?.attached !== false && this.#fib.isInstalled(vrf.id, local.prefix) && way.isProgrammed
    if (!isThere) {
      this.#changes.touchExport(vrf, local.prefix)
      return undefined
    }
    return {
      source: 'local',
      rd: vrf.intent.rd,
      prefix: local.prefix,
      pathId: 0,
      routeTargets: vrf.intent.export,
      nextHop,
      preference: LOCAL_PREFERENCE,
      ...way.route,
    }
  }

  #byLabel(local: LocalRoute): Way {
    const label = localLabel(local)
    return { isProgrammed: this.#fib.objects.labels.isProgrammed(label), route: { label, encapsulations: this.#options.encapsulations } }
  }

  #byVni({ vni }: VrfState): Way | undefined {
    const { routerMac } = this.#options
    if (vni === undefined || routerMac === undefined) return undefined
    const route = { evpn: true, label: vni, routerMac, encapsulations: ['vxlan'] } as const
    return { isProgrammed: this.#fib.objects.vnis.isProgrammed(vni), route }
  }
}

/** How others send to a local route, and whether the dataplane takes it. */
interface Way {
  readonly isProgrammed: boolean
  readonly route: Pick<VpnRoute, 'evpn' | 'label' | 'routerMac' | 'encapsulations'>
}

function sameRoute(a: VpnRoute, b: VpnRoute): boolean {
  return a.label === b.label && a.routeTargets.join(' ') === b.routeTargets.join(' ')
}
