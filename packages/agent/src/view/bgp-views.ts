import {
  L2VPN_EVPN,
  VPNV4_UNICAST,
  VPNV6_UNICAST,
  routeTargetsOf,
  type NeighborView,
  type Nlri,
  type RouteView,
  type Speaker,
} from '@heddle/bgp'
import { encapsulationsOfPath, isInterfaceless, labelAndTunnelOf } from '@heddle/exchange'
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

/** The VPN routes of a speaker without VRFs: VPNv4, VPNv6, and IP prefix routes of EVPN. */
export function* speakerRouteRows(speaker: Speaker): Iterable<RouteRow> {
  for (const family of [VPNV4_UNICAST, VPNV6_UNICAST, L2VPN_EVPN]) {
    for (const { nlri, set, peer, best, stale } of speaker.routes({ family })) {
      if (nlri.kind !== 'vpn' && !isInterfaceless(nlri)) continue
      yield {
        vrf: '',
        prefix: String(nlri.prefix),
        rd: String(nlri.rd),
        routeTargets: routeTargetsOf(set.attributes.extendedCommunities).map(String),
        ...labelAndEncapsulation(nlri, set),
        nextHop: set.nextHop === undefined ? null : String(set.nextHop.address.unmapped()),
        peer,
        best,
        installed: false,
        stale,
      }
    }
  }
}

function labelAndEncapsulation(nlri: Nlri, { attributes, nextHop }: RouteView['set']): Pick<RouteRow, 'label' | 'encapsulation'> {
  const hop = nextHop?.address
  if (nlri.kind === 'vpn') return { label: nlri.labels[0] ?? null, encapsulation: encapsulationsOfPath(attributes, hop)[0] ?? null }
  const way = isInterfaceless(nlri) ? labelAndTunnelOf(nlri, attributes, hop) : undefined
  return { label: way?.label ?? null, encapsulation: way?.encapsulations[0] ?? null }
}
