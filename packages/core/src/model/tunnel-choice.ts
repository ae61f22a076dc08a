import type { IpAddress } from '@heddle/wire'
import type { DataplaneCapabilities } from '../dataplane/dataplane.js'
import { hasFeature } from '../dataplane/feature.js'
import type { Encapsulation, NextHopAction } from '../dataplane/objects.js'
import { FIRST_LABEL, LAST_LABEL } from '../label/label-space.js'
import { FIRST_VNI, LAST_VNI } from '../label/vni-rest.js'
import { chooseEncapsulation } from '../nexthop/encapsulation-choice.js'
import { selectRoutes } from '../table/best-path.js'
import type { VpnRoute } from '../vpn-route.js'

export interface TunnelChoiceOptions {
  /** This node's tunnel ends, at most one a family. */
  readonly localAddresses: readonly IpAddress[]
  /** Best first. */
  readonly preferences: readonly Encapsulation[]
  /** What the dataplane sends, and whether it gains by what it receives behind joint labels. */
  readonly capabilities: Pick<DataplaneCapabilities, 'encapsulations' | 'features'>
  /** Most next hops a route is spread over. */
  readonly maximumPaths: number
  /** Whether a far end is known not to be there; nobody is when left out. */
  readonly isDown?: (remote: IpAddress) => boolean
}

export type Tunnel = Extract<NextHopAction, { readonly type: 'tunnel' }>

/** Whose packets go into a tunnel: a VRF, with the VNI that the dataplane is told of. */
export interface TunnelUser {
  readonly vni: number | undefined
}

/** How routes of others are reached: which of them, and by which tunnels. */
export class TunnelChoice {
  readonly #options: TunnelChoiceOptions
  /** Preferences for labels of MPLS, and for VNIs. */
  readonly #preferences: { readonly label: readonly Encapsulation[]; readonly vni: readonly Encapsulation[] }

  constructor(options: TunnelChoiceOptions) {
    this.#options = options
    this.#preferences = {
      label: options.preferences.filter((encapsulation) => encapsulation !== 'vxlan'),
      vni: options.preferences.filter((encapsulation) => encapsulation === 'vxlan'),
    }
  }

  /** What is told to others with labels of MPLS, best first. Every dataplane reads joint labels; four octets of each packet are asked for where it gains by them. */
  get offered(): readonly Encapsulation[] {
    const { capabilities } = this.#options
    return this.usable({ vni: undefined }).filter(
      (encapsulation) => encapsulation !== 'mpls-udp-joint' || hasFeature(capabilities, 'joint-labels'),
    )
  }

  /** By what packets of a VRF may travel. */
  usable({ vni }: TunnelUser): readonly Encapsulation[] {
    const { capabilities } = this.#options
    const preferences = [...this.#preferences.label, ...(vni === undefined ? [] : this.#preferences.vni)]
    return preferences.filter((encapsulation) => capabilities.encapsulations.includes(encapsulation))
  }

  /** The routes that packets of `vrf` take, best first: the best one and those that are as good, of those that a tunnel leads to. */
  select(routes: Iterable<VpnRoute>, vrf: TunnelUser): readonly VpnRoute[] {
    return selectRoutes(
      [...routes].filter((route) => this.#options.isDown?.(route.nextHop) !== true && this.tunnel(route, vrf) !== undefined),
      this.#options.maximumPaths,
    )
  }

  /**
   * The tunnel of `vrf` for a route, or `undefined` when neither end takes what the other sends, or the label cannot be sent. VXLAN is for a VRF that has
   * a VNI: nobody could answer another one the same way.
   */
  tunnel(route: VpnRoute, vrf: TunnelUser): Tunnel | undefined {
    const encapsulation = this.#encapsulation(route)
    const local = this.localAddress(route.nextHop)
    if (encapsulation === undefined || local === undefined) return undefined
    const common = { type: 'tunnel', encapsulation, local, remote: route.nextHop, ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
    const { label, routerMac } = route
    // A special-purpose label names no VRF, and a dataplane would refuse a whole transaction for a number that no field holds.
    if (encapsulation !== 'vxlan') return label < FIRST_LABEL || label > LAST_LABEL ? undefined : { ...common, labels: [label] }
    if (vrf.vni === undefined || routerMac === undefined || label < FIRST_VNI || label > LAST_VNI) return undefined
    return { ...common, labels: [], vni: label, routerMac }
  }

  #encapsulation({ encapsulations, routerMac }: VpnRoute): Encapsulation | undefined {
    const { label, vni } = this.#preferences
    return chooseEncapsulation(encapsulations, routerMac === undefined ? label : vni, this.#options.capabilities.encapsulations)
  }

  /** Our end of a tunnel to `remote`. */
  localAddress(remote: IpAddress): IpAddress | undefined {
    return this.#options.localAddresses.find(({ family }) => family === remote.family)
  }
}
