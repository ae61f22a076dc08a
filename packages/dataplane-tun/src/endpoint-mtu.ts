import type { Encapsulation } from '@heddle/core'

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

const HEADERS: Readonly<Record<Encapsulation, number>> = {
  'mpls-udp': 8,
  'mpls-gre': 4,
  mpls: 0,
  /** UDP, VXLAN and the inner Ethernet header. */
  vxlan: 8 + 8 + 14,
}

/**
 * MTU of endpoints: what the underlay carries less the tunnel's overhead, e.g. 1,500 − 32 for one label in MPLS over UDP over IPv4.
 *
 * @returns octets, at least 68 (what every IPv4 link takes, RFC 791 §3.2)
 */
export function endpointMtu({ underlayMtu, underlayFamily = 6, encapsulation = 'mpls-udp', labels = 1 }: EndpointMtuOptions): number {
  const outer = encapsulation === 'mpls' ? 0 : underlayFamily === 4 ? 20 : 40
  const stack = encapsulation === 'vxlan' ? 0 : labels * 4
  return Math.max(68, underlayMtu - outer - HEADERS[encapsulation] - stack)
}
