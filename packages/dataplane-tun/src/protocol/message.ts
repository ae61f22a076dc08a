import {
  DataplaneError,
  type ApplyReport,
  type CounterSnapshot,
  type DataplaneCapabilities,
  type DataplaneErrorCode,
  type DataplaneEvent,
  type DataplaneState,
  type DeviceFacts,
  type DeviceRequest,
  type FibTransaction,
} from '@heddle/core'
import { counterColumns, countersFrom, routeColumns } from './columns.js'
import { encodeFrame, type Frame } from './frame.js'
import { address, list, mac, number, record, text, type Json } from './json.js'
import { isPacketEvent, packetEventFrom } from './observe.js'
import { ProtocolError } from './protocol-error.js'
import { deviceRequestFrom, stateFrom, stateHead, transactionFrom, transactionHead } from './tables.js'

/** Counts up with every change of a message; `hello` and `stop` stay readable for all versions, so that a new agent can end an old forwarder. */
export const PROTOCOL_VERSION = 5

/** What an agent asks of its forwarder. */
export type Request =
  | { readonly method: 'hello'; readonly protocol: number }
  /** Ends the forwarder; its devices are removed, or kept for the next one. */
  | { readonly method: 'stop'; readonly keepDevices: boolean }
  | { readonly method: 'apply'; readonly transaction: FibTransaction }
  | { readonly method: 'dump' }
  | { readonly method: 'counters' }
  | { readonly method: 'attach-port'; readonly port: number; readonly device: DeviceRequest }
  | { readonly method: 'detach-port'; readonly port: number }
  /** Offers devices and sockets at a path, see `TunForwarder.offer`. */
  | { readonly method: 'offer'; readonly path: string }
  /** Asks a successor to take what is offered. Its first message. */
  | { readonly method: 'adopt'; readonly path: string; readonly offers: number; readonly state: DataplaneState }
  /** Reads nothing until `resume`, or until the agent is gone. */
  | { readonly method: 'pause' }
  /** Reads on, with the flows that another forwarder remembered. */
  | { readonly method: 'resume'; readonly flows: readonly Uint8Array[] }
  /** Makes a successor the forwarder of its directory; the one before has ended. */
  | { readonly method: 'settle' }

export type Method = Request['method']

/** What a forwarder says of itself. */
export interface Greeting {
  readonly protocol: number
  /** Of the forwarder. */
  readonly pid: number
  /** Of its software; a forwarder of another one is succeeded. */
  readonly version: string
  /** Text that two forwarders of equal configuration have in common. */
  readonly configuration: string
  readonly capabilities: DataplaneCapabilities
}

/** What each request is answered with. */
export interface Replies {
  readonly hello: Greeting
  readonly stop: undefined
  readonly apply: ApplyReport
  readonly dump: DataplaneState
  readonly counters: CounterSnapshot
  readonly 'attach-port': DeviceFacts
  readonly 'detach-port': undefined
  readonly offer: { readonly offers: number }
  readonly adopt: Greeting
  readonly pause: readonly Uint8Array[]
  readonly resume: undefined
  readonly settle: undefined
}

/** @param id chosen by the agent, repeated in the reply */
export function encodeRequest(id: number, request: Request): Uint8Array {
  if (request.method === 'resume') return encodeFrame({ id, method: request.method }, request.flows)
  if (request.method === 'adopt') {
    const { method, path, offers, state } = request
    return encodeFrame({ id, method, path, offers, state: stateHead(state) }, routeColumns(state.routes))
  }
  if (request.method !== 'apply') return encodeFrame({ id, ...request })
  const { method, transaction } = request
  return encodeFrame({ id, method, transaction: transactionHead(transaction) }, routeColumns(transaction.routes))
}

/** @throws ProtocolError `protocol.message-malformed` */
export function decodeRequest({ head, columns }: Frame): { readonly id: number; readonly request: Request } {
  const from = record(head, 'request')
  return { id: number(from['id'], 'id'), request: requestFrom(from, columns) }
}

function requestFrom(from: Json, columns: readonly Uint8Array[]): Request {
  const method = text(from['method'], 'method') as Method
  switch (method) {
    case 'hello':
      return { method, protocol: number(from['protocol'], 'protocol') }
    case 'stop':
      return { method, keepDevices: from['keepDevices'] === true }
    case 'apply':
      return { method, transaction: transactionFrom(from['transaction'], columns) }
    case 'attach-port':
      return { method, port: number(from['port'], 'port'), device: deviceRequestFrom(from['device']) }
    case 'detach-port':
      return { method, port: number(from['port'], 'port') }
    case 'offer':
      return { method, path: text(from['path'], 'path') }
    case 'adopt':
      return {
        method,
        path: text(from['path'], 'path'),
        offers: number(from['offers'], 'offers'),
        state: stateFrom(from['state'], columns),
      }
    case 'resume':
      return { method, flows: columns }
    case 'dump':
    case 'counters':
    case 'pause':
    case 'settle':
      return { method }
    default:
      throw new ProtocolError('protocol.message-malformed', `there is no request ${JSON.stringify(method satisfies never)}`)
  }
}

/** Writes the answer to request `id`. */
export function encodeReply<M extends Method>(id: number, method: M, result: Replies[M]): Uint8Array
export function encodeReply(id: number, method: Method, result: Replies[Method]): Uint8Array {
  if (method === 'dump') {
    const state = result as DataplaneState
    return encodeFrame({ id, result: stateHead(state) }, routeColumns(state.routes))
  }
  if (method === 'counters') return encodeFrame({ id }, counterColumns(result as CounterSnapshot))
  if (method === 'pause') return encodeFrame({ id }, result as Replies['pause'])
  return encodeFrame({ id, result })
}

/** Writes that request `id` failed; the error's cause travels as its text. */
export function encodeFailure(id: number, error: DataplaneError): Uint8Array {
  const cause = error.cause instanceof Error ? error.cause.message : undefined
  return encodeFrame({ id, error: { code: error.code, message: error.message.replace(/ \([^)]*\)$/, ''), cause } })
}

/** Writes that something happened. */
export function encodeEvent(event: DataplaneEvent): Uint8Array {
  if (!isPacketEvent(event)) return encodeFrame({ event })
  const { packet, ...rest } = event
  return encodeFrame({ event: rest }, [packet])
}

/** What comes from a forwarder; a reply's result is read by `resultFrom`, which needs to know the method. */
export type Answer =
  | { readonly type: 'event'; readonly event: DataplaneEvent }
  | { readonly type: 'failure'; readonly id: number; readonly error: DataplaneError }
  | { readonly type: 'reply'; readonly id: number; readonly result: unknown; readonly columns: readonly Uint8Array[] }

/** @throws ProtocolError `protocol.message-malformed` */
export function decodeAnswer({ head, columns }: Frame): Answer {
  const from = record(head, 'answer')
  if (from['event'] !== undefined) return { type: 'event', event: eventFrom(from['event'], columns) }
  const id = number(from['id'], 'id')
  if (from['error'] !== undefined) return { type: 'failure', id, error: errorFrom(from['error']) }
  return { type: 'reply', id, result: from['result'], columns }
}

/** @throws ProtocolError `protocol.message-malformed` */
export function resultFrom<M extends Method>(method: M, result: unknown, columns: readonly Uint8Array[]): Replies[M]
export function resultFrom(method: Method, result: unknown, columns: readonly Uint8Array[]): Replies[Method] {
  switch (method) {
    case 'dump':
      return stateFrom(result, columns)
    case 'counters':
      return countersFrom(columns)
    case 'hello':
    case 'adopt':
      return greetingFrom(result)
    case 'pause':
      return columns
    case 'offer':
      return { offers: number(record(result, 'reply')['offers'], 'offers') }
    case 'attach-port':
      return factsFrom(result)
    case 'apply':
      return reportFrom(result)
    default:
      return undefined
  }
}

function greetingFrom(json: unknown): Greeting {
  const from = record(json, 'greeting')
  return {
    protocol: number(from['protocol'], 'protocol'),
    pid: number(from['pid'], 'pid'),
    // Forwarders of the first protocol did not say.
    version: from['version'] === undefined ? '' : text(from['version'], 'version'),
    configuration: text(from['configuration'], 'configuration'),
    capabilities: record(from['capabilities'], 'capabilities') as unknown as DataplaneCapabilities,
  }
}

function reportFrom(json: unknown): ApplyReport {
  const from = record(json, 'report')
  return {
    status: text(from['status'], 'status') as ApplyReport['status'],
    generation: number(from['generation'], 'generation'),
    failures: list(from['failures'], 'failures', (item) => record(item, 'failure')) as unknown as ApplyReport['failures'],
  }
}

function factsFrom(json: unknown): DeviceFacts {
  const from = record(json, 'facts')
  return {
    ifindex: number(from['ifindex'], 'ifindex'),
    mtu: number(from['mtu'], 'mtu'),
    ...(from['mac'] === undefined ? {} : { mac: mac(from['mac'], 'mac') }),
  }
}

function eventFrom(json: unknown, columns: readonly Uint8Array[]): DataplaneEvent {
  const from = record(json, 'event')
  const type = text(from['type'], 'event.type') as DataplaneEvent['type']
  if (type === 'underlay-changed') {
    const remote = from['remote']
    return {
      type,
      local: address(from['local'], 'event.local'),
      mtu: number(from['mtu'], 'event.mtu'),
      ...(remote === undefined ? {} : { remote: address(remote, 'event.remote') }),
    }
  }
  if (type === 'mirrored' || type === 'traced') return packetEventFrom(type, json, columns)
  const reason = from['reason']
  if (type === 'liveness-up' || type === 'liveness-down' || type === 'liveness-unknown') {
    const liveness = number(from['liveness'], 'event.liveness')
    return { type, liveness, ...(reason === undefined ? {} : { reason: text(reason, 'event.reason') }) }
  }
  return { type, port: number(from['port'], 'event.port'), ...(reason === undefined ? {} : { reason: text(reason, 'event.reason') }) }
}

function errorFrom(json: unknown): DataplaneError {
  const from = record(json, 'error')
  const code = text(from['code'], 'error.code') as DataplaneErrorCode
  const cause = from['cause'] === undefined ? undefined : new RemoteCause(text(from['cause'], 'error.cause'))
  return new DataplaneError(code, text(from['message'], 'error.message'), cause === undefined ? undefined : { cause })
}

/** What made a request fail, as the forwarder's process told it. */
export class RemoteCause extends Error {
  override readonly name = 'RemoteCause'
}
