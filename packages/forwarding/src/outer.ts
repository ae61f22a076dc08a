import type { Encapsulation } from '@heddle/core'
import {
  IP_PROTOCOL_GRE,
  IP_PROTOCOL_UDP,
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  UDP_HEADER_SIZE,
  ipv4HeaderLength,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4TotalLength,
  ipv4Verdict,
  ipv6NextHeader,
  ipv6PayloadLength,
  ipv6Verdict,
  pseudoHeaderSumAtIpv4,
  pseudoHeaderSumAtIpv6,
  udpChecksum,
  udpChecksumHolds,
  udpDestinationPort,
  udpLength,
} from '@heddle/wire'
import type { AddressWords } from './packet-out.js'
import type { Packet } from './packet.js'

/** UDP destination port of MPLS-in-UDP (RFC 7510 §7). */
export const MPLS_UDP_PORT = 6635
/** The port that MPLS-in-UDP used before it was assigned one; taken on receive only. */
export const MPLS_UDP_LEGACY_PORT = 51_234
/** UDP destination port of VXLAN (RFC 7348 §8). */
export const VXLAN_PORT = 4789

/** What the outer headers of a packet said; one object an engine, overwritten by each packet. */
export class OuterHeader implements AddressWords {
  encapsulation: Encapsulation = 'mpls-udp'
  family: 4 | 6 = 4
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0
}

/**
 * Reads and passes over the outer IP header and, if there is one, the UDP header of the packet in hand. Returns false for what is malformed, cut
 * into fragments, summed up wrongly, or no tunnel at all.
 */
export function parseOuter(packet: Packet, outer: OuterHeader): boolean {
  if (packet.length < 1) return false
  const start = packet.offset
  const version = packet.bytes[start] >>> 4
  const protocol = version === 4 ? parseV4(packet, outer) : version === 6 ? parseV6(packet, outer) : -1
  if (protocol === IP_PROTOCOL_GRE) {
    outer.encapsulation = 'mpls-gre'
    return true
  }
  return protocol === IP_PROTOCOL_UDP && parseUdp(packet, start, outer)
}

/** Returns the protocol behind the header, or -1. */
function parseV4(packet: Packet, outer: OuterHeader): number {
  const { view, offset, bytes } = packet
  if (ipv4Verdict(bytes, offset, offset + packet.length) !== 'ok' || ipv4IsFragment(bytes, offset)) return -1
  // Nothing that sends tunnel packets writes options; they would part the addresses from the UDP header.
  if (ipv4HeaderLength(bytes, offset) !== IPV4_HEADER_SIZE) return -1
  outer.family = 4
  outer.w0 = view.getUint32(offset + 12)
  outer.w1 = outer.w2 = outer.w3 = 0
  packet.cut(ipv4TotalLength(bytes, offset))
  packet.advance(IPV4_HEADER_SIZE)
  return ipv4Protocol(bytes, offset)
}

function parseV6(packet: Packet, outer: OuterHeader): number {
  const { view, offset, bytes } = packet
  if (ipv6Verdict(bytes, offset, offset + packet.length) !== 'ok') return -1
  outer.family = 6
  outer.w0 = view.getUint32(offset + 8)
  outer.w1 = view.getUint32(offset + 12)
  outer.w2 = view.getUint32(offset + 16)
  outer.w3 = view.getUint32(offset + 20)
  packet.cut(IPV6_HEADER_SIZE + ipv6PayloadLength(bytes, offset))
  packet.advance(IPV6_HEADER_SIZE)
  return ipv6NextHeader(bytes, offset)
}

/** @param start offset of the outer IP header */
function parseUdp(packet: Packet, start: number, outer: OuterHeader): boolean {
  const { bytes, offset } = packet
  if (packet.length < UDP_HEADER_SIZE) return false
  const length = udpLength(bytes, offset)
  if (length < UDP_HEADER_SIZE || length > packet.length) return false
  // No checksum is taken on IPv6 too: tunnels may do without (RFC 6935 §5).
  if (udpChecksum(bytes, offset) !== 0) {
    const sumAt = outer.family === 4 ? pseudoHeaderSumAtIpv4 : pseudoHeaderSumAtIpv6
    if (!udpChecksumHolds(bytes, offset, length, sumAt(bytes, start, IP_PROTOCOL_UDP, length))) return false
  }
  const port = udpDestinationPort(bytes, offset)
  if (port === MPLS_UDP_PORT || port === MPLS_UDP_LEGACY_PORT) outer.encapsulation = 'mpls-udp'
  else if (port === VXLAN_PORT) outer.encapsulation = 'vxlan'
  else return false
  packet.cut(length)
  packet.advance(UDP_HEADER_SIZE)
  return true
}
