import { VPNV4_UNICAST, VPNV6_UNICAST, routeTargetsOf, type NeighborView, type Speaker } from '@heddle/bgp'
import { encapsulationsOfPath } from '@heddle/exchange'
import type { NeighborRow, RouteRow } from './rows.js'

/** Hold time that is offered when nothing says another one (RFC 4271 §10). */
const DEFAULT_HOLD_TIME = 90

export function neighborRow({ address, as, state, uptime, config, negotiated, families, lastError }: NeighborView): NeighborRow {
  const sum = (count: 'received' | 'stale' | 'sent'): number => families.reduce((total, family) => total + family[count], 0)
  return {
    address,
    as,
    state,
    routerId: negotiated === undefined ? null : String(negotiated.remoteRouterId),
    families: negotiated === undefined ? config.families : negotiated.families.map(({ name }) => name),
    holdTime: negotiated?.holdTime ?? config.holdTime ?? DEFAULT_HOLD_TIME,
    uptime: negotiated === undefined ? null : uptime,
    received: sum('received'),
    stale: sum('stale'),
    gracefulRestart: negotiated?.gracefulRestart !== undefined,
    sent: sum('sent'),
    lastError: lastError ?? null,
    description: config.description ?? null,
  }
}

/** The VPN routes of a speaker without VRFs. */
export function* speakerRouteRows(speaker: Speaker): Iterable<RouteRow> {
  for (const family of [VPNV4_UNICAST, VPNV6_UNICAST]) {
    for (const { nlri, set, peer, best, stale } of speaker.routes({ family })) {
      if (nlri.kind !== 'vpn') continue
      yield {
        vrf: '',
        prefix: String(nlri.prefix),
        rd: String(nlri.rd),
        routeTargets: routeTargetsOf(set.attributes.extendedCommunities).map(String),
        label: nlri.labels[0] ?? null,
        nextHop: set.nextHop === undefined ? null : String(set.nextHop.address.unmapped()),
        encapsulation: encapsulationsOfPath(set.attributes)[0] ?? null,
        peer,
        best,
        installed: false,
        stale,
      }
    }
  }
}
