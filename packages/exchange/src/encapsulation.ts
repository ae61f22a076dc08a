import { TUNNEL_TYPE, encapsulationsOf, type ExtendedCommunity, type PathAttributes } from '@heddle/bgp'
import type { Encapsulation } from '@heddle/core'

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
  mpls: TUNNEL_TYPE.mpls,
  vxlan: TUNNEL_TYPE.vxlan,
  'mpls-udp-joint': TUNNEL_TYPE.mplsInUdp,
}

/**
 * What the originator of a path can take, in its order: by encapsulation communities and by the tunnel encapsulation attribute. Tunnel types that
 * the model does not know say nothing.
 *
 * @see RFC 9012 §4.1
 */
export function encapsulationsOfPath({ extendedCommunities, tunnelEncapsulation = [] }: PathAttributes): Encapsulation[] {
  const types = [...encapsulationsOf(extendedCommunities), ...tunnelEncapsulation.map(({ type }) => type)]
  return [...new Set(types.flatMap((type) => ENCAPSULATION_OF.get(type) ?? []))]
}

/** The communities that tell `encapsulations`, in their order. */
export function encapsulationCommunities(encapsulations: readonly Encapsulation[]): ExtendedCommunity[] {
  return encapsulations.map((encapsulation) => ({ kind: 'encapsulation', tunnelType: TUNNEL_TYPE_OF[encapsulation] }))
}
