import { REASON } from './context.js'
import type { Packet } from './packet.js'

/** What `parseInner` returns for a packet that may go on; everything else is a slot in `DROP_REASONS`. */
export const PARSED = -1

/**
 * Reads the header of the IP packet that `packet` points at, and checks what a router must check (RFC 1812 §5.2.2, RFC 8200 §3): lengths
 * against the octets that are there, and the IPv4 header checksum. Octets behind the packet's own length are cut off.
 *
 * @returns `PARSED` or the slot of a drop reason
 */
export function parseInner(packet: Packet): number {
  if (packet.length < 1) return REASON['inner-malformed']
  const version = packet.bytes[packet.offset] >>> 4
  if (version === 4) return parseV4(packet)
  return version === 6 ? parseV6(packet) : REASON['family-unsupported']
}

function parseV4(packet: Packet): number {
  const { view, offset, source, destination } = packet
  if (packet.length < 20) return REASON['inner-malformed']
  const headerLength = (view.getUint8(offset) & 0xf) * 4
  const total = view.getUint16(offset + 2)
  if (headerLength < 20 || total < headerLength || total > packet.length) return REASON['inner-malformed']
  let sum = 0
  for (let at = offset; at < offset + headerLength; at += 2) sum += view.getUint16(at)
  sum = (sum & 0xffff) + (sum >>> 16)
  if ((sum & 0xffff) + (sum >>> 16) !== 0xffff) return REASON['inner-malformed']
  packet.family = 4
  packet.headerLength = headerLength
  if (packet.segment > total || packet.segment === packet.length) packet.segment = total
  packet.length = total
  packet.trafficClass = view.getUint8(offset + 1)
  packet.dontFragment = (view.getUint8(offset + 6) & 0x40) !== 0
  packet.ttl = view.getUint8(offset + 8)
  source[0] = view.getUint32(offset + 12)
  source[1] = source[2] = source[3] = 0
  destination[0] = view.getUint32(offset + 16)
  destination[1] = destination[2] = destination[3] = 0
  return PARSED
}

function parseV6(packet: Packet): number {
  const { view, offset, source, destination } = packet
  if (packet.length < 40) return REASON['inner-malformed']
  const total = 40 + view.getUint16(offset + 4)
  if (total > packet.length) return REASON['inner-malformed']
  packet.family = 6
  packet.headerLength = 40
  if (packet.segment > total || packet.segment === packet.length) packet.segment = total
  packet.length = total
  packet.trafficClass = (view.getUint16(offset) >>> 4) & 0xff
  packet.dontFragment = true
  packet.ttl = view.getUint8(offset + 7)
  for (let word = 0; word < 4; word++) {
    source[word] = view.getUint32(offset + 8 + word * 4)
    destination[word] = view.getUint32(offset + 24 + word * 4)
  }
  return PARSED
}

/** Writes `ttl` into the header and, for IPv4, brings the checksum along (RFC 1624). */
export function writeTtl(packet: Packet, ttl: number): void {
  const { view, offset } = packet
  packet.ttl = ttl
  if (packet.family === 6) {
    view.setUint8(offset + 7, ttl)
    return
  }
  const before = view.getUint16(offset + 8)
  const after = (ttl << 8) | (before & 0xff)
  view.setUint8(offset + 8, ttl)
  const sum = (~view.getUint16(offset + 10) & 0xffff) + (~before & 0xffff) + after
  const folded = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(offset + 10, ~((folded & 0xffff) + (folded >>> 16)))
}

/**
 * Whether a router may forward to the address (RFC 1812 §5.3.7, RFC 4291 §2.5–2.7): not unspecified, loopback, link-local, multicast or
 * limited broadcast.
 */
export function isForwardable(family: 4 | 6, words: Uint32Array): boolean {
  const w0 = words[0]
  if (family === 4) {
    const first = w0 >>> 24
    return first !== 0 && first !== 127 && first < 224 && w0 >>> 16 !== 0xa9fe
  }
  if (w0 >>> 24 === 0xff || w0 >>> 22 === 0x3fa) return false
  return w0 !== 0 || words[1] !== 0 || words[2] !== 0 || words[3] > 1
}

/** Whether a packet may come from the address: a unicast address of a single interface (RFC 1812 §5.3.7, RFC 4291 §2.5.6). */
export const isSourceValid = isForwardable
