import type { IpAddress } from '@heddle/wire'
import type { Encapsulation, NextHopAction } from '../dataplane/objects.js'
import { FIRST_LABEL, LAST_LABEL } from '../label/label-space.js'
import { chooseEncapsulation } from '../nexthop/encapsulation-choice.js'
import { selectRoutes } from '../table/best-path.js'
import type { VpnRoute } from '../vpn-route.js'

const LAST_VNI = 0xff_ffff

export interface TunnelChoiceOptions {
  /** This node's tunnel ends, at most one a family. */
  readonly localAddresses: readonly IpAddress[]
  /** Best first. */
  readonly preferences: readonly Encapsulation[]
  /** What the dataplane can. */
  readonly supported: readonly Encapsulation[]
  /** Most next hops a route is spread over. */
  readonly maximumPaths: number
  /** Whether a far end is known not to be there; nobody is when left out. */
  readonly isDown?: (remote: IpAddress) => boolean
}

export type Tunnel = Extract<NextHopAction, { readonly type: 'tunnel' }>

/** How routes of others are reached: which of them, and by which tunnels. */
export class TunnelChoice {
  readonly #options: TunnelChoiceOptions

  constructor(options: TunnelChoiceOptions) {
    this.#options = options
  }

  /** What is told to others, best first. Our labels are MPLS labels, so a VNI is not among it. */
  get offered(): readonly Encapsulation[] {
    const { preferences, supported } = this.#options
    return preferences.filter((encapsulation) => encapsulation !== 'vxlan' && supported.includes(encapsulation))
  }

  /** The routes that packets take, best first: the best one and those that are as good, of those that a tunnel leads to. */
  select(routes: Iterable<VpnRoute>): readonly VpnRoute[] {
    return selectRoutes(
      [...routes].filter((route) => this.#options.isDown?.(route.nextHop) !== true && this.tunnel(route) !== undefined),
      this.#options.maximumPaths,
    )
  }

  /** The tunnel for a route, or `undefined` when neither end takes what the other sends, or the label cannot be sent. */
  tunnel(route: VpnRoute): Tunnel | undefined {
    const encapsulation = this.encapsulation(route)
    const local = this.localAddress(route.nextHop)
    if (encapsulation === undefined || local === undefined) return undefined
    const common = { type: 'tunnel', encapsulation, local, remote: route.nextHop, ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
    const { label, routerMac } = route
    // A special-purpose label names no VRF, and a dataplane would refuse a whole transaction for a number that no field holds.
    if (encapsulation !== 'vxlan') return label < FIRST_LABEL || label > LAST_LABEL ? undefined : { ...common, labels: [label] }
    return routerMac === undefined || label < 0 || label > LAST_VNI ? undefined : { ...common, labels: [], vni: label, routerMac }
  }

  encapsulation(route: VpnRoute): Encapsulation | undefined {
    return chooseEncapsulation(route.encapsulations, this.#options.preferences, this.#options.supported)
  }

  /** Our end of a tunnel to `remote`. */
  localAddress(remote: IpAddress): IpAddress | undefined {
    return this.#options.localAddresses.find(({ family }) => family === remote.family)
  }
}
