import { IpPrefix } from '@heddle/wire'
import type { StaticRouteIntent } from '../intent/intents.js'
import type { TargetIndex } from '../target/target-index.js'
import type { Changes } from './changes.js'
import type { EndpointState } from './endpoint-state.js'
import type { LocalRoute, VrfState } from './vrf-state.js'

/**
 * The routes that start on this node: host routes of endpoints, and static routes. Each is in its own VRF and in those that import what its VRF
 * exports. An endpoint's own address wins over a static route to it; a static route via an endpoint counts while that endpoint is here.
 */
export class LocalRoutes {
  readonly #targets: TargetIndex<VrfState>
  readonly #changes: Changes

  constructor(targets: TargetIndex<VrfState>, changes: Changes) {
    this.#targets = targets
    this.#changes = changes
  }

  addEndpoint(endpoint: EndpointState): void {
    const { vrf, intent } = endpoint
    for (const address of intent.addresses) vrf.addresses.set(String(IpPrefix.of(address)), endpoint)
    this.#addressesChanged(endpoint)
  }

  removeEndpoint(endpoint: EndpointState): void {
    const { vrf, intent } = endpoint
    for (const address of intent.addresses) vrf.addresses.delete(String(IpPrefix.of(address)))
    this.#addressesChanged(endpoint)
  }

  /** The endpoint's device came or went: others may hear of its routes, or no more. */
  deviceChanged({ vrf, intent }: EndpointState): void {
    for (const address of intent.addresses) this.#changes.touchExport(vrf, IpPrefix.of(address))
    for (const { prefix, via } of vrf.statics.values()) if (via.type === 'endpoint') this.#changes.touchExport(vrf, prefix)
  }

  setStatics(vrf: VrfState, routes: readonly StaticRouteIntent[]): void {
    const before = vrf.statics
    vrf.statics = new Map(routes.map((route) => [String(route.prefix), route]))
    for (const { prefix } of [...before.values(), ...routes]) this.#refresh(vrf, prefix)
  }

  /** Spreads the routes of a VRF anew, after a change of what it exports or of what others import. */
  respread(vrf: VrfState): void {
    for (const local of vrf.local.values()) this.#spread(local, this.#importers(vrf))
  }

  /** Takes the routes of a VRF back, which goes. */
  removeAll(vrf: VrfState): void {
    for (const local of vrf.local.values()) this.#spread(local, [])
    vrf.local.clear()
  }

  #addressesChanged({ vrf, intent }: EndpointState): void {
    for (const address of intent.addresses) {
      this.#refresh(vrf, IpPrefix.of(address))
      for (const { prefix, via } of vrf.statics.values())
        if (via.type === 'endpoint' && via.address.equals(address)) this.#refresh(vrf, prefix)
    }
  }

  /** Brings the local route to `prefix` to what the endpoints and static routes of its VRF say. */
  #refresh(vrf: VrfState, prefix: IpPrefix): void {
    const name = String(prefix)
    const before = vrf.local.get(name)
    this.#changes.touchExport(vrf, prefix)
    const via = viaOf(vrf, name)
    if (before !== undefined) {
      if (via !== undefined && via.route === before.via.route && via.endpoint === before.via.endpoint) return
      this.#spread(before, [])
      vrf.local.delete(name)
    }
    if (via === undefined) return
    const local: LocalRoute = { prefix, owner: vrf, via, importers: [] }
    vrf.local.set(name, local)
    this.#spread(local, this.#importers(vrf))
  }

  #importers(owner: VrfState): readonly VrfState[] {
    return [...new Set([owner, ...this.#targets.importers(owner.intent.export)])]
  }

  #spread(local: LocalRoute, importers: readonly VrfState[]): void {
    const { owner, prefix } = local
    for (const vrf of local.importers) {
      if (importers.includes(vrf)) continue
      const entry = vrf.entry(prefix)
      entry.local.delete(owner)
      vrf.tidy(entry)
      this.#changes.touch(vrf, prefix)
    }
    for (const vrf of importers) {
      if (local.importers.includes(vrf)) continue
      vrf.entry(prefix).local.set(owner, local)
      this.#changes.touch(vrf, prefix)
    }
    local.importers = importers
  }
}

function viaOf(vrf: VrfState, name: string): LocalRoute['via'] | undefined {
  const endpoint = vrf.addresses.get(name)
  if (endpoint !== undefined) return { endpoint }
  const route = vrf.statics.get(name)
  if (route === undefined) return undefined
  if (route.via.type !== 'endpoint') return { route }
  const via = vrf.addresses.get(String(IpPrefix.of(route.via.address)))
  return via === undefined ? undefined : { route, endpoint: via }
}
