import { IP_PROTOCOL_ICMPV6, foldSum, internetChecksum, pseudoHeaderSumAtIpv6, sumOctets } from '@heddle/wire'
import { REASON, type Context } from '../context.js'
import { NO_FLOW } from '../flow/flow-table.js'
import { Tuple, isSame, readQuoted, turn } from '../flow/tuple.js'
import { enterInside, isPools, target, TRANSLATED } from './ends.js'
import { rewriteEnds } from './rewrite.js'

/**
 * An ICMP error about a translated flow: the packet that it quotes is the one that went the other way, with the ends that it had there. It is shown to
 * its receiver as it was sent (RFC 5508 §4). Then `hasQuoted` is set.
 *
 * @param zone VRF whose addresses it has, or what the pool is known by that it leaves through
 */
export function translateError(context: Context, zone: number, now: number): number {
  const { tuple, quoted, packet, tables, trace } = context
  const nat = tables.nat!
  const { bytes, view, offset, length } = packet
  const end = offset + length
  if (!readQuoted(tuple, quoted, bytes, view, end)) return TRANSLATED
  nat.flows.keyReversed(zone, quoted)
  const slot = nat.flows.find(now)
  if (slot === NO_FLOW) return TRANSLATED
  if (!messageHolds(context, end)) return REASON['inner-malformed']
  const service = nat.serviceOf(slot)
  const isOpening = nat.isOpening(slot)
  const entered = enterInside(context, service, isOpening)
  if (entered !== TRANSLATED) return entered
  nat.readTarget(nat.flows, slot, target)
  // Whoever behind a pool sent it: outside, only the pool's own address may show (RFC 5508 REQ-5).
  const hasOtherSource = isPools(zone) || isSame(tuple.source, quoted.destination)
  // The quoted packet goes against the entry: what the entry calls its destination is where the quoted packet came from.
  turn(target)
  rewriteEnds(view, tuple.transport + 8, end, quoted, target, true)
  takeOuter(context, hasOtherSource)
  const message = tuple.transport
  view.setUint16(message + 2, 0)
  view.setUint16(message + 2, internetChecksum(bytes, message, end - message, pseudoSum(context, end)))
  trace?.step('service', 'the ICMP error is about a translated flow, and so is what it quotes')
  context.hasQuoted = true
  if (isOpening) {
    // Quoted is a reply as the client got it: policies know it as the backend's.
    quoted.source.set(target.source)
    quoted.sourcePort = target.sourcePort
  } else if (!isPools(service)) {
    // The client's own packet, as it went to the backend.
    quoted.sourcePort = nat.readClient(nat.flows, slot, quoted.source)
  }
  tuple.source.set(packet.source)
  tuple.destination.set(packet.destination)
  return TRANSLATED
}

/** The error goes to who sent the quoted packet; its own source changes only when it comes from the end that the packet was for, or has to be hidden. */
function takeOuter({ packet, tuple }: Context, hasOtherSource: boolean): void {
  const outer = outerTarget
  outer.family = tuple.family
  outer.source.set(hasOtherSource ? target.destination : tuple.source)
  outer.destination.set(target.source)
  rewriteEnds(packet.view, packet.offset, packet.offset + packet.length, tuple, outer, false)
  packet.source.set(outer.source)
  packet.destination.set(outer.destination)
}

const outerTarget = new Tuple()

function messageHolds(context: Context, end: number): boolean {
  const { packet, tuple } = context
  return foldSum(sumOctets(packet.bytes, tuple.transport, end - tuple.transport, pseudoSum(context, end))) === 0xffff
}

function pseudoSum({ packet, tuple }: Context, end: number): number {
  return tuple.family === 4 ? 0 : pseudoHeaderSumAtIpv6(packet.bytes, packet.offset, IP_PROTOCOL_ICMPV6, end - tuple.transport)
}
