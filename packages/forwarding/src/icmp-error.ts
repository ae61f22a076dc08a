import {
  ICMPV4_DESTINATION_UNREACHABLE,
  ICMPV4_FRAGMENTATION_NEEDED,
  ICMPV4_TIME_EXCEEDED,
  ICMPV6_PACKET_TOO_BIG,
  ICMPV6_TIME_EXCEEDED,
  ICMP_HEADER_SIZE,
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  IP_PROTOCOL_ICMP,
  IP_PROTOCOL_ICMPV6,
  Ipv6Chain,
  icmpv4IsError,
  icmpv6IsError,
  internetChecksum,
  ipv4FragmentOffset,
  ipv4Protocol,
  pseudoHeaderSumAtIpv6,
  walkIpv6Extensions,
} from '@heddle/wire'
import { LEAST_MTU_V6, REASON } from './context.js'
import { OWN_TTL } from './gateway.js'
import type { PacketOut } from './packet-out.js'
import type { Packet } from './packet.js'
import { isForwardable } from './parse.js'
import type { Port } from './tables.js'

/** Longest error, its own header included (RFC 1812 §4.3.2.3). */
const MAX_ERROR_V4 = 576
/** Longest error, so that it passes every IPv6 link (RFC 4443 §2.4 c). */
const MAX_ERROR_V6 = 1280

/** Whether the sender of a packet dropped for `out.reason` is told. */
export function isToldToSender({ reason }: PacketOut): boolean {
  return reason === REASON['ttl-expired'] || reason === REASON['mtu-exceeded']
}

/**
 * Writes an ICMP error about a packet that `isToldToSender` in the headroom before it, where one may be sent: the TTL ran out (RFC 1812 §5.3.1), or
 * the packet is too large for its way and the sender must learn the MTU (RFC 1191 §4, RFC 8201 §3). The packet in hand is then the error, which
 * quotes the one before. Of an MTU that is too small for IPv6 nobody is told: no sender may believe it.
 *
 * @param speaker port whose gateway addresses the router speaks from
 * @param reason slot of the drop reason
 * @param mtu largest packet that would have passed
 * @returns whether there is an error
 */
export function becomeError(packet: Packet, speaker: Port | undefined, reason: number, mtu: number): boolean {
  const isTooBig = reason === REASON['mtu-exceeded']
  if (!mayBeAnswered(packet) || (isTooBig && packet.family === 6 && mtu < LEAST_MTU_V6)) return false
  const headers = ICMP_HEADER_SIZE + (packet.family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE)
  const most = packet.family === 4 ? MAX_ERROR_V4 : MAX_ERROR_V6
  const longest = Math.min(most, speaker?.object.mtu ?? most)
  const length = Math.min(packet.length + headers, longest)
  const offset = packet.offset - headers
  if (packet.family === 4) writeV4(packet, speaker, offset, length, isTooBig, mtu)
  else writeV6(packet, speaker, offset, length, isTooBig, mtu)
  packet.at(packet.bytes, offset, length, length)
  return true
}

const chain = new Ipv6Chain()

/** No error answers an error, a fragment other than the first, or a source that is no host (RFC 1122 §3.2.2, RFC 4443 §2.4 e). */
function mayBeAnswered({ bytes, offset, length, family, headerLength, source }: Packet): boolean {
  if (!isForwardable(family, source)) return false
  if (family === 6) {
    if (walkIpv6Extensions(bytes, offset, offset + length, chain) !== 'ok') return true
    if (chain.fragmentOffset > 0) return false
    return chain.protocol !== IP_PROTOCOL_ICMPV6 || chain.offset >= offset + length || !icmpv6IsError(bytes[chain.offset])
  }
  const type = length > headerLength ? bytes[offset + headerLength] : 0
  return ipv4FragmentOffset(bytes, offset) === 0 && (ipv4Protocol(bytes, offset) !== IP_PROTOCOL_ICMP || !icmpv4IsError(type))
}

function writeV4(packet: Packet, from: Port | undefined, offset: number, length: number, isTooBig: boolean, mtu: number): void {
  const { view, bytes, source } = packet
  view.setUint32(offset, 0x4500_0000 | length)
  view.setUint32(offset + 4, 0)
  view.setUint32(offset + 8, (OWN_TTL << 24) | (IP_PROTOCOL_ICMP << 16))
  writeOwnAddress(packet, from, offset + 12)
  view.setUint32(offset + 16, source[0])
  view.setUint16(offset + 10, internetChecksum(bytes, offset, IPV4_HEADER_SIZE))

  const icmp = offset + IPV4_HEADER_SIZE
  const typeAndCode = isTooBig ? (ICMPV4_DESTINATION_UNREACHABLE << 8) | ICMPV4_FRAGMENTATION_NEEDED : ICMPV4_TIME_EXCEEDED << 8
  view.setUint32(icmp, typeAndCode << 16)
  view.setUint32(icmp + 4, isTooBig ? mtu : 0)
  view.setUint16(icmp + 2, internetChecksum(bytes, icmp, length - IPV4_HEADER_SIZE))
}

function writeV6(packet: Packet, from: Port | undefined, offset: number, length: number, isTooBig: boolean, mtu: number): void {
  const { view, bytes, source } = packet
  const payloadLength = length - IPV6_HEADER_SIZE
  view.setUint32(offset, 0x6000_0000)
  view.setUint32(offset + 4, (payloadLength << 16) | (IP_PROTOCOL_ICMPV6 << 8) | OWN_TTL)
  writeOwnAddress(packet, from, offset + 8)
  for (let word = 0; word < 4; word++) view.setUint32(offset + 24 + word * 4, source[word])

  const icmp = offset + IPV6_HEADER_SIZE
  view.setUint32(icmp, (isTooBig ? ICMPV6_PACKET_TOO_BIG : ICMPV6_TIME_EXCEEDED) << 24)
  view.setUint32(icmp + 4, isTooBig ? mtu : 0)
  const pseudoSum = pseudoHeaderSumAtIpv6(bytes, offset, IP_PROTOCOL_ICMPV6, payloadLength)
  view.setUint16(icmp + 2, internetChecksum(bytes, icmp, payloadLength, pseudoSum))
}

/** The router speaks from the port's gateway address; without one, from the address that the packet was for, which the sender has a route to. */
function writeOwnAddress({ view, family, destination }: Packet, from: Port | undefined, offset: number): void {
  for (const gateway of from?.object.gateways ?? []) {
    if (gateway.family !== family) continue
    gateway.writeTo(view, offset)
    return
  }
  for (let word = 0; word < (family === 4 ? 1 : 4); word++) view.setUint32(offset + word * 4, destination[word])
}
