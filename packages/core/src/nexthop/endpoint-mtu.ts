import { tunnelMtu } from '@heddle/mpls'
import type { Encapsulation } from '../dataplane/objects.js'

/** Largest and smallest IP packet that a link can be told to take; IPv6 needs 1,280 (RFC 8200 §5). */
const LARGEST_MTU = 65_535
const SMALLEST_MTU = 1_280

/** What the MTU of endpoints follows from. */
export interface EndpointMtuOptions {
  /** Largest IP packet that the underlay carries, octets. */
  readonly underlayMtu: number
  /** Families of the outer header that tunnels may have. */
  readonly underlayFamilies: readonly (4 | 6)[]
  /** Encapsulations that tunnels may have. */
  readonly encapsulations: readonly Encapsulation[]
  /** Label stack entries of a tunnel; 1 when left out. */
  readonly labels?: number
}

/**
 * MTU of endpoints: what fits into every tunnel that may be used, e.g. 1,500 − 32 for one label in MPLS over UDP over IPv4.
 *
 * @returns octets, at least 1,280: an underlay that is too small for IPv6 fragments or answers, it does not forbid the endpoint
 */
export function endpointMtu({ underlayMtu, underlayFamilies, encapsulations, labels = 1 }: EndpointMtuOptions): number {
  const fits = underlayFamilies.flatMap((family) =>
    encapsulations.map((encapsulation) => tunnelMtu(underlayMtu, encapsulation, family, labels)),
  )
  return Math.min(LARGEST_MTU, Math.max(SMALLEST_MTU, Math.min(underlayMtu, ...fits)))
}
