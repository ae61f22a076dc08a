import type { NatPoolObject } from '@heddle/core'
import { REASON, type Context } from '../context.js'
import { NO_FLOW } from '../flow/flow-table.js'
import { FRAGMENTS } from '../flow/lifetime.js'
import { IP_PROTOCOL_SCTP, TupleKind, type Tuple } from '../flow/tuple.js'
import { endText, keepEnds, takeAddresses, target, TRANSLATED, TRIES } from './ends.js'
import type { NatTable } from './nat-table.js'
import { POOL_ZONE } from './pool-table.js'
import { rewriteEnds } from './rewrite.js'
import { translateError } from './translate-error.js'

/**
 * For the packet in hand, which a lookup takes from `pool.vrf` into `pool.outside`: gives its flow the pool's address, and a port.
 *
 * @returns `TRANSLATED` or the slot of a drop reason
 */
export function hide(context: Context, pool: NatPoolObject): number {
  const { packet, tables, clock, trace, learns } = context
  const nat = tables.nat!
  const now = clock?.now() ?? 0
  const zone = POOL_ZONE + pool.id
  const end = packet.offset + packet.length
  const { hidden } = context
  hidden.read(packet.bytes, packet.view, packet.offset, end)
  if (hidden.kind === TupleKind.error) return hideError(context, zone, now)
  if (hidden.kind === TupleKind.laterFragment) return hidePart(context, zone, now)
  if (hidden.kind !== TupleKind.flow) return REASON['nat-exhausted']
  nat.flows.keyDirected(zone, hidden)
  let slot = nat.flows.find(now)
  if (slot === NO_FLOW) {
    const isChosen = nat.choosing(() => {
      nat.flows.keyDirected(zone, hidden)
      slot = nat.flows.find(now)
      if (slot !== NO_FLOW) return nat.readTarget(nat.flows, slot, target)
      if (!choosePort(nat, pool, hidden, now)) {
        trace?.step('nexthop', `pool ${pool.id} has no port left for the flow`)
        return false
      }
      if (learns) slot = nat.insert(zone, hidden, target, zone, now, pool.outside)
      return !learns || slot !== NO_FLOW
    })
    if (!isChosen) return REASON['nat-exhausted']
  } else if (!nat.readTarget(nat.flows, slot, target)) return REASON['nat-exhausted']
  keepEnds(context, hidden)
  rewriteEnds(packet.view, packet.offset, end, hidden, target, true)
  takeAddresses(context)
  trace?.step('nexthop', `pool ${pool.id} makes the source ${endText(hidden, target.source, target.sourcePort)}`)
  if (slot === NO_FLOW || !learns) return TRANSLATED
  if (hidden.isFragment) nat.rememberDatagram(zone, hidden, slot, now, FRAGMENTS)
  nat.touch(slot, hidden, now)
  return TRANSLATED
}

/** Finds a port of the pool that no other flow to the same end has; `target` are the ends that the flow's packets get. */
function choosePort(nat: NatTable, { outside, address, ports }: NatPoolObject, tuple: Tuple, now: number): boolean {
  target.family = tuple.family
  target.protocol = tuple.protocol
  target.source[0] = address.w0
  target.source[1] = address.w1
  target.source[2] = address.w2
  target.source[3] = address.w3
  target.destination.set(tuple.destination)
  target.destinationPort = tuple.destinationPort
  const isEcho = tuple.icmpType >= 0
  const size = ports.last - ports.first + 1
  const tries = tuple.protocol === IP_PROTOCOL_SCTP ? 1 : Math.min(TRIES, size + 1)
  const start = (Math.imul(tuple.sourcePort, 0x9e3779b1) ^ tuple.source[0] ^ tuple.source[3]) >>> 0
  for (let attempt = 0; attempt < tries; attempt++) {
    const candidate = attempt === 0 ? tuple.sourcePort : ports.first + ((start + attempt) % size)
    if (candidate < ports.first || candidate > ports.last) continue
    target.sourcePort = candidate
    // Both sides of an echo have its identifier.
    if (isEcho) target.destinationPort = candidate
    nat.flows.keyReversed(outside, target)
    if (nat.flows.find(now) === NO_FLOW) return true
  }
  return false
}

function hidePart(context: Context, zone: number, now: number): number {
  const { packet, hidden, tables } = context
  const nat = tables.nat!
  nat.fragments.keyDatagram(zone, hidden)
  const slot = nat.fragments.find(now)
  if (slot === NO_FLOW) return REASON.fragment
  nat.readTarget(nat.fragments, slot, target)
  rewriteEnds(packet.view, packet.offset, packet.offset + packet.length, hidden, target, false)
  takeAddresses(context)
  return TRANSLATED
}

/** An error about a packet that came through the pool, from whoever inside. What is about nothing known would show an address that is hidden. */
function hideError(context: Context, zone: number, now: number): number {
  const { tuple, packet } = context
  tuple.read(packet.bytes, packet.view, packet.offset, packet.offset + packet.length)
  context.hasQuoted = false
  const translated = translateError(context, zone, now)
  return translated !== TRANSLATED || context.hasQuoted ? translated : REASON['nat-exhausted']
}
