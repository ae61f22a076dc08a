import type { DataplaneEvent, MirrorObject, MirrorSink, TraceFilter, TraceObject, TracedPacket } from '@heddle/core'
import { address, list, number, prefix, record, text } from './json.js'
import { ProtocolError } from './protocol-error.js'

/* Mirrors, traces and what they tell, as they come out of JSON; the octets of a packet travel as a column. */

export function mirrorFrom(json: unknown): MirrorObject {
  const from = record(json, 'mirror')
  return {
    id: number(from['id'], 'mirror.id'),
    ports: list(from['ports'], 'mirror.ports', (item) => {
      const source = record(item, 'mirror.ports')
      return {
        port: number(source['port'], 'mirror.port'),
        direction: text(source['direction'], 'mirror.direction') as MirrorObject['ports'][number]['direction'],
      }
    }),
    ...(from['snapLength'] === undefined ? {} : { snapLength: number(from['snapLength'], 'mirror.snapLength') }),
    sink: sinkFrom(from['sink']),
  }
}

function sinkFrom(json: unknown): MirrorSink {
  const from = record(json, 'sink')
  const type = text(from['type'], 'sink.type') as MirrorSink['type']
  if (type === 'stream') return { type }
  return {
    type,
    local: address(from['local'], 'sink.local'),
    remote: address(from['remote'], 'sink.remote'),
    session: number(from['session'], 'sink.session'),
  }
}

export function traceFrom(json: unknown): TraceObject {
  const from = record(json, 'trace')
  const filter = record(from['filter'], 'filter')
  const read: TraceFilter = {
    ...(filter['vrf'] === undefined ? {} : { vrf: number(filter['vrf'], 'filter.vrf') }),
    ...(filter['ends'] === undefined ? {} : { ends: list(filter['ends'], 'filter.ends', prefix) }),
    ...(filter['protocol'] === undefined ? {} : { protocol: number(filter['protocol'], 'filter.protocol') }),
    ...(filter['port'] === undefined ? {} : { port: number(filter['port'], 'filter.port') }),
    ...(filter['dropped'] === undefined ? {} : { dropped: filter['dropped'] === true }),
  }
  return { id: number(from['id'], 'trace.id'), filter: read }
}

/** An event that carries a packet. */
export type PacketEvent = Extract<DataplaneEvent, { readonly type: 'mirrored' | 'traced' }>

export function isPacketEvent(event: DataplaneEvent): event is PacketEvent {
  return event.type === 'mirrored' || event.type === 'traced'
}

/** @throws ProtocolError for anything that does not have such an event's shape */
export function packetEventFrom(type: PacketEvent['type'], json: unknown, [packet]: readonly Uint8Array[]): PacketEvent {
  const from = record(json, 'event')
  if (packet === undefined) throw new ProtocolError('protocol.message-malformed', 'an event without its packet')
  const common = {
    sequence: number(from['sequence'], 'event.sequence'),
    time: number(from['time'], 'event.time'),
    length: number(from['length'], 'event.length'),
    packet: packet.slice(),
  }
  if (type === 'mirrored') {
    const direction = text(from['direction'], 'event.direction') as 'ingress' | 'egress'
    return { type, mirror: number(from['mirror'], 'event.mirror'), port: number(from['port'], 'event.port'), direction, ...common }
  }
  const reason = from['reason'] === undefined ? {} : { reason: text(from['reason'], 'event.reason') as NonNullable<TracedPacket['reason']> }
  return {
    type,
    trace: number(from['trace'], 'event.trace'),
    ...common,
    from: placeFrom(from['from']),
    steps: list(from['steps'], 'event.steps', (item) => {
      const step = record(item, 'step')
      return { step: text(step['step'], 'step.step'), text: text(step['text'], 'step.text') }
    }),
    outcome: text(from['outcome'], 'event.outcome') as TracedPacket['outcome'],
    ...reason,
  }
}

function placeFrom(json: unknown): TracedPacket['from'] {
  const from = record(json, 'from')
  if (from['type'] === 'port') return { type: 'port', port: number(from['port'], 'from.port') }
  const encapsulation = text(from['encapsulation'], 'from.encapsulation') as Extract<
    TracedPacket['from'],
    { type: 'underlay' }
  >['encapsulation']
  return { type: 'underlay', encapsulation, source: address(from['source'], 'from.source') }
}
