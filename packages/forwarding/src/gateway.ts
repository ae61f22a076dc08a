import { fold } from './checksum.js'
import { DELIVER, type PacketOut } from './packet-out.js'
import { writeTtl } from './parse.js'
import type { Packet } from './packet.js'
import type { Port } from './tables.js'

const ICMP = 1
const ICMPV6 = 58
const ECHO_REQUEST = 8
const ECHO_REQUEST_V6 = 128

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

function isEchoRequest({ bytes, view, offset, length, family, headerLength }: Packet): boolean {
  if (length < headerLength + 8) return false
  if (family === 6) return bytes[offset + 6] === ICMPV6 && bytes[offset + 40] === ECHO_REQUEST_V6
  const isFragment = (view.getUint16(offset + 6) & 0x3fff) !== 0
  return !isFragment && bytes[offset + 9] === ICMP && bytes[offset + headerLength] === ECHO_REQUEST
}

function turnEcho(packet: Packet): void {
  const { view, offset, family, headerLength, source, destination } = packet
  const words = family === 4 ? 1 : 4
  const at = offset + (family === 4 ? 12 : 8)
  for (let word = 0; word < words; word++) {
    view.setUint32(at + word * 4, destination[word])
    view.setUint32(at + (words + word) * 4, source[word])
  }
  writeTtl(packet, 64)
  const icmp = offset + headerLength
  const [request, reply] = family === 4 ? [ECHO_REQUEST, 0] : [ECHO_REQUEST_V6, 129]
  view.setUint8(icmp, reply)
  // Of what the checksum covers, only the type has changed (RFC 1624).
  view.setUint16(icmp + 2, ~fold((~view.getUint16(icmp + 2) & 0xffff) + (0xffff - (request << 8)) + (reply << 8)))
}
