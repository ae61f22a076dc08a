import { encodeEthernetHeader, ETHER_TYPE_MPLS, ETHERNET_HEADER_SIZE, type MacAddress } from '@heddle/wire'
import { LABEL_STACK_ENTRY_SIZE } from '../label-stack.js'
import { writeLabels, type TunnelTemplate } from './tunnel-template.js'

/*
 * MPLS over MPLS: a transport label above the VPN label. Inside UDP or GRE it is a second entry of `labels` there; here it is an LSP that starts on a
 * wire (RFC 3032 §5).
 *
 *     +----------------------------------+-----------------+-----------+--------+
 *     | Ethernet: to, from, 0x8847       | transport label | VPN label | packet |
 *     +----------------------------------+-----------------+-----------+--------+
 */

/** A path of MPLS straight on Ethernet. */
export interface MplsOverEthernetOptions {
  /** The next router's address on the wire. */
  readonly destination: MacAddress
  readonly source: MacAddress
  /** Top first, each 0–1,048,575; at least one. */
  readonly labels: readonly number[]
}

/** Lays out the headers of MPLS on Ethernet. @throws ValueError `mpls.tunnel.labels` */
export function mplsOverEthernet({ destination, source, labels }: MplsOverEthernetOptions): TunnelTemplate {
  const octets = new Uint8Array(ETHERNET_HEADER_SIZE + labels.length * LABEL_STACK_ENTRY_SIZE)
  const stack = encodeEthernetHeader({ destination, source, tags: [], etherType: ETHER_TYPE_MPLS }, new DataView(octets.buffer), 0)
  writeLabels(octets, stack, labels)
  return { octets, family: 0, ipv4Sum: 0, udp: -1, udpChecksum: false, joint: -1, stack, labels: labels.length, innerEtherType: -1 }
}
