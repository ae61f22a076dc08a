import {
  IPV6_HEADER_SIZE,
  ipv4HeaderLength,
  ipv4TotalLength,
  ipv4TrafficClass,
  ipv4Ttl,
  ipv4Verdict,
  ipv6HopLimit,
  ipv6PayloadLength,
  ipv6TrafficClass,
  ipv6Verdict,
  setIpv4TrafficClass,
  setIpv4Ttl,
  setIpv6HopLimit,
  setIpv6TrafficClass,
} from '@heddle/wire'
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
  const { bytes, view, offset, source, destination } = packet
  if (ipv4Verdict(bytes, offset, offset + packet.length) !== 'ok') return REASON['inner-malformed']
  packet.cut(ipv4TotalLength(bytes, offset))
  packet.family = 4
  packet.headerLength = ipv4HeaderLength(bytes, offset)
  packet.trafficClass = ipv4TrafficClass(bytes, offset)
  packet.ttl = ipv4Ttl(bytes, offset)
  source[0] = view.getUint32(offset + 12)
  source[1] = source[2] = source[3] = 0
  destination[0] = view.getUint32(offset + 16)
  destination[1] = destination[2] = destination[3] = 0
  return PARSED
}

function parseV6(packet: Packet): number {
  const { bytes, view, offset, source, destination } = packet
  if (ipv6Verdict(bytes, offset, offset + packet.length) !== 'ok') return REASON['inner-malformed']
  packet.cut(IPV6_HEADER_SIZE + ipv6PayloadLength(bytes, offset))
  packet.family = 6
  packet.headerLength = IPV6_HEADER_SIZE
  packet.trafficClass = ipv6TrafficClass(bytes, offset)
  packet.ttl = ipv6HopLimit(bytes, offset)
  for (let word = 0; word < 4; word++) {
    source[word] = view.getUint32(offset + 8 + word * 4)
    destination[word] = view.getUint32(offset + 24 + word * 4)
  }
  return PARSED
}

/** Writes `ttl` into the header. */
export function writeTtl(packet: Packet, ttl: number): void {
  packet.ttl = ttl
  if (packet.family === 4) setIpv4Ttl(packet.bytes, packet.offset, ttl)
  else setIpv6HopLimit(packet.bytes, packet.offset, ttl)
}

/** Writes the TOS or traffic class octet into the header. */
export function writeTrafficClass(packet: Packet, trafficClass: number): void {
  if (packet.trafficClass === trafficClass) return
  packet.trafficClass = trafficClass
  if (packet.family === 4) setIpv4TrafficClass(packet.bytes, packet.offset, trafficClass)
  else setIpv6TrafficClass(packet.bytes, packet.offset, trafficClass)
}

/**
 * Whether a router may forward to the address, or take a packet from it (RFC 1812 §5.3.7, RFC 4291 §2.5–2.7): not unspecified, loopback,
 * link-local, multicast, reserved or limited broadcast.
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
