import { tunnelMtu, tunnelOverhead } from '@heddle/mpls'
import type { Encapsulation } from '../dataplane/objects.js'

/** Largest and smallest IP packet that a link can be told to take; IPv6 needs 1,280 (RFC 8200 §5). */
const LARGEST_MTU = 65_535
const SMALLEST_MTU = 1_280

/** Tunnels that may be used. */
export interface TunnelKinds {
  /** Families of the outer header that tunnels may have. */
  readonly underlayFamilies: readonly (4 | 6)[]
  /** Encapsulations that tunnels may have. */
  readonly encapsulations: readonly Encapsulation[]
  /** Label stack entries of a tunnel; 1 when left out. */
  readonly labels?: number
}

/** What the MTU of endpoints follows from. */
export interface EndpointMtuOptions extends TunnelKinds {
  /** Largest IP packet that the underlay carries, octets. */
  readonly underlayMtu: number
}

/**
 * MTU of endpoints: what fits into every tunnel that may be used, e.g. 1,500 − 32 for one label in MPLS over UDP over IPv4.
 *
 * @returns octets, at least 1,280, which IPv6 asks of every link: of what is larger than an underlay below `leastUnderlayMtu` takes, IPv4 is cut or its sender
 * told, and IPv6 lost
 */
export function endpointMtu({ underlayMtu, underlayFamilies, encapsulations, labels = 1 }: EndpointMtuOptions): number {
  const fits = underlayFamilies.flatMap((family) =>
    encapsulations.map((encapsulation) => tunnelMtu(underlayMtu, encapsulation, family, labels)),
  )
  return Math.min(LARGEST_MTU, Math.max(SMALLEST_MTU, Math.min(underlayMtu, ...fits)))
}

/** Least MTU of an underlay whose every tunnel takes 1,280 octets of IPv6: no sender makes smaller packets (RFC 8201 §4). */
export function leastUnderlayMtu({ underlayFamilies, encapsulations, labels = 1 }: TunnelKinds): number {
  const added = underlayFamilies.flatMap((family) => encapsulations.map((encapsulation) => tunnelOverhead(encapsulation, family, labels)))
  return SMALLEST_MTU + Math.max(0, ...added)
}
