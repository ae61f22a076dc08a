import { routeTargetsOf, type RouteAnnouncement, type RouteChange, type VpnNlri } from '@heddle/bgp'
import type { VpnRoute, VpnRouteChange, VpnRouteKey } from '@heddle/core'
import { encapsulationsOfPath } from './encapsulation.js'
import { preferenceOf } from './preference.js'

/** Labels below are special-purpose (RFC 7274); none of them names a VRF or an endpoint. */
const FIRST_LABEL = 16

/**
 * What the model must know of changes that a BGP speaker reports: those of VPNv4 and VPNv6; every other family is passed over. A path that cannot
 * carry packets (no label or several, a special-purpose label, no usable next hop) is a withdrawal, so that an earlier version of it does
 * not stay.
 */
export function fromBgp(changes: readonly RouteChange[]): VpnRouteChange[] {
  const out: VpnRouteChange[] = []
  for (const change of changes) {
    const { nlri } = change
    if (nlri.kind !== 'vpn') continue
    const key: VpnRouteKey = { source: change.peer, rd: nlri.rd, prefix: nlri.prefix, pathId: change.pathId }
    const route = change.kind === 'announce' ? vpnRouteOf(change, nlri, key) : undefined
    out.push(route === undefined ? { kind: 'withdraw', ...key } : { kind: 'announce', route })
  }
  return out
}

function vpnRouteOf(change: RouteAnnouncement, { labels }: VpnNlri, key: VpnRouteKey): VpnRoute | undefined {
  const { attributes, peerType, peerRouterId: routerId, stale } = change
  // VPNv6 writes an IPv4 tunnel end as ::ffff:a.b.c.d (RFC 4659 §3.2.1.2).
  const nextHop = change.nextHop?.unmapped()
  if (labels.length !== 1 || labels[0] < FIRST_LABEL) return undefined
  if (nextHop === undefined || nextHop.isUnspecified || nextHop.isMulticast) return undefined
  return {
    ...key,
    routeTargets: routeTargetsOf(attributes.extendedCommunities),
    label: labels[0],
    nextHop,
    encapsulations: encapsulationsOfPath(attributes),
    preference: preferenceOf(attributes, { external: peerType === 'ebgp', routerId }),
    ...(stale ? { stale } : {}),
  }
}
