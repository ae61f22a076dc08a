import {
  CE,
  NOT_ECT,
  decrementTtl,
  flowHash,
  isBottom,
  labelOf,
  labelStackDepth,
  LABEL_STACK_ENTRY_SIZE,
  pushedEcn,
  pushedTtl,
  trafficClassOf,
} from '@heddle/mpls'
import { REASON, drop, roomOf, type Context } from './context.js'
import { encap, inheritLabel, MAX_LABEL_STACK_DEPTH } from './encapsulate.js'
import type { PacketOut, Verdict } from './packet-out.js'
import type { Packet } from './packet.js'
import { actionText } from './text.js'

/**
 * Sends on a labelled packet whose top label, `word`, was popped: the labels of the next hop take its place (swap when one, push when more, pop
 * when none and more labels follow).
 *
 * @param ttl the packet's, not yet counted down, at least 2
 */
export function transit(context: Context, nextHopId: number, word: number, ttl: number, out: PacketOut): Verdict {
  const { packet, tables, trace } = context
  const nextHop = tables.nextHops.get(nextHopId)
  const action = nextHop?.object.action
  if (action?.type === 'discard') {
    trace?.step('nexthop', `next hop ${nextHopId}: ${actionText(action)}`)
    return drop(out, REASON[action.reason ?? 'discard'])
  }
  const hop = nextHop?.tunnel
  if (hop === undefined) {
    trace?.step('nexthop', `next hop ${nextHopId} takes no labelled packet`)
    return drop(out, REASON['no-next-hop'])
  }
  const { tunnel } = hop
  if (context.learns) nextHop?.counters.add(packet.length)
  trace?.step('nexthop', `next hop ${nextHopId}: ${actionText(tunnel)}`)
  if (!context.encapsulations.has(tunnel.encapsulation) || tunnel.encapsulation === 'vxlan') {
    trace?.step('encap', `${tunnel.encapsulation} cannot carry a labelled packet here`)
    return drop(out, REASON['encapsulation-unsupported'])
  }
  if (isBottom(word) && tunnel.labels.length === 0) {
    trace?.step('encap', 'no label would be left')
    return drop(out, REASON['label-stack'])
  }
  const below = octetsOfLabels(packet, word)
  if (packet.segment + hop.overhead > roomOf(context, hop, versionAt(packet, below), below)) {
    trace?.step('encap', `${packet.segment} octets do not fit`)
    return drop(out, REASON['mtu-exceeded'])
  }
  const left = decrementTtl(ttl)
  const trafficClass = trafficClassOf(word)
  if (tunnel.labels.length === 0) propagateTtl(packet, left)
  // A label stack has no ECN of its own: what the outer header had either goes on in the next one, or is lost with the packet (RFC 6040 §4.2).
  const ecn = context.features.ecn && context.outerTrafficClass > 0 ? context.outerTrafficClass & 3 : NOT_ECT
  if (ecn === CE && tunnel.ecn !== 'normal') {
    trace?.step('encap', 'congestion was marked, and the next tunnel cannot carry the mark')
    return drop(out, REASON.congestion)
  }
  const outerTrafficClass = (tunnel.trafficClassModel === 'uniform' ? trafficClass << 5 : 0) | pushedEcn(tunnel.ecn ?? 'compatibility', ecn)
  encap(context, hop, pushedTtl(tunnel.ttlModel, left), trafficClass, outerTrafficClass, labelledHash(packet, word, below), out)
  if (tunnel.labels.length > 0) inheritLabel(context, hop, isBottom(word), left, out)
  trace?.step('encap', `${actionText(tunnel)}, label TTL ${left}`)
  trace?.step('send', `${out.length} octets to ${tunnel.remote}`)
  return out.verdict
}

/** A label that comes to the top never has a higher TTL than the one that hid it (RFC 3443 §3.1). There may be none: nobody has looked below. */
function propagateTtl({ bytes, offset, length }: Packet, ttl: number): void {
  if (length >= LABEL_STACK_ENTRY_SIZE && ttl < bytes[offset + 3]) bytes[offset + 3] = ttl
}

/** Octets of the labels below the one that was popped; 0 for a deeper stack than is made here. */
function octetsOfLabels({ bytes, offset, length }: Packet, word: number): number {
  const depth = isBottom(word) ? 0 : labelStackDepth(bytes, offset, offset + length)
  return depth > 0 && depth <= MAX_LABEL_STACK_DEPTH ? depth * LABEL_STACK_ENTRY_SIZE : 0
}

/** Version of the IP packet below labels; 0 where there is nothing. */
function versionAt({ bytes, offset, length }: Packet, below: number): number {
  return below < length ? bytes[offset + below] >>> 4 : 0
}

/** Entropy of a labelled packet: the flow of what its labels carry, so that it keeps one path; of a deeper stack than is made here, its top label. */
function labelledHash({ bytes, offset, length }: Packet, word: number, below: number): number {
  return flowHash(bytes, offset + below, offset + length, labelOf(word))
}
