import {
  TUNNEL_TYPE,
  encapsulationsOf,
  jointLabelsCommunity,
  readsJointLabels,
  type ExtendedCommunity,
  type PathAttributes,
} from '@heddle/bgp'
import type { Encapsulation } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'

/** Tunnel types of RFC 9012 and what the model calls them; MPLS in GRE is announced as plain GRE by most, and as type 11 by some. */
const ENCAPSULATION_OF: ReadonlyMap<number, Encapsulation> = new Map([
  [TUNNEL_TYPE.mplsInUdp, 'mpls-udp'],
  [TUNNEL_TYPE.gre, 'mpls-gre'],
  [TUNNEL_TYPE.mplsInGre, 'mpls-gre'],
  [TUNNEL_TYPE.mpls, 'mpls'],
  [TUNNEL_TYPE.vxlan, 'vxlan'],
])

const TUNNEL_TYPE_OF: Readonly<Record<Encapsulation, number>> = {
  'mpls-udp': TUNNEL_TYPE.mplsInUdp,
  'mpls-gre': TUNNEL_TYPE.gre,
  'mpls-udp-joint': TUNNEL_TYPE.mplsInUdp,
  mpls: TUNNEL_TYPE.mpls,
  vxlan: TUNNEL_TYPE.vxlan,
}

/**
 * What the far end of a path can take, in its order: by encapsulation communities and by the tunnel encapsulation attribute. Tunnel types that the model
 * does not know say nothing. Where MPLS over UDP is among them, `mpls-udp-joint` comes before it if a community tells that `nextHop` reads joint labels: one
 * that names another next hop was told of a router whose place a later one has taken, which need not know of them.
 *
 * @see RFC 9012 §4.1
 */
export function encapsulationsOfPath(attributes: PathAttributes, nextHop: IpAddress | undefined): Encapsulation[] {
  const { extendedCommunities, tunnelEncapsulation = [] } = attributes
  const types = [...encapsulationsOf(extendedCommunities), ...tunnelEncapsulation.map(({ type }) => type)]
  const told = [...new Set(types.flatMap((type) => ENCAPSULATION_OF.get(type) ?? []))]
  if (nextHop === undefined || !readsJointLabels(extendedCommunities, nextHop)) return told
  return told.flatMap((encapsulation) => (encapsulation === 'mpls-udp' ? ['mpls-udp-joint', encapsulation] : [encapsulation]))
}

/** The communities that tell `encapsulations` of `nextHop`, in their order. Who reads joint labels takes MPLS over UDP without one, too. */
export function encapsulationCommunities(encapsulations: readonly Encapsulation[], nextHop: IpAddress): ExtendedCommunity[] {
  const types = new Set(encapsulations.map((encapsulation) => TUNNEL_TYPE_OF[encapsulation]))
  const told = [...types].map((tunnelType): ExtendedCommunity => ({ kind: 'encapsulation', tunnelType }))
  return encapsulations.includes('mpls-udp-joint') ? [...told, jointLabelsCommunity(nextHop)] : told
}
