import { routeTargetsOf, type PathAttributes, type RouteAnnouncement, type RouteChange, type VpnNlri } from '@heddle/bgp'
import type { VpnRoute, VpnRouteChange, VpnRouteKey } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import { encapsulationsOfPath } from './encapsulation.js'
import { isInterfaceless, labelAndTunnelOf, type LabelAndTunnel } from './ip-prefix-route.js'
import { preferenceOf } from './preference.js'

/** Labels below are special-purpose (RFC 7274); none of them names a VRF or an endpoint. */
const FIRST_LABEL = 16

/**
 * What the model must know of changes that a BGP speaker reports: those of VPNv4 and VPNv6, and IP prefix routes of EVPN; everything else is passed over. A
 * path that cannot carry packets (no label or several, a special-purpose label, no usable next hop, a VNI without a router) is a withdrawal, so that an
 * earlier version of it does not stay.
 */
export function fromBgp(changes: readonly RouteChange[]): VpnRouteChange[] {
  const out: VpnRouteChange[] = []
  for (const change of changes) {
    const key = keyOf(change)
    if (key === undefined) continue
    const route = change.kind === 'announce' ? vpnRouteOf(change, key) : undefined
    out.push(route === undefined ? { kind: 'withdraw', ...key } : { kind: 'announce', route })
  }
  return out
}

function keyOf({ nlri, peer: source, pathId }: RouteChange): VpnRouteKey | undefined {
  if (nlri.kind === 'vpn') return { source, rd: nlri.rd, prefix: nlri.prefix, pathId }
  return isInterfaceless(nlri) ? { source, rd: nlri.rd, prefix: nlri.prefix, pathId, evpn: true } : undefined
}

function vpnRouteOf(change: RouteAnnouncement, key: VpnRouteKey): VpnRoute | undefined {
  const { nlri, attributes, peerType, peerRouterId: routerId, stale } = change
  // VPNv6 writes an IPv4 tunnel end as ::ffff:a.b.c.d (RFC 4659 §3.2.1.2).
  const nextHop = change.nextHop?.unmapped()
  const tunnel = isInterfaceless(nlri) ? labelAndTunnelOf(nlri, attributes, nextHop) : labelOf(nlri as VpnNlri, attributes, nextHop)
  if (tunnel === undefined || tunnel.label < (tunnel.routerMac === undefined ? FIRST_LABEL : 1)) return undefined
  if (nextHop === undefined || nextHop.isUnspecified || nextHop.isMulticast) return undefined
  return {
    ...key,
    routeTargets: routeTargetsOf(attributes.extendedCommunities),
    ...tunnel,
    nextHop,
    preference: preferenceOf(attributes, { external: peerType === 'ebgp', routerId }),
    ...(stale ? { stale } : {}),
  }
}

function labelOf({ labels }: VpnNlri, attributes: PathAttributes, nextHop: IpAddress | undefined): LabelAndTunnel | undefined {
  return labels.length === 1 ? { label: labels[0], encapsulations: encapsulationsOfPath(attributes, nextHop) } : undefined
}
