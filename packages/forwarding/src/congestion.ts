import { ECN_DROP, poppedEcn } from '@heddle/mpls'
import type { Context } from './context.js'
import { writeTrafficClass } from './parse.js'

/**
 * Passes the outer header's ECN on to the packet in hand, which came behind it (RFC 6040 §4.2).
 *
 * @returns false when the packet must be dropped: the mark is a loss to its sender
 */
export function passCongestion({ packet, features, outerTrafficClass, trace }: Context): boolean {
  if (!features.ecn || outerTrafficClass <= 0) return true
  const ecn = poppedEcn(packet.trafficClass & 3, outerTrafficClass & 3)
  if (ecn === ECN_DROP) {
    trace?.step('label', 'congestion was marked on a packet that is not ECN-capable')
    return false
  }
  writeTrafficClass(packet, (packet.trafficClass & 0xfc) | ecn)
  return true
}
