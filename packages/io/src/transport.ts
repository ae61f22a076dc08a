import type { IpAddress } from '@heddle/wire'

/** One end of a stream connection. */
export interface Endpoint {
  readonly address: IpAddress
  /** 0–65,535. */
  readonly port: number
}

/** Where a connection goes, and from where. */
export interface ConnectOptions {
  readonly remote: Endpoint
  /** Address to connect from; the system chooses when it is left out. */
  readonly localAddress?: IpAddress
  /** Ends the attempt; `connect` then rejects. */
  readonly signal?: AbortSignal
}

/** Where connections are accepted. */
export interface ListenOptions {
  readonly address: IpAddress
  /** 0 lets the system choose; see `Listener.local`. */
  readonly port: number
}

/** Reliable byte streams as logic sees them: TCP, or its likeness in memory. */
export interface Transport {
  /** @throws TransportError when the peer refuses, cannot be reached, or the signal is aborted */
  connect(options: ConnectOptions): Promise<Connection>
  /** @throws TransportError when the address or port cannot be had */
  listen(options: ListenOptions): Promise<Listener>
}

/** An open byte stream, both ways. */
export interface Connection {
  readonly local: Endpoint
  readonly remote: Endpoint
  /**
   * What arrives, in order, in chunks of any size; may be iterated once. Ends when the peer has ended its side, throws `TransportError` when the
   * connection broke. The peer is slowed down while the consumer does not ask for the next chunk.
   */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Hands over `bytes`, which must not change afterwards. False: more than the high-water mark waits; go on after `drained()`. */
  write(bytes: Uint8Array): boolean
  /** Octets handed over and not yet taken by the network. */
  readonly queued: number
  /** Resolves when everything handed over was taken by the network, or the connection is over. */
  drained(): Promise<void>
  /** Sends what is queued, then ends both sides. Idempotent. */
  close(): Promise<void>
  /** Drops everything at once (TCP: RST). Idempotent. */
  reset(): void
}

/** A port that accepts connections. */
export interface Listener {
  /** Where it listens in fact. */
  readonly local: Endpoint
  /** Connections as they are accepted; may be iterated once; ends when the listener is closed. */
  readonly connections: AsyncIterable<Connection>
  /** Accepts no more; connections that were accepted stay. Idempotent. */
  close(): Promise<void>
}

/** What a transport could not do. */
export type TransportErrorCode =
  | 'transport.refused'
  | 'transport.unreachable'
  | 'transport.timeout'
  | 'transport.aborted'
  | 'transport.reset'
  | 'transport.address-in-use'
  | 'transport.address-unavailable'
  | 'transport.permission'
  | 'transport.failed'

/** Why a connection could not be made, kept or accepted. */
export class TransportError extends Error {
  override readonly name = 'TransportError'

  constructor(
    readonly code: TransportErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}
