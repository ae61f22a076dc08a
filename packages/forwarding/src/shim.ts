import type { Encapsulation } from '@heddle/core'
import { ETHER_TYPE_MPLS, greHeaderLength, greProtocol, greVerdict } from '@heddle/wire'
import type { Packet } from './packet.js'

/** Passes over what stands between the outer IP or UDP header and the label stack. Returns false when that is malformed. */
export function parseShim(packet: Packet, encapsulation: Encapsulation): boolean {
  if (encapsulation !== 'mpls-gre') return true
  const { bytes, offset, length } = packet
  if (greVerdict(bytes, offset, offset + length) !== 'ok' || greProtocol(bytes, offset) !== ETHER_TYPE_MPLS) return false
  packet.advance(greHeaderLength(bytes, offset))
  return true
}
