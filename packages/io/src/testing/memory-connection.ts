import { AsyncQueue } from '../async-queue.js'
import { TransportError, type Connection, type Endpoint } from '../transport.js'
import type { MemoryLink } from './memory-link.js'

/** Octets that may be under way or unread at the receiver before the sender must wait. */
export const MEMORY_WINDOW = 65_536

/** One end of a stream in memory. Both ends know each other; everything between them goes through the link. */
export class MemoryConnection implements Connection {
  readonly chunks: AsyncQueue<Uint8Array>
  #peer: MemoryConnection | undefined
  readonly #sending: Uint8Array[] = []
  #queued = 0
  #window = MEMORY_WINDOW
  #closing = false
  #finished = false
  #peerFinished = false
  #over = false
  #waiters: (() => void)[] = []

  constructor(
    readonly local: Endpoint,
    readonly remote: Endpoint,
    private readonly link: MemoryLink,
    private readonly highWaterMark: number,
    private readonly onOver: () => void,
  ) {
    this.chunks = new AsyncQueue<Uint8Array>({ weigh: (chunk) => chunk.length, onTaken: (octets) => this.#credit(octets) })
  }

  /** Joins two ends, which the caller made with mirrored endpoints. */
  static join(a: MemoryConnection, b: MemoryConnection): void {
    a.#peer = b
    b.#peer = a
  }

  get queued(): number {
    return this.#queued
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closing || this.#over) return false
    if (bytes.length > 0) {
      this.#sending.push(bytes)
      this.#queued += bytes.length
      this.#pump()
    }
    return this.#queued <= this.highWaterMark
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
      const unread = this.chunks.drop()
      this.#credit(unread.reduce((sum, { length }) => sum + length, 0))
      this.#pump()
    }
    await this.drained()
  }

  reset(): void {
    if (this.#over) return
    this.#end()
    this.chunks.drop()
    this.#resetPeer()
  }

  /** Moves as much as the window lets, then the FIN when `close` was called. */
  #pump(): void {
    while (this.#sending.length > 0 && this.#window > 0) {
      const [head] = this.#sending
      const part = head.length <= this.#window ? head : head.subarray(0, this.#window)
      if (part === head) this.#sending.shift()
      else this.#sending[0] = head.subarray(part.length)
      this.#window -= part.length
      this.#queued -= part.length
      const chunk = part.slice()
      this.#toPeer((peer) => peer.#arrive(chunk))
    }
    if (this.#queued > 0) return
    this.#wake()
    if (this.#closing && !this.#finished) {
      this.#finished = true
      this.#toPeer((peer) => peer.#arriveFin())
      this.#endWhenBothFinished()
    }
  }

  #arrive(chunk: Uint8Array): void {
    if (this.#over) {
      // What comes for a connection that is no more is answered with a reset (RFC 9293 §3.10.7.1).
      this.#resetPeer()
    } else if (this.#closing) this.#credit(chunk.length)
    else this.chunks.push(chunk)
  }

  #arriveFin(): void {
    this.#peerFinished = true
    this.chunks.end()
    this.#endWhenBothFinished()
  }

  #arriveReset(): void {
    if (this.#over) return
    this.#end()
    this.chunks.fail(new TransportError('transport.reset', `${this.remote.address} port ${this.remote.port} reset the connection`))
  }

  /** Tells the sender that `octets` were taken here. */
  #credit(octets: number): void {
    if (octets === 0 || this.#over) return
    this.#toPeer((peer) => {
      if (peer.#over) return
      peer.#window += octets
      peer.#pump()
    })
  }

  /** What TCP sends again until it arrives. */
  #toPeer(act: (peer: MemoryConnection) => void): void {
    this.link.sendReliably(() => {
      if (this.#peer !== undefined) act(this.#peer)
    })
  }

  /** A reset is sent once. */
  #resetPeer(): void {
    this.link.send(() => {
      if (this.#peer !== undefined) this.#peer.#arriveReset()
    })
  }

  #endWhenBothFinished(): void {
    if (this.#finished && this.#peerFinished) this.#end()
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#sending.length = 0
    this.#queued = 0
    this.#wake()
    this.onOver()
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}
