import { IP_PROTOCOL_ICMP, IP_PROTOCOL_ICMPV6, IP_PROTOCOL_TCP, IP_PROTOCOL_UDP, updateChecksum16, updateChecksum32 } from '@heddle/wire'
import type { Tuple } from '../flow/tuple.js'

/* Writes new ends into a packet, its checksums kept right without reading the rest (RFC 1624). What was wrong with them stays wrong. */

/**
 * @param found what the packet says now: family, protocol, ends, and where its transport header is
 * @param to what it shall say
 * @param end of the packet: a quoted one may be cut off before its checksum
 * @param hasTransport false for a fragment other than the first
 */
export function rewriteEnds(view: DataView, at: number, end: number, found: Tuple, to: Tuple, hasTransport: boolean): void {
  const { family, protocol, transport } = found
  const place = hasTransport ? checksumPlace(protocol, transport, end) : -1
  // A UDP checksum of zero says that there is none (RFC 768).
  const checksum = place >= 0 && protocol === IP_PROTOCOL_UDP && view.getUint16(place) === 0 ? -1 : place
  const hasPseudoHeader = protocol !== IP_PROTOCOL_ICMP
  const words = family === 4 ? 1 : 4
  const addresses = at + (family === 4 ? 12 : 8)
  for (let word = 0; word < words; word++) {
    const source = addresses + word * 4
    writeAddress(view, at, source, found.source[word], to.source[word], family, hasPseudoHeader ? checksum : -1)
    writeAddress(view, at, source + words * 4, found.destination[word], to.destination[word], family, hasPseudoHeader ? checksum : -1)
  }
  if (!hasTransport) return
  if (protocol === IP_PROTOCOL_ICMP || protocol === IP_PROTOCOL_ICMPV6) writePort(view, transport + 4, to.sourcePort, checksum)
  else {
    writePort(view, transport, to.sourcePort, checksum)
    writePort(view, transport + 2, to.destinationPort, checksum)
  }
  if (checksum >= 0 && protocol === IP_PROTOCOL_UDP && view.getUint16(checksum) === 0) view.setUint16(checksum, 0xffff)
}

/** Where the checksum stands that covers the ports; −1 when there is none to keep. */
function checksumPlace(protocol: number, transport: number, end: number): number {
  const place = protocol === IP_PROTOCOL_TCP ? transport + 16 : protocol === IP_PROTOCOL_UDP ? transport + 6 : transport + 2
  const isKnown =
    protocol === IP_PROTOCOL_TCP || protocol === IP_PROTOCOL_UDP || protocol === IP_PROTOCOL_ICMP || protocol === IP_PROTOCOL_ICMPV6
  return isKnown && place + 2 <= end ? place : -1
}

function writeAddress(view: DataView, header: number, place: number, before: number, after: number, family: 4 | 6, checksum: number): void {
  if (before === after) return
  view.setUint32(place, after)
  if (family === 4) view.setUint16(header + 10, updateChecksum32(view.getUint16(header + 10), before, after))
  if (checksum >= 0) view.setUint16(checksum, updateChecksum32(view.getUint16(checksum), before, after))
}

function writePort(view: DataView, place: number, after: number, checksum: number): void {
  const before = view.getUint16(place)
  if (before === after) return
  view.setUint16(place, after)
  if (checksum >= 0) view.setUint16(checksum, updateChecksum16(view.getUint16(checksum), before, after))
}
