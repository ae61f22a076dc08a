import type { Encapsulation } from '@heddle/core'
import { tunnelMtu } from '@heddle/mpls'

/** What every IPv4 link takes (RFC 791 §3.2). */
const LEAST_MTU = 68

/** What stands between an endpoint's packet and the underlay's link. */
export interface EndpointMtuOptions {
  /** Largest IP packet that the underlay carries, e.g. a `RouteLookup.mtu`. */
  readonly underlayMtu: number
  /** Family of the outer header; IPv6, the larger one, when left out. */
  readonly underlayFamily?: 4 | 6
  /** `mpls-udp` when left out. */
  readonly encapsulation?: Encapsulation
  /** Label stack entries; 1 when left out. */
  readonly labels?: number
}

/**
 * MTU of endpoints: what the underlay carries less the tunnel's overhead, e.g. 1,500 − 32 for one label in MPLS over UDP over IPv4.
 *
 * @returns octets, at least 68
 */
export function endpointMtu({ underlayMtu, underlayFamily = 6, encapsulation = 'mpls-udp', labels = 1 }: EndpointMtuOptions): number {
  return Math.max(LEAST_MTU, tunnelMtu(underlayMtu, encapsulation, underlayFamily, labels))
}
