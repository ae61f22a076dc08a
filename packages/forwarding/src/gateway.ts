import {
  ICMPV4_ECHO_REPLY,
  ICMPV4_ECHO_REQUEST,
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  ICMP_HEADER_SIZE,
  IP_PROTOCOL_ICMP,
  IP_PROTOCOL_ICMPV6,
  ipv4IsFragment,
  ipv4Protocol,
  ipv6NextHeader,
  updateChecksum16,
} from '@heddle/wire'
import { DELIVER, type PacketOut } from './packet-out.js'
import type { Packet } from './packet.js'
import { writeTtl } from './parse.js'
import type { Port } from './tables.js'

/** TTL of packets that the router itself makes (RFC 1700, IP time to live parameter). */
export const OWN_TTL = 64

/**
 * Answers an ICMP echo request to a gateway address of the port, in place: addresses change sides and the type becomes a reply.
 *
 * @returns whether the packet was such a request, and `out` says to deliver the answer
 */
export function answerGateway(packet: Packet, from: Port, out: PacketOut): boolean {
  const { gateways } = from.object
  if (gateways.length === 0 || !isEchoRequest(packet)) return false
  const { family, destination } = packet
  for (const gateway of gateways) {
    if (gateway.family !== family || gateway.w0 !== destination[0]) continue
    if (family === 6 && (gateway.w1 !== destination[1] || gateway.w2 !== destination[2] || gateway.w3 !== destination[3])) continue
    turnEcho(packet)
    out.verdict = DELIVER
    out.offset = packet.offset
    out.length = packet.length
    out.segment = packet.segment
    out.port = from.object.id
    out.reason = -1
    return true
  }
  return false
}

function isEchoRequest({ bytes, offset, length, family, headerLength }: Packet): boolean {
  if (length < headerLength + ICMP_HEADER_SIZE) return false
  const type = bytes[offset + headerLength]
  if (family === 6) return ipv6NextHeader(bytes, offset) === IP_PROTOCOL_ICMPV6 && type === ICMPV6_ECHO_REQUEST
  return ipv4Protocol(bytes, offset) === IP_PROTOCOL_ICMP && type === ICMPV4_ECHO_REQUEST && !ipv4IsFragment(bytes, offset)
}

function turnEcho(packet: Packet): void {
  const { view, offset, family, headerLength, source, destination } = packet
  const words = family === 4 ? 1 : 4
  const at = offset + (family === 4 ? 12 : 8)
  for (let word = 0; word < words; word++) {
    view.setUint32(at + word * 4, destination[word])
    view.setUint32(at + (words + word) * 4, source[word])
  }
  writeTtl(packet, OWN_TTL)
  const icmp = offset + headerLength
  const [request, reply] = family === 4 ? [ICMPV4_ECHO_REQUEST, ICMPV4_ECHO_REPLY] : [ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY]
  view.setUint8(icmp, reply)
  view.setUint16(icmp + 2, updateChecksum16(view.getUint16(icmp + 2), request << 8, reply << 8))
}
