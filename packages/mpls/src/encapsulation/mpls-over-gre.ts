import { encodeGreHeader, ETHER_TYPE_MPLS, GRE_HEADER_SIZE, IP_PROTOCOL_GRE } from '@heddle/wire'
import { LABEL_STACK_ENTRY_SIZE } from '../label-stack.js'
import { underlayHeaderSize, writeLabels, writeUnderlayHeader, type TunnelTemplate, type UnderlayOptions } from './tunnel-template.js'

/*
 * MPLS-in-GRE (RFC 4023 §4). Sent without checksum, key and sequence number, which are all taken on receive.
 *
 *     +-----------+---------------------+-------------+--------+
 *     | IPv4/IPv6 | GRE: 0x0000, 0x8847 | label stack | packet |
 *     +-----------+---------------------+-------------+--------+
 */

/** A tunnel of MPLS over GRE. */
export interface MplsOverGreOptions extends UnderlayOptions {
  /** Top first, each 0–1,048,575; at least one. Two or more: MPLS over MPLS inside the tunnel. */
  readonly labels: readonly number[]
}

/** Lays out the headers of an MPLS-over-GRE tunnel. @throws ValueError `mpls.tunnel.family`, `mpls.tunnel.labels` */
export function mplsOverGre(options: MplsOverGreOptions): TunnelTemplate {
  const { labels, local } = options
  const gre = underlayHeaderSize(options)
  const stack = gre + GRE_HEADER_SIZE
  const octets = new Uint8Array(stack + labels.length * LABEL_STACK_ENTRY_SIZE)
  const ipv4Sum = writeUnderlayHeader(octets, options, IP_PROTOCOL_GRE)
  encodeGreHeader({ protocol: ETHER_TYPE_MPLS, checksum: false }, new DataView(octets.buffer), gre)
  writeLabels(octets, stack, labels)
  return { octets, family: local.family, ipv4Sum, udp: -1, udpChecksum: false, joint: -1, stack, labels: labels.length, innerEtherType: -1 }
}
