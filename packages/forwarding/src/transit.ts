import { REASON, drop, type Context } from './context.js'
import { encapsulate, tunnelOverhead } from './encapsulate.js'
import { sourcePortOf } from './flow.js'
import { PIPE_TTL } from './forward.js'
import type { PacketOut, Verdict } from './packet-out.js'
import { actionText } from './text.js'

/**
 * Sends on a labelled packet whose top label, `word`, was popped: the labels of the next hop take its place (swap when one, push when more, pop
 * when none and more labels follow).
 *
 * @param ttl the packet's, not yet counted down
 */
export function transit(context: Context, nextHopId: number, word: number, ttl: number, out: PacketOut): Verdict {
  const { packet, tables, trace, values } = context
  const action = tables.nextHops.get(nextHopId)?.action
  if (action === undefined || action.type === 'lookup' || action.type === 'port' || action.type === 'local') {
    trace?.step('nexthop', `next hop ${nextHopId} takes no labelled packet`)
    return drop(out, REASON['no-next-hop'])
  }
  trace?.step('nexthop', `next hop ${nextHopId}: ${actionText(action)}`)
  if (action.type === 'discard') return drop(out, REASON[action.reason ?? 'discard'])
  if (!context.encapsulations.has(action.encapsulation) || action.encapsulation === 'vxlan') {
    return drop(out, REASON['encapsulation-unsupported'])
  }
  const bottom = (word & 0x100) !== 0
  if (bottom && action.labels.length === 0) {
    trace?.step('encap', 'no label would be left')
    return drop(out, REASON['label-stack'])
  }
  if (packet.segment + tunnelOverhead(action) > Math.min(context.underlayMtu, tables.uplinkMtu)) {
    trace?.step('encap', `${packet.segment} octets do not fit`)
    return drop(out, REASON['mtu-exceeded'])
  }
  if (action.labels.length === 0) propagateTtl(packet.view, packet.offset, ttl - 1)
  values.bottomTtl = ttl - 1
  values.ttl = action.ttlModel === 'uniform' ? ttl - 1 : PIPE_TTL
  values.bottom = bottom
  values.trafficClass = (word >>> 9) & 7
  values.outerTrafficClass = action.trafficClassModel === 'uniform' ? values.trafficClass << 5 : 0
  values.sourcePort = sourcePortOf(labelHash(packet.view, packet.offset, packet.length, word))
  encapsulate(packet.bytes, packet.view, packet.offset, packet.length, packet.segment, 4, action, values, context.outer, out)
  out.nextHop = nextHopId
  trace?.step('encap', `${actionText(action)}, label TTL ${values.bottomTtl}`)
  trace?.step('send', `${out.length} octets to ${action.remote}`)
  return out.verdict
}

/** A label that comes to the top never has a higher TTL than the one that hid it (RFC 3443 §3.1). */
function propagateTtl(view: DataView, offset: number, ttl: number): void {
  if (ttl < view.getUint8(offset + 3)) view.setUint8(offset + 3, ttl)
}

/** Entropy of a labelled packet: its labels and the first words behind them, so that a flow keeps one path. */
function labelHash(view: DataView, offset: number, length: number, word: number): number {
  let hash = word >>> 12
  const end = offset + Math.min(length & ~3, 40)
  for (let at = offset; at < end; at += 4) {
    const next = view.getUint32(at)
    // The second and third words of an IPv4 header change with every packet: identification, TTL, checksum.
    hash = Math.imul(hash ^ (at > offset && at < offset + 12 ? 0 : next >>> 12), 0x9e3779b1)
  }
  return (hash ^ (hash >>> 15)) >>> 0
}
