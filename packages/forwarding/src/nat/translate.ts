import type { NatPoolObject, ServiceBackend, ServiceObject } from '@heddle/core'
import { IP_PROTOCOL_ICMPV6, foldSum, internetChecksum, pseudoHeaderSumAtIpv6, sumOctets } from '@heddle/wire'
import { REASON, type Context } from '../context.js'
import { NO_FLOW } from '../flow/flow-table.js'
import { FRAGMENTS } from '../flow/lifetime.js'
import { IP_PROTOCOL_SCTP, Tuple, TupleKind, readQuoted } from '../flow/tuple.js'
import { wordsText } from '../text.js'
import type { NatTable } from './nat-table.js'
import { POOL_ZONE } from './pool-table.js'
import { chooseBackend, NO_BACKEND } from './service-table.js'
import { rewriteEnds } from './rewrite.js'

/** What `translate` returns for a packet that may go on; everything else is a slot in `DROP_REASONS`. */
export const TRANSLATED = -1

/** Source ports that are tried for a flow before it is given up. */
const TRIES = 128
/** Source ports that are chosen from: those that no service has by registration (RFC 6335 §6). */
const FIRST_PORT = 1024
const PORTS = 65_536 - FIRST_PORT

const target = new Tuple()
const affinityKey = new Tuple()

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
    const reason = open(context, service, vrf, now)
    if (reason !== TRANSLATED) return reason
    if (context.learns) {
      slot = nat.insert(vrf, tuple, target, service.id, now)
      if (slot === NO_FLOW) return REASON['nat-exhausted']
    }
  } else nat.readTarget(nat.flows, slot, target)

  keepEnds(context)
  rewriteEnds(packet.view, packet.offset, packet.offset + packet.length, tuple, target, true)
  takeEnds(context)
  trace?.step(
    'service',
    `${text(tuple, tuple.source, tuple.sourcePort)} → ${text(tuple, tuple.destination, tuple.destinationPort)} becomes ${text(tuple, target.source, target.sourcePort)} → ${text(tuple, target.destination, target.destinationPort)}`,
  )
  if (slot !== NO_FLOW && context.learns) {
    if (tuple.isFragment) nat.rememberDatagram(vrf, tuple, slot, now, FRAGMENTS)
    nat.touch(slot, tuple, now)
  }
  // What policies judge is the flow between the client, whatever source NAT made of it, and the backend.
  if (slot === NO_FLOW || nat.isOpening(slot)) {
    tuple.destination.set(target.destination)
    tuple.destinationPort = target.destinationPort
  } else {
    tuple.destinationPort = nat.readClient(nat.flows, slot, tuple.destination)
    enterInside(context, nat.serviceOf(slot))
  }
  return TRANSLATED
}

/** What comes back to a pool goes on in the VRF that the pool hides. */
function enterInside(context: Context, service: number): void {
  if (service < POOL_ZONE) return
  const pool = context.tables.natPools.get(service - POOL_ZONE)
  if (pool !== undefined) context.insideVrf = pool.vrf
}

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
    if (!choosePort(nat, pool, hidden, now)) {
      trace?.step('nexthop', `pool ${pool.id} has no port left for the flow`)
      return REASON['nat-exhausted']
    }
    if (learns) {
      slot = nat.insert(zone, hidden, target, zone, now, pool.outside)
      if (slot === NO_FLOW) return REASON['nat-exhausted']
    }
  } else nat.readTarget(nat.flows, slot, target)
  if (!context.isTranslated) {
    context.isTranslated = true
    copyEnds(context.before, hidden)
  }
  rewriteEnds(packet.view, packet.offset, end, hidden, target, true)
  takeAddresses(packet.source, packet.destination)
  trace?.step('nexthop', `pool ${pool.id} makes the source ${text(hidden, target.source, target.sourcePort)}`)
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

function hidePart({ packet, hidden, tables }: Context, zone: number, now: number): number {
  const nat = tables.nat!
  nat.fragments.keyDatagram(zone, hidden)
  const slot = nat.fragments.find(now)
  if (slot === NO_FLOW) return REASON.fragment
  nat.readTarget(nat.fragments, slot, target)
  rewriteEnds(packet.view, packet.offset, packet.offset + packet.length, hidden, target, false)
  takeAddresses(packet.source, packet.destination)
  return TRANSLATED
}

/** An error about a reply that came through the pool. What is about nothing known would show an address that is hidden. */
function hideError(context: Context, zone: number, now: number): number {
  const { tuple, packet } = context
  tuple.read(packet.bytes, packet.view, packet.offset, packet.offset + packet.length)
  const source = packet.source[0] ^ packet.source[3]
  const translated = translateError(context, zone, now)
  if (translated !== TRANSLATED) return translated
  return (packet.source[0] ^ packet.source[3]) === source ? REASON['nat-exhausted'] : TRANSLATED
}

/** Chooses where a new flow goes; `target` are the ends that its packets get. */
function open(context: Context, service: ServiceObject, vrf: number, now: number): number {
  const { tuple, tables, trace } = context
  const nat = tables.nat!
  const index = backendOf(context, service, now)
  if (index === NO_BACKEND) {
    trace?.step('service', `service ${service.id} has no backend that takes new flows`)
    return REASON['no-backend']
  }
  const { address, port } = service.backends[index]
  trace?.step('service', `service ${service.id} sends the flow to backend ${index}, ${address} port ${port}`)
  target.family = tuple.family
  target.protocol = tuple.protocol
  target.source.set(tuple.source)
  target.sourcePort = tuple.sourcePort
  target.destination[0] = address.w0
  target.destination[1] = address.w1
  target.destination[2] = address.w2
  target.destination[3] = address.w3
  target.destinationPort = port
  if (service.natSide !== 'both' && !isSame(target.source, target.destination)) {
    nat.flows.keyReversed(vrf, target)
    if (nat.flows.find(now) === NO_FLOW) return TRANSLATED
  }
  // The virtual address becomes the source, so that the reply comes here; its port tells the flows of one backend apart.
  target.source.set(tuple.destination)
  const tries = tuple.protocol === IP_PROTOCOL_SCTP ? 1 : TRIES
  let candidate = tuple.sourcePort
  for (let attempt = 0; attempt < tries; attempt++) {
    target.sourcePort = candidate
    nat.flows.keyReversed(vrf, target)
    if (!isOwnReply(tuple) && nat.flows.find(now) === NO_FLOW) return TRANSLATED
    candidate = FIRST_PORT + (((Math.imul(tuple.sourcePort + attempt, 0x9e3779b1) ^ tuple.source[0] ^ tuple.source[3]) >>> 0) % PORTS)
  }
  trace?.step('service', 'no source port is left')
  return REASON['nat-exhausted']
}

/** Whether the reply to `target` would look as the packet itself does: a backend asks itself from the port that it serves. */
function isOwnReply({ source, sourcePort, destinationPort }: Tuple): boolean {
  return isSame(target.destination, source) && target.destinationPort === sourcePort && target.sourcePort === destinationPort
}

/** The backend of a new flow: the one that its client came to lately, where the service wants that, or the one that its hash draws. */
function backendOf({ tuple, tables, learns }: Context, service: ServiceObject, now: number): number {
  const { affinity } = service
  const { affinities } = tables.nat!
  if (affinity === undefined) return chooseBackend(service, flowKey(tuple, tuple.sourcePort))
  affinityKey.family = tuple.family
  affinityKey.source.set(tuple.source)
  affinities.keyDirected(service.id, affinityKey)
  let slot = affinities.find(now)
  let index = slot === NO_FLOW ? NO_BACKEND : indexOf(service.backends, affinities.data, slot * affinities.dataWords)
  if (index === NO_BACKEND) index = chooseBackend(service, flowKey(tuple, 0))
  if (index === NO_BACKEND || !learns) return index
  affinities.keyDirected(service.id, affinityKey)
  if (slot === NO_FLOW) slot = affinities.insert(now, affinity, service.id)
  const { address, port } = service.backends[index]
  affinities.data.set([address.w0, address.w1, address.w2, address.w3, port], slot * affinities.dataWords)
  affinities.touch(slot, now, affinity)
  return index
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
  nat!.readTarget(fragments, slot, target)
  rewriteEnds(packet.view, packet.offset, packet.offset + packet.length, tuple, target, false)
  takeAddresses(packet.source, packet.destination)
  if (nat!.isOpening(slot, fragments)) tuple.destination.set(target.destination)
  else {
    nat!.readClient(fragments, slot, tuple.destination)
    enterInside(context, nat!.serviceOf(slot, fragments))
  }
  return TRANSLATED
}

/**
 * An ICMP error about a translated flow: the packet that it quotes is the one that went the other way, with the ends that it had there. It is shown to
 * its receiver as it was sent (RFC 5508 §4).
 */
function translateError(context: Context, vrf: number, now: number): number {
  const { tuple, quoted, packet, tables, trace } = context
  const nat = tables.nat!
  const { bytes, view, offset, length } = packet
  const end = offset + length
  if (!readQuoted(tuple, quoted, bytes, view, end)) return TRANSLATED
  nat.flows.keyReversed(vrf, quoted)
  const slot = nat.flows.find(now)
  if (slot === NO_FLOW) return TRANSLATED
  if (!messageHolds(context, end)) return REASON['inner-malformed']
  nat.readTarget(nat.flows, slot, target)
  const isFromEnd = isSame(tuple.source, quoted.destination)
  // The quoted packet goes against the entry: what the entry calls its destination is where the quoted packet came from.
  turn(target)
  rewriteEnds(view, tuple.transport + 8, end, quoted, target, true)
  takeOuter(context, isFromEnd)
  const message = tuple.transport
  view.setUint16(message + 2, 0)
  view.setUint16(message + 2, internetChecksum(bytes, message, end - message, pseudoSum(context, end)))
  trace?.step('service', 'the ICMP error is about a translated flow, and so is what it quotes')
  context.hasQuoted = true
  if (nat.isOpening(slot)) {
    // Quoted is a reply as the client got it: policies know it as the backend's.
    quoted.source.set(target.source)
    quoted.sourcePort = target.sourcePort
  } else quoted.sourcePort = nat.readClient(nat.flows, slot, quoted.source) // the client's own packet, as it went to the backend
  if (!nat.isOpening(slot)) enterInside(context, nat.serviceOf(slot))
  tuple.source.set(packet.source)
  tuple.destination.set(packet.destination)
  return TRANSLATED
}

/** The error goes to who sent the quoted packet; its own source changes only when it comes from the end that the packet was for. */
function takeOuter({ packet, tuple }: Context, isFromEnd: boolean): void {
  const outer = outerTarget
  outer.family = tuple.family
  outer.source.set(isFromEnd ? target.destination : tuple.source)
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

/** Keeps the ends that the packet came with: an error about it shows them. */
function keepEnds(context: Context): void {
  if (context.isTranslated) return
  context.isTranslated = true
  copyEnds(context.before, context.tuple)
}

function copyEnds(to: Tuple, from: Tuple): void {
  to.source.set(from.source)
  to.destination.set(from.destination)
  to.sourcePort = from.sourcePort
  to.destinationPort = from.destinationPort
}

/** Gives the packet in hand the ends back that it came with. */
export function untranslate(context: Context): void {
  if (!context.isTranslated) return
  const { packet, tuple, before } = context
  const end = packet.offset + packet.length
  tuple.read(packet.bytes, packet.view, packet.offset, end)
  rewriteEnds(packet.view, packet.offset, end, tuple, before, true)
  packet.source.set(before.source)
  packet.destination.set(before.destination)
  context.isTranslated = context.hasTuple = false
}

/** The packet in hand has the ends of `target` now. */
function takeEnds({ packet }: Context): void {
  takeAddresses(packet.source, packet.destination)
}

function takeAddresses(source: Uint32Array, destination: Uint32Array): void {
  source.set(target.source)
  destination.set(target.destination)
}

function indexOf(backends: readonly ServiceBackend[], data: Uint32Array, at: number): number {
  for (let index = 0; index < backends.length; index++) {
    const { address, port, weight, state } = backends[index]
    const isSameEnd = address.w0 === data[at] && address.w1 === data[at + 1] && address.w2 === data[at + 2] && address.w3 === data[at + 3]
    if (isSameEnd && port === data[at + 4]) return weight > 0 && state !== 'draining' ? index : NO_BACKEND
  }
  return NO_BACKEND
}

function flowKey({ source, protocol }: Tuple, port: number): number {
  let h = Math.imul(port ^ (protocol << 16), 0x9e3779b1)
  for (let word = 0; word < 4; word++) h = Math.imul(h ^ source[word] ^ (h >>> 15), 0x85ebca6b)
  return (h ^ (h >>> 13)) >>> 0
}

function isSame(a: Uint32Array, b: Uint32Array): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3]
}

function turn(tuple: Tuple): void {
  const { source, destination } = tuple
  for (let word = 0; word < 4; word++) {
    const swap = source[word]
    source[word] = destination[word]
    destination[word] = swap
  }
  const port = tuple.sourcePort
  tuple.sourcePort = tuple.destinationPort
  tuple.destinationPort = port
}

function text({ family }: Tuple, address: Uint32Array, port: number): string {
  return `${wordsText(family, address)} port ${port}`
}
