import type { Encapsulation } from '@heddle/core'
import { fold, sumOf } from './checksum.js'
import type { AddressWords } from './packet-out.js'
import type { Packet } from './packet.js'

/** UDP destination port of MPLS-in-UDP (RFC 7510 §7). */
export const MPLS_UDP_PORT = 6635
/** The port that MPLS-in-UDP used before it was assigned one; taken on receive only. */
export const MPLS_UDP_LEGACY_PORT = 51_234
/** UDP destination port of VXLAN (RFC 7348 §8). */
export const VXLAN_PORT = 4789

const UDP = 17
const GRE = 47

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
  if (packet.length < 20) return false
  const version = packet.view.getUint8(packet.offset) >>> 4
  const protocol = version === 4 ? parseV4(packet, outer) : version === 6 ? parseV6(packet, outer) : -1
  if (protocol === GRE) {
    outer.encapsulation = 'mpls-gre'
    return true
  }
  return protocol === UDP && parseUdp(packet, outer)
}

/** Returns the protocol behind the header, or -1. */
function parseV4(packet: Packet, outer: OuterHeader): number {
  const { view, offset, bytes } = packet
  const headerLength = (view.getUint8(offset) & 0xf) * 4
  const total = view.getUint16(offset + 2)
  // With options, nothing that sends tunnel packets would write; they would also part the addresses from the UDP header.
  if (headerLength !== 20 || total < headerLength || total > packet.length) return -1
  if (fold(sumOf(bytes, offset, headerLength)) !== 0xffff) return -1
  if ((view.getUint16(offset + 6) & 0x3fff) !== 0) return -1
  outer.family = 4
  outer.w0 = view.getUint32(offset + 12)
  outer.w1 = outer.w2 = outer.w3 = 0
  packet.cut(total)
  packet.advance(headerLength)
  return view.getUint8(offset + 9)
}

function parseV6(packet: Packet, outer: OuterHeader): number {
  const { view, offset } = packet
  if (packet.length < 40) return -1
  const total = 40 + view.getUint16(offset + 4)
  if (total > packet.length) return -1
  outer.family = 6
  outer.w0 = view.getUint32(offset + 8)
  outer.w1 = view.getUint32(offset + 12)
  outer.w2 = view.getUint32(offset + 16)
  outer.w3 = view.getUint32(offset + 20)
  packet.cut(total)
  packet.advance(40)
  return view.getUint8(offset + 6)
}

function parseUdp(packet: Packet, outer: OuterHeader): boolean {
  const { view, bytes, offset } = packet
  if (packet.length < 8) return false
  const length = view.getUint16(offset + 4)
  if (length < 8 || length > packet.length) return false
  // A zero checksum is taken on IPv6 too: tunnels may do without (RFC 6935 §5).
  if (view.getUint16(offset + 6) !== 0 && !checksumHolds(bytes, offset, length, outer.family)) return false
  const port = view.getUint16(offset + 2)
  if (port === MPLS_UDP_PORT || port === MPLS_UDP_LEGACY_PORT) outer.encapsulation = 'mpls-udp'
  else if (port === VXLAN_PORT) outer.encapsulation = 'vxlan'
  else return false
  packet.cut(length)
  packet.advance(8)
  return true
}

function checksumHolds(bytes: Uint8Array, offset: number, length: number, family: 4 | 6): boolean {
  // Both addresses stand together right before the UDP header.
  const addresses = family === 4 ? 8 : 32
  return fold(sumOf(bytes, offset - addresses, addresses) + UDP + length + sumOf(bytes, offset, length)) === 0xffff
}
