import { VPNV4_UNICAST, VPNV6_UNICAST, type ExtendedCommunity, type LocalRoute, type LocalRouteKey } from '@heddle/bgp'
import type { VpnRoute, VpnRouteChange, VpnRouteKey } from '@heddle/core'
import { encapsulationCommunities } from './encapsulation.js'
import { ipPrefixKeyOf, labelFieldOf, routerMacCommunities } from './ip-prefix-route.js'
import { attributesOf } from './preference.js'

/** What a speaker shall originate, and no longer originate. */
export interface Originations {
  readonly announce: readonly LocalRoute[]
  readonly withdraw: readonly LocalRouteKey[]
}

/**
 * The routes that the model exports, for a BGP speaker: of EVPN those that are, the others of VPNv4 or VPNv6 by their prefix. Of several changes of one
 * route the last one counts.
 *
 * An encapsulation community says what this router can receive (RFC 9012 §4.1), one for each of the route's encapsulations; that it reads joint labels, a
 * community that names the next hop says beside that of MPLS over UDP. VPNv6 over an IPv4 underlay has the next hop `::ffff:a.b.c.d` (RFC 4659 §3.2.1.2).
 * A route of EVPN with a router MAC tells it, and its VNI in the label field (RFC 9136 §4.4.1).
 */
export function toBgp(changes: readonly VpnRouteChange[]): Originations {
  const announce = new Map<string, LocalRoute>()
  const withdraw = new Map<string, LocalRouteKey>()
  for (const change of changes) {
    const key = change.kind === 'announce' ? change.route : change
    const id = `${key.rd} ${key.prefix} ${key.evpn === true}`
    announce.delete(id)
    withdraw.delete(id)
    if (change.kind === 'announce') announce.set(id, localRouteOf(change.route))
    else withdraw.set(id, change.evpn === true ? ipPrefixKeyOf(change) : vpnKeyOf(change, []))
  }
  return { announce: [...announce.values()], withdraw: [...withdraw.values()] }
}

function localRouteOf(route: VpnRoute): LocalRoute {
  const { routeTargets, encapsulations, nextHop, prefix, label, preference, evpn } = route
  const targets = routeTargets.map((target): ExtendedCommunity => ({ kind: 'route-target', target }))
  const extendedCommunities = [...targets, ...encapsulationCommunities(encapsulations, nextHop), ...routerMacCommunities(route)]
  return {
    ...(evpn === true ? ipPrefixKeyOf(route, labelFieldOf(route)) : vpnKeyOf(route, [label])),
    nextHop: evpn === undefined && prefix.family === 6 ? nextHop.toV4Mapped() : nextHop,
    attributes: { ...attributesOf(preference), ...(extendedCommunities.length === 0 ? {} : { extendedCommunities }) },
  }
}

function vpnKeyOf({ rd, prefix }: Pick<VpnRouteKey, 'rd' | 'prefix'>, labels: readonly number[]): LocalRouteKey {
  return { family: prefix.family === 4 ? VPNV4_UNICAST : VPNV6_UNICAST, nlri: { kind: 'vpn', labels, rd, prefix } }
}
