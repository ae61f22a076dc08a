import { REASON, type Context } from '../context.js'
import { NO_FLOW } from '../flow/flow-table.js'
import { FRAGMENTS } from '../flow/lifetime.js'
import { TupleKind, isSame } from '../flow/tuple.js'
import { endText, enterInside, isPools, keepEnds, takeAddresses, target, TRANSLATED } from './ends.js'
import { openFlow } from './open-flow.js'
import { rewriteEnds } from './rewrite.js'
import { translateError } from './translate-error.js'

/**
 * Step 4 for the packet in hand: sends a new flow to a virtual address on to a backend, and translates what belongs to a flow that was. The context's
 * tuple then tells the flow as its client and its backend see it, which is what policies judge.
 *
 * @param vrf whose addresses the packet has
 * @param repliesOnly the way of the packet has been found: only what leaves its destination as it is may be done
 * @returns `TRANSLATED` or the slot of a drop reason
 */
export function translate(context: Context, vrf: number, repliesOnly = false): number {
  const { tuple, packet, tables, clock, trace } = context
  const { nat, services } = tables
  if (nat === undefined) return TRANSLATED
  const now = clock?.now() ?? 0
  tuple.read(packet.bytes, packet.view, packet.offset, packet.offset + packet.length)
  context.hasTuple = true

  // What an error quotes is what the packet says now, as the flow was seen here.
  if (repliesOnly) context.hasQuoted = false
  if (repliesOnly && tuple.kind !== TupleKind.flow) return TRANSLATED
  if (tuple.kind === TupleKind.laterFragment) return translatePart(context, vrf, now)
  if (tuple.kind === TupleKind.error) return translateError(context, vrf, now)
  if (tuple.kind !== TupleKind.flow) return services.isVirtual(vrf, tuple) && tuple.kind === TupleKind.broken ? REASON.fragment : TRANSLATED
  nat.flows.keyDirected(vrf, tuple)
  let slot = nat.flows.find(now)
  if (repliesOnly) {
    if (slot === NO_FLOW || nat.isOpening(slot)) return TRANSLATED
    nat.readTarget(nat.flows, slot, target)
    if (!isSame(target.destination, tuple.destination) || target.destinationPort !== tuple.destinationPort) return TRANSLATED
  }
  if (slot === NO_FLOW) {
    const service = services.find(vrf, tuple)
    if (service === undefined) return TRANSLATED
    const reason = nat.choosing(() => {
      nat.flows.keyDirected(vrf, tuple)
      slot = nat.flows.find(now)
      if (slot !== NO_FLOW) return nat.readTarget(nat.flows, slot, target) ? TRANSLATED : REASON['nat-exhausted']
      const chosen = openFlow(context, service, vrf, now)
      if (chosen !== TRANSLATED || !context.learns) return chosen
      slot = nat.insert(vrf, tuple, target, service.id, now)
      return slot === NO_FLOW ? REASON['nat-exhausted'] : TRANSLATED
    })
    if (reason !== TRANSLATED) return reason
  } else if (!nat.readTarget(nat.flows, slot, target)) return REASON['nat-exhausted']

  const isOpening = slot === NO_FLOW || nat.isOpening(slot)
  const ofService = slot === NO_FLOW ? 0 : nat.serviceOf(slot)
  const entered = enterInside(context, ofService, isOpening)
  if (entered !== TRANSLATED) return entered
  keepEnds(context, tuple)
  rewriteEnds(packet.view, packet.offset, packet.offset + packet.length, tuple, target, true)
  takeAddresses(context)
  trace?.step(
    'service',
    `${endText(tuple, tuple.source, tuple.sourcePort)} → ${endText(tuple, tuple.destination, tuple.destinationPort)} becomes ${endText(tuple, target.source, target.sourcePort)} → ${endText(tuple, target.destination, target.destinationPort)}`,
  )
  if (slot !== NO_FLOW && context.learns) {
    if (tuple.isFragment) nat.rememberDatagram(vrf, tuple, slot, now, FRAGMENTS)
    nat.touch(slot, tuple, now)
  }
  // What policies judge is the flow between the client, whatever source NAT made of it, and the backend.
  if (isOpening) {
    tuple.destination.set(target.destination)
    tuple.destinationPort = target.destinationPort
  } else if (!isPools(ofService)) tuple.destinationPort = nat.readClient(nat.flows, slot, tuple.destination)
  return TRANSLATED
}

/** A part of a datagram other than the first: it has addresses alone, and follows the part that had the ports. */
function translatePart(context: Context, vrf: number, now: number): number {
  const {
    tuple,
    packet,
    tables: { nat, services },
  } = context
  const { fragments } = nat!
  fragments.keyDatagram(vrf, tuple)
  const slot = fragments.find(now)
  if (slot === NO_FLOW) return services.isVirtual(vrf, tuple) ? REASON.fragment : TRANSLATED
  const service = nat!.serviceOf(slot, fragments)
  const isOpening = nat!.isOpening(slot, fragments)
  const entered = enterInside(context, service, isOpening)
  if (entered !== TRANSLATED) return entered
  nat!.readTarget(fragments, slot, target)
  rewriteEnds(packet.view, packet.offset, packet.offset + packet.length, tuple, target, false)
  takeAddresses(context)
  if (isOpening) tuple.destination.set(target.destination)
  else if (!isPools(service)) nat!.readClient(fragments, slot, tuple.destination)
  return TRANSLATED
}
