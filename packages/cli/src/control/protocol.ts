/*
 * The control protocol: a client and a node talk over a unix socket in lines of JSON. A request names a method and carries an id that the response
 * repeats; responses may come in any order.
 *
 *     → {"id":1,"method":"show","params":{"what":"routes"}}
 *     ← {"id":1,"result":[…]}
 *     ← {"id":1,"error":{"code":"endpoint.vrf-unknown","message":"…"}}
 *
 * What may be long, or go on, comes in pieces before the result. It ends when the client goes away.
 *
 *     → {"id":2,"method":"bgp","params":{"what":"routes"}}
 *     ← {"id":2,"rows":[…]}
 *     ← {"id":2,"rows":[…]}
 *     ← {"id":2,"result":null}
 */

export interface ControlRequest {
  /** Chosen by the client, unique among its open requests. */
  readonly id: number
  readonly method: string
  readonly params?: unknown
}

export type ControlResponse =
  | { readonly id: number; readonly rows: readonly unknown[] }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number | null; readonly error: { readonly code: string; readonly message: string } }

/** Longest line that either side reads, in octets. */
export const MAX_LINE = 1 << 26

/** Rows in pieces, each sent at once. */
export type RowStream = AsyncIterable<readonly unknown[]>

/** What a node does with one request: the result, or a `RowStream`; throws what it refuses, with a `code`. */
export type ControlHandler = (method: string, params: unknown, signal: AbortSignal) => Promise<unknown>

/**
 * What can go wrong between a client and a node: no node is there (`unreachable`), it may not be asked (`permission`), it went away (`closed`), another
 * node has the socket (`in-use`), a line is no request (`protocol`), a method or its parameters have no meaning (`method`, `params`).
 */
export type ControlErrorCode =
  | 'control.unreachable'
  | 'control.permission'
  | 'control.closed'
  | 'control.in-use'
  | 'control.protocol'
  | 'control.method'
  | 'control.params'

/** Why a node could not be asked, or did not understand. */
export class ControlError extends Error {
  override readonly name = 'ControlError'

  constructor(
    readonly code: ControlErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}

/** What a node answered when it refused. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'

  constructor(
    /** The node's own, e.g. `endpoint.vrf-unknown`. */
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** Whether a result is a `RowStream`. */
export function isRowStream(result: unknown): result is RowStream {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result
}

/** `value` as a request, or `undefined`. */
export function asRequest(value: unknown): ControlRequest | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { id, method } = value as { id?: unknown; method?: unknown }
  return typeof id === 'number' && typeof method === 'string' ? (value as ControlRequest) : undefined
}
