import type { CounterSnapshot, DataplaneFeature, DataplaneLimits, Encapsulation, FibTransaction } from '@heddle/core'
import type { FlowMemory } from '@heddle/forwarding'
import type { LogFields, LogLevel } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { counterColumns, countersFrom, routeColumns } from '../protocol/columns.js'
import { FrameReader, encodeFrame, type Frame } from '../protocol/frame.js'
import { address, number, record, text } from '../protocol/json.js'
import { ProtocolError } from '../protocol/protocol-error.js'
import { transactionFrom, transactionHead } from '../protocol/tables.js'

/** What a thread is told; each is answered by `done` or `failed`, in order. */
export type Command =
  | { readonly type: 'program'; readonly transaction: FibTransaction }
  /** @see Lanes.addPort; the thread owns the descriptor, and reads it if it is told to. */
  | { readonly type: 'add-port'; readonly port: number; readonly fd: number; readonly reads: boolean }
  | { readonly type: 'remove-port'; readonly port: number }
  | { readonly type: 'underlay-mtu'; readonly octets: number }
  | { readonly type: 'path-mtu'; readonly remote: IpAddress; readonly octets?: number }
  | { readonly type: 'liveness'; readonly liveness: number; readonly isUp: boolean }
  | { readonly type: 'counters' }
  /** @see Lanes.addCounters */
  | { readonly type: 'add-counters'; readonly counters: CounterSnapshot }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'close' }

/** What a thread tells. */
export type Word =
  | { readonly type: 'ready'; readonly wakeFd: number }
  /** The ring of commands has room again. */
  | { readonly type: 'room' }
  | { readonly type: 'done'; readonly id: number; readonly counters?: Uint8Array }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  /** A `DataplaneEvent` as `encodeEvent` writes it. */
  | { readonly type: 'event'; readonly frame: Uint8Array }
  | { readonly type: 'gone'; readonly port: number; readonly reason: string }
  | { readonly type: 'too-large'; readonly sender: number; readonly family: 4 | 6; readonly remote: Uint32Array }
  | { readonly type: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: LogFields }

/** Sockets that a thread sends by, as descriptors of its own. */
export interface SenderFds {
  /** Text of the local address. */
  readonly local: string
  readonly udp: readonly number[]
  readonly gre: number | undefined
  readonly heedless: { readonly udp: number; readonly gre: number | undefined }
}

/** A socket that a thread receives from, as a descriptor of its own. */
export interface ReceiverFd {
  readonly encapsulation: Encapsulation
  readonly family: 4 | 6
  readonly fd: number
}

/** What a thread begins with. */
export interface LaneStart {
  readonly limits: DataplaneLimits
  readonly encapsulations: readonly Encapsulation[]
  readonly features: readonly DataplaneFeature[]
  readonly underlayMtu: number
  readonly flowMemory: FlowMemory
  readonly sequenceMemory: SharedArrayBuffer
  readonly linkMemory: SharedArrayBuffer
  readonly rateMemory: SharedArrayBuffer
  readonly ring: SharedArrayBuffer
  readonly epoch: number
  readonly senders: readonly SenderFds[]
  readonly receivers: readonly ReceiverFd[]
  /** Whether nothing is read until it is told to resume. */
  readonly isPaused: boolean
}

export function encodeCommand(id: number, command: Command): Uint8Array {
  if (command.type === 'add-counters') return encodeFrame({ id, type: command.type }, counterColumns(command.counters))
  if (command.type !== 'program') return encodeFrame({ id, ...command })
  return encodeFrame(
    { id, type: command.type, transaction: transactionHead(command.transaction) },
    routeColumns(command.transaction.routes),
  )
}

/** @throws ProtocolError for what `encodeCommand` did not write */
export function decodeCommand({ head, columns }: Frame): { readonly id: number; readonly command: Command } {
  const from = record(head, 'command')
  const id = number(from['id'], 'id')
  const type = text(from['type'], 'type') as Command['type']
  switch (type) {
    case 'program':
      return { id, command: { type, transaction: transactionFrom(from['transaction'], columns) } }
    case 'add-port':
      return { id, command: { type, port: number(from['port'], 'port'), fd: number(from['fd'], 'fd'), reads: from['reads'] === true } }
    case 'remove-port':
      return { id, command: { type, port: number(from['port'], 'port') } }
    case 'underlay-mtu':
      return { id, command: { type, octets: number(from['octets'], 'octets') } }
    case 'path-mtu':
      return {
        id,
        command: {
          type,
          remote: address(from['remote'], 'remote'),
          ...(from['octets'] === undefined ? {} : { octets: number(from['octets'], 'octets') }),
        },
      }
    case 'liveness':
      return { id, command: { type, liveness: number(from['liveness'], 'liveness'), isUp: from['isUp'] === true } }
    case 'add-counters':
      return { id, command: { type, counters: countersFrom(columns) } }
    case 'counters':
    case 'pause':
    case 'resume':
    case 'close':
      return { id, command: { type } }
    default:
      throw new ProtocolError('protocol.message-malformed', `there is no command ${JSON.stringify(type satisfies never)}`)
  }
}

export function encodeCounters(counters: CounterSnapshot): Uint8Array {
  return encodeFrame({}, counterColumns(counters))
}

export function decodeCounters(octets: Uint8Array): CounterSnapshot {
  const [frame] = new FrameReader().push(octets)
  return countersFrom(frame?.columns ?? [])
}
