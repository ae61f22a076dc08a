import type { IpAddress } from '@heddle/wire'

/** One end of a stream connection. */
export interface Endpoint {
  readonly address: IpAddress
  /** 0–65,535. */
  readonly port: number
  /**
   * The network device through which the address is meant, by its name: the link of a link-local address (RFC 4007 §6), or a device, such as
   * one of a VRF, that the stream is bound to. Transports that cannot do this reject with `transport.unsupported`.
   */
  readonly zone?: string
}

/** Proof that segments come from the peer. */
export type StreamAuthentication =
  /** TCP MD5 signatures (RFC 2385): a key of 1–80 octets in UTF-8. */
  | { readonly kind: 'tcp-md5'; readonly key: string }
  /** TCP-AO (RFC 5925): master keys by their ids, 0–255. */
  | { readonly kind: 'tcp-ao'; readonly keys: readonly TcpAoKey[] }

/** A master key tuple of TCP-AO (RFC 5925 §3.1). */
export interface TcpAoKey {
  readonly sendId: number
  readonly receiveId: number
  /** RFC 5926 §3.1. */
  readonly algorithm: 'hmac-sha-1-96' | 'aes-128-cmac-96'
  readonly key: string
}

/** What the packets of a stream must have. A transport that cannot do one of these rejects with `transport.unsupported`, and never does without. */
export interface StreamProtection {
  /** Hops that packets may take: TTL or hop limit, 1–255. The system chooses when it is left out. */
  readonly hopLimit?: number
  /** Drops what arrives with a smaller TTL or hop limit, 1–255 (RFC 5082). */
  readonly minimumHopLimit?: number
  readonly authentication?: StreamAuthentication
}

/** Protection of the streams that one peer opens. */
export interface PeerProtection extends StreamProtection {
  readonly peer: IpAddress
  /** It holds for everyone whose address begins with as many bits of `peer`; the longest prefix that fits counts. Default: the one address. */
  readonly prefixLength?: number
}

/** Where to connect to, and how. */
export interface ConnectOptions {
  readonly remote: Endpoint
  /** Address to connect from; the system chooses when it is left out. */
  readonly localAddress?: IpAddress
  readonly protection?: StreamProtection
  /** Ends the attempt; `connect` then rejects. */
  readonly signal?: AbortSignal
}

/** Where connections are accepted. */
export interface ListenOptions {
  readonly address: IpAddress
  /** 0 lets the system choose; see `Listener.local`. */
  readonly port: number
  /** As `Endpoint.zone`. */
  readonly zone?: string
  /** Peers whose streams must be protected; those of others need not. */
  readonly protection?: readonly PeerProtection[]
}

/** Reliable byte streams as logic sees them: TCP, or its likeness in memory. */
export interface Transport {
  /** @throws TransportError when the peer refuses, cannot be reached, or the signal is aborted */
  connect(options: ConnectOptions): Promise<Connection>
  /** @throws TransportError when the address or port cannot be had */
  listen(options: ListenOptions): Promise<Listener>
  /** What the system has dropped because of signatures, all streams together; absent where that is not counted. Rejects when it cannot be read. */
  signatureDrops?(): Promise<SignatureDrops>
}

/** Segments that a system has dropped since it started: each vanished without a word to either end. */
export interface SignatureDrops {
  /** They needed a signature, and had none. */
  readonly unsigned: number
  /** They had one where none is known: no key for the peer, or not one of that number. */
  readonly unexpected: number
  /** Their signature was of another key. */
  readonly wrong: number
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
  /**
   * Takes another key, while the stream goes on; absent where that cannot be done. What the peer signed with another key is lost until it has
   * changed too, and sent again then.
   *
   * @throws TransportError `transport.unsupported` when the kind of authentication would be another one
   */
  rekey?(authentication: StreamAuthentication): void
}

/** A port that accepts connections. */
export interface Listener {
  /** Where it listens in fact. */
  readonly local: Endpoint
  /** Connections as they are accepted; may be iterated once; ends when the listener is closed. */
  readonly connections: AsyncIterable<Connection>
  /** Takes over other protection for streams to come. @throws TransportError `transport.unsupported` */
  protect?(peers: readonly PeerProtection[]): void
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
  /** It cannot give the protection that was asked for. */
  | 'transport.unsupported'
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

/**
 * For transports that know no devices.
 *
 * @throws TransportError `transport.unsupported` when one is asked for
 */
export function refuseZone(zone: string | undefined, what: string): void {
  if (zone !== undefined) throw new TransportError('transport.unsupported', `${what}: this transport cannot be bound to '${zone}'`)
}

/**
 * For transports that have no protection to give.
 *
 * @throws TransportError `transport.unsupported` when any is asked for
 */
export function refuseProtection(protection: StreamProtection | readonly PeerProtection[] | undefined, what: string): void {
  for (const one of protection === undefined ? [] : [protection].flat()) {
    const asked = (['authentication', 'minimumHopLimit', 'hopLimit'] as const).find((name) => one[name] !== undefined)
    if (asked !== undefined) throw new TransportError('transport.unsupported', `${what}: this transport has no ${asked}`)
  }
}
