import type { ServiceBackend, ServiceObject } from '@heddle/core'
import { REASON, type Context } from '../context.js'
import { NO_FLOW } from '../flow/flow-table.js'
import { IP_PROTOCOL_SCTP, Tuple, isSame } from '../flow/tuple.js'
import { target, TRANSLATED, TRIES } from './ends.js'
import { chooseBackend, NO_BACKEND } from './service-table.js'

/** Source ports that are chosen from: those that no service has by registration (RFC 6335 §6). */
const FIRST_PORT = 1024
const PORTS = 65_536 - FIRST_PORT

const affinityKey = new Tuple()

/** Chooses where a new flow to a virtual address goes; `target` are the ends that its packets get. Returns `TRANSLATED` or the slot of a drop reason. */
export function openFlow(context: Context, service: ServiceObject, vrf: number, now: number): number {
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
  if (slot === NO_FLOW) slot = affinities.insert(now, affinity, service.id)
  const { address, port } = service.backends[index]
  affinities.data.set([address.w0, address.w1, address.w2, address.w3, port], slot * affinities.dataWords)
  affinities.touch(slot, now, affinity)
  return index
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
