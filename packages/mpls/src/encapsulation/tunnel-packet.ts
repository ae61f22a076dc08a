import {
  type ByteReader,
  decodeGreHeader,
  decodeIpv4Packet,
  decodeIpv6Extensions,
  decodeIpv6Packet,
  decodeUdpHeader,
  ETHER_TYPE_MPLS,
  IP_PROTOCOL_GRE,
  IP_PROTOCOL_UDP,
  pseudoHeaderSum,
  UDP_HEADER_SIZE,
  udpChecksumHolds,
  type GreHeader,
  type Ipv4Header,
  type Ipv6Header,
  type UdpHeader,
} from '@heddle/wire'
import { beginsWithJointLabel } from '../joint-label.js'
import { decodeLabelStack, type LabelStackEntry } from '../label-stack.js'
import { isMplsUdpPort } from './mpls-over-udp.js'
import { decodeVxlanHeader, VXLAN_PORT, type VxlanHeader } from './vxlan-header.js'

/** A tunnel packet as plain data, for tools; the hot path has `decapsulateIp`. */
export type TunnelPacket = { readonly outer: Ipv4Header | Ipv6Header; readonly payload: Uint8Array } & (
  | { readonly encapsulation: 'mpls-udp'; readonly udp: UdpHeader; readonly stack: readonly LabelStackEntry[] }
  | {
      readonly encapsulation: 'mpls-udp-joint'
      readonly udp: UdpHeader
      /** On top of `stack`; its TTL tells what is in there. */
      readonly joint: LabelStackEntry
      readonly stack: readonly LabelStackEntry[]
    }
  | { readonly encapsulation: 'mpls-gre'; readonly gre: GreHeader; readonly stack: readonly LabelStackEntry[] }
  | { readonly encapsulation: 'vxlan'; readonly udp: UdpHeader; readonly vxlan: VxlanHeader }
)

/**
 * Reads a packet of the underlay, from its IP header on.
 *
 * @throws WireError as the decoders of its headers; `mpls.tunnel.fragment`, `mpls.tunnel.protocol` for what is no tunnel packet, `mpls.tunnel.checksum`,
 * `mpls.tunnel.empty` when nothing is carried
 */
export function decodeTunnelPacket(input: ByteReader): TunnelPacket {
  const { outer, protocol, payload: transport } = decodeOuter(input)
  if (protocol === IP_PROTOCOL_GRE) {
    const gre = decodeGreHeader(transport)
    if (gre.protocol !== ETHER_TYPE_MPLS) transport.fail('mpls.tunnel.protocol', 'RFC 4023 §4')
    const stack = decodeLabelStack(transport)
    return { encapsulation: 'mpls-gre', outer, gre, stack, payload: carried(transport) }
  }
  if (protocol !== IP_PROTOCOL_UDP) return transport.fail('mpls.tunnel.protocol', 'RFC 7510 §3')

  const start = transport.position
  const udp = decodeUdpHeader(transport)
  const datagram = transport.sub(udp.length - UDP_HEADER_SIZE, 'udp')
  const pseudoSum = pseudoHeaderSum(outer.source, outer.destination, IP_PROTOCOL_UDP, udp.length)
  if (udp.checksum !== 0 && !udpChecksumHolds(transport.bytes, start, udp.length, pseudoSum))
    datagram.fail('mpls.tunnel.checksum', 'RFC 768')
  if (isMplsUdpPort(udp.destinationPort)) {
    const isJoint = beginsWithJointLabel(datagram.bytes, datagram.position, datagram.position + datagram.remaining)
    const [top, ...rest] = decodeLabelStack(datagram)
    const payload = carried(datagram)
    return isJoint
      ? { encapsulation: 'mpls-udp-joint', outer, udp, joint: top, stack: rest, payload }
      : { encapsulation: 'mpls-udp', outer, udp, stack: [top, ...rest], payload }
  }
  if (udp.destinationPort !== VXLAN_PORT) datagram.fail('mpls.tunnel.protocol', 'RFC 7510 §6')
  const vxlan = decodeVxlanHeader(datagram)
  return { encapsulation: 'vxlan', outer, udp, vxlan, payload: carried(datagram) }
}

function decodeOuter(input: ByteReader): { outer: Ipv4Header | Ipv6Header; protocol: number; payload: ByteReader } {
  if (input.peekU8() >>> 4 === 6) {
    const { header, payload } = decodeIpv6Packet(input)
    const { extensions, protocol } = decodeIpv6Extensions(payload, header.nextHeader)
    if (extensions.some((extension) => extension.type === 'fragment' && (extension.offset > 0 || extension.moreFragments))) {
      payload.fail('mpls.tunnel.fragment', 'RFC 7510 §3')
    }
    return { outer: header, protocol, payload }
  }
  const { header, payload } = decodeIpv4Packet(input)
  if (header.fragmentOffset > 0 || header.moreFragments) payload.fail('mpls.tunnel.fragment', 'RFC 7510 §3')
  return { outer: header, protocol: header.protocol, payload }
}

function carried(input: ByteReader): Uint8Array {
  if (input.remaining === 0) input.fail('mpls.tunnel.empty', 'RFC 3032 §2.1')
  return input.rest().slice()
}
