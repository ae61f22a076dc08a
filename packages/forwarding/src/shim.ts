import type { Encapsulation } from '@heddle/core'
import { fold, sumOf } from './checksum.js'
import type { Packet } from './packet.js'

const MPLS_UNICAST = 0x8847

/** Passes over what stands between the outer IP or UDP header and the label stack. Returns false when that is malformed. */
export function parseShim(packet: Packet, encapsulation: Encapsulation): boolean {
  return encapsulation === 'mpls-gre' ? parseGre(packet) : true
}

/** GRE (RFC 2784, RFC 2890): checksum, key and sequence number are taken on receive, any other flag is not. */
function parseGre(packet: Packet): boolean {
  const { bytes, view, offset, length } = packet
  if (length < 4) return false
  const flags = view.getUint16(offset)
  if ((flags & 0x4fff) !== 0 || view.getUint16(offset + 2) !== MPLS_UNICAST) return false
  const hasChecksum = (flags & 0x8000) !== 0
  const size = 4 + (hasChecksum ? 4 : 0) + (flags & 0x2000 ? 4 : 0) + (flags & 0x1000 ? 4 : 0)
  if (length < size) return false
  if (hasChecksum && fold(sumOf(bytes, offset, length)) !== 0xffff) return false
  packet.advance(size)
  return true
}
