import type { Socket } from 'node:net'
import { IpAddress } from '@heddle/wire'
import { AsyncQueue } from '../async-queue.js'
import { type Connection, type Endpoint } from '../transport.js'
import type { TcpSocketFacts } from './adopt-tcp-socket.js'
import { toTransportError } from './transport-error.js'

/** Limits of one connection. */
export interface TcpLimits {
  /** Octets that may wait, to be sent or to be read, before the faster side is slowed down. */
  readonly highWaterMark: number
  /** Milliseconds that a closed connection waits for the peer to end its side before it is dropped. */
  readonly closeTimeout: number
}

/** A connected Node socket as a `Connection`. The socket must allow half-open and be paused, or not have been read from. */
export class TcpConnection implements Connection {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly chunks: AsyncQueue<Uint8Array>
  readonly rekey?: NonNullable<Connection['rekey']>
  readonly #socket: Socket
  readonly #limits: TcpLimits
  #queued = 0
  #closing = false
  #over = false
  #waiters: (() => void)[] = []

  constructor(socket: Socket, limits: TcpLimits, { local, remote, rekey }: TcpSocketFacts = {}) {
    this.#socket = socket
    this.#limits = limits
    this.local = local ?? endpoint(socket.localAddress, socket.localPort)
    this.remote = remote ?? endpoint(socket.remoteAddress, socket.remotePort)
    // a descriptor is somebody else's once Node has closed it
    if (rekey !== undefined)
      this.rekey = (next) => {
        if (!socket.destroyed) rekey(next)
      }
    this.chunks = new AsyncQueue<Uint8Array>({ weigh: ({ length }) => length, onTaken: () => this.#resumeWhenTaken() })

    socket.on('data', (data: Uint8Array) => {
      if (this.#closing) return
      this.chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      if (this.chunks.weight >= limits.highWaterMark) socket.pause()
    })
    socket.on('end', () => this.chunks.end())
    socket.on('error', (error) =>
      this.chunks.fail(toTransportError(error, `connection to ${this.remote.address} port ${this.remote.port}`)),
    )
    socket.on('close', () => this.#end())
    socket.resume()
  }

  get queued(): number {
    return this.#queued
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closing || this.#over) return false
    if (bytes.length > 0) {
      this.#queued += bytes.length
      this.#socket.write(bytes, () => {
        this.#queued -= bytes.length
        if (this.#queued <= 0) this.#wake()
      })
    }
    return this.#queued <= this.#limits.highWaterMark
  }

  drained(): Promise<void> {
    if (this.#queued === 0 || this.#over) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiters.push(resolve)
    })
  }

  async close(): Promise<void> {
    if (!this.#closing && !this.#over) {
      this.#closing = true
      this.chunks.drop()
      const socket = this.#socket
      // What still arrives is read and thrown away: unread data would turn the FIN into a RST and lose our last words.
      socket.resume()
      socket.end()
      const timer = setTimeout(() => socket.destroy(), this.#limits.closeTimeout)
      timer.unref()
      socket.once('close', () => clearTimeout(timer))
    }
    await this.drained()
  }

  reset(): void {
    if (this.#over) return
    this.chunks.drop()
    this.#closing = true
    this.#socket.resetAndDestroy()
    this.#end()
  }

  #resumeWhenTaken(): void {
    if (this.#socket.isPaused() && this.chunks.weight < this.#limits.highWaterMark) this.#socket.resume()
  }

  #end(): void {
    this.#over = true
    this.#queued = 0
    this.chunks.end()
    this.#wake()
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}

/** Node writes IPv4 peers of an IPv6 socket as `::ffff:a.b.c.d`, and nothing at all once a socket is gone. */
export function endpoint(text: string | undefined, port: number | undefined): Endpoint {
  const [address = '::', zone] = text?.split('%') ?? []
  return { address: IpAddress.parse(address).unmapped(), port: port ?? 0, ...(zone === undefined ? {} : { zone }) }
}
