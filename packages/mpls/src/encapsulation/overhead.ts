import { ETHERNET_HEADER_SIZE, GRE_HEADER_SIZE, IPV4_HEADER_SIZE, IPV6_HEADER_SIZE, UDP_HEADER_SIZE, type IpFamily } from '@heddle/wire'
import { LABEL_STACK_ENTRY_SIZE } from '../label-stack.js'
import { VXLAN_HEADER_SIZE } from './vxlan-header.js'

/** How packets travel between virtual routers. */
export type TunnelEncapsulation = 'mpls-udp' | 'mpls-gre' | 'mpls' | 'vxlan' | 'mpls-udp-joint'

/**
 * Octets that a tunnel adds to an IP packet, as they count against the underlay's MTU.
 *
 * | encapsulation | IPv4 underlay | IPv6 underlay |
 * |---|---|---|
 * | `mpls-udp` | 28 + 4 a label | 48 + 4 a label |
 * | `mpls-udp-joint` | 32 + 4 a label | 52 + 4 a label |
 * | `mpls-gre` | 24 + 4 a label | 44 + 4 a label |
 * | `mpls` (on Ethernet) | 4 a label | 4 a label |
 * | `vxlan` (with the inner Ethernet header) | 50 | 70 |
 */
export function tunnelOverhead(encapsulation: TunnelEncapsulation, family: IpFamily, labels: number): number {
  const ip = family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE
  const stack = labels * LABEL_STACK_ENTRY_SIZE
  switch (encapsulation) {
    case 'mpls-udp':
      return ip + UDP_HEADER_SIZE + stack
    case 'mpls-udp-joint':
      return ip + UDP_HEADER_SIZE + LABEL_STACK_ENTRY_SIZE + stack
    case 'mpls-gre':
      return ip + GRE_HEADER_SIZE + stack
    case 'mpls':
      return stack
    case 'vxlan':
      return ip + UDP_HEADER_SIZE + VXLAN_HEADER_SIZE + ETHERNET_HEADER_SIZE
  }
}

/** The largest IP packet that fits the tunnel. */
export function tunnelMtu(underlayMtu: number, encapsulation: TunnelEncapsulation, family: IpFamily, labels: number): number {
  return underlayMtu - tunnelOverhead(encapsulation, family, labels)
}
