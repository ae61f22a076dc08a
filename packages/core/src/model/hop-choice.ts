import { IpPrefix, type IpAddress } from '@heddle/wire'
import type { NextHopAction } from '../dataplane/objects.js'
import type { Hop } from '../fib/fib-compiler.js'
import type { TunnelChoice } from './tunnel-choice.js'
import type { TunnelLiveness } from './tunnel-liveness.js'
import type { LocalRoute, TableEntry, VrfState } from './vrf-state.js'

const DISCARD: NextHopAction = { type: 'discard', reason: 'discard' }

export interface HopChoiceOptions {
  readonly vrfs: ReadonlyMap<string, VrfState>
  readonly tunnels: TunnelChoice
  readonly liveness: TunnelLiveness
}

/** Where packets for an entry of a VRF go: local routes before remote ones. */
export class HopChoice {
  readonly #options: HopChoiceOptions

  constructor(options: HopChoiceOptions) {
    this.#options = options
  }

  /** Hops side by side; `undefined` or none: no route. */
  hops(vrf: VrfState, entry: TableEntry | undefined): readonly Hop[] | undefined {
    if (entry === undefined) return undefined
    const { tunnels, liveness: watched } = this.#options
    const [local] = vrf.localCandidates(entry)
    if (local !== undefined) return [{ action: this.#localAction(vrf, local) }]
    return tunnels.select(entry.remote.values(), vrf).flatMap((route) => {
      const action = tunnels.tunnel(route, vrf)
      const liveness = watched.idOf(route.nextHop)
      return action === undefined ? [] : [{ action, ...(liveness !== undefined && { liveness }) }]
    })
  }

  /** Length of the prefix by which packets of a VRF come to an address; undefined when they get nowhere: no route, one that discards, or no device. */
  matchLength(name: string, address: IpAddress): number | undefined {
    const vrf = this.#options.vrfs.get(name)
    if (vrf === undefined) return undefined
    for (let length = address.bits; length >= 0; length--) {
      const entry = vrf.table.get(String(IpPrefix.of(address, length)))
      const [hop] = this.hops(vrf, entry) ?? []
      if (entry === undefined || hop === undefined) continue
      const [local] = vrf.localCandidates(entry)
      return hop.action.type === 'discard' || local?.via.endpoint?.attached === false ? undefined : length
    }
    return undefined
  }

  #localAction(vrf: VrfState, { owner, via: { endpoint, route } }: LocalRoute): NextHopAction {
    if (endpoint !== undefined) return { type: 'port', port: endpoint.port }
    if (route?.via.type !== 'vrf') return DISCARD
    // Another VRF's way out is taken from there: what hides the other VRF hides those that come through it.
    if (owner !== vrf) return { type: 'lookup', vrf: owner.id }
    const to = this.#options.vrfs.get(route.via.vrf)
    return to === undefined ? DISCARD : { type: 'lookup', vrf: to.id }
  }
}
