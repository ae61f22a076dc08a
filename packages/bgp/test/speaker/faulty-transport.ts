import type { Clock, Connection, Transport } from '@heddle/io'
import { seededRandom } from '@heddle/io/testing'

/** What may happen to the streams of a faulty transport. */
export interface Faults {
  /** Largest delay of a chunk in milliseconds. */
  readonly delay: number
  /** How chunks arrive: as they were sent, cut at random places, or octet by octet. */
  readonly cut: 'none' | 'random' | 'every-octet'
  /** Chance, in percent, that a chunk is the last one before the connection is reset. */
  readonly reset: number
  /** Chance, in percent, that from a chunk on nothing arrives any more, and nobody is told. */
  readonly halfOpen: number
}

/** A transport whose streams lose, cut, delay and break, by a seed; until it is told to be calm. */
export class FaultyTransport implements Transport {
  readonly #random
  #calm = false

  constructor(
    private readonly inner: Transport,
    private readonly clock: Clock,
    private readonly faults: Faults,
    seed: number,
  ) {
    this.#random = seededRandom(seed)
  }

  /** Connections from here on, and what they still have to deliver, are without faults; those that are dead stay dead. */
  calm(): void {
    this.#calm = true
  }

  async connect(options: Parameters<Transport['connect']>[0]): Promise<Connection> {
    return this.#wrap(await this.inner.connect(options))
  }

  async listen(options: Parameters<Transport['listen']>[0]): ReturnType<Transport['listen']> {
    const listener = await this.inner.listen(options)
    const wrap = (connection: Connection): Connection => this.#wrap(connection)
    return {
      local: listener.local,
      close: () => listener.close(),
      connections: {
        async *[Symbol.asyncIterator]() {
          for await (const connection of listener.connections) yield wrap(connection)
        },
      },
    }
  }

  #wrap(connection: Connection): Connection {
    const damaged = (): AsyncGenerator<Uint8Array> => this.#chunks(connection)
    return {
      local: connection.local,
      remote: connection.remote,
      get queued() {
        return connection.queued
      },
      write: (bytes) => connection.write(bytes),
      drained: () => connection.drained(),
      close: () => connection.close(),
      reset: () => connection.reset(),
      chunks: { [Symbol.asyncIterator]: damaged },
    }
  }

  async *#chunks(connection: Connection): AsyncGenerator<Uint8Array> {
    for await (const chunk of connection.chunks) {
      if (!this.#calm && this.#chance(this.faults.reset)) connection.reset()
      if (!this.#calm && this.#chance(this.faults.halfOpen)) await new Promise(() => undefined)
      for (const piece of this.#pieces(chunk)) {
        if (!this.#calm && this.faults.delay > 0) await this.#wait(this.#below(this.faults.delay))
        yield piece
      }
    }
  }

  *#pieces(chunk: Uint8Array): Generator<Uint8Array> {
    const { cut } = this.faults
    for (let at = 0; at < chunk.length;) {
      const size = this.#calm || cut === 'none' ? chunk.length : cut === 'every-octet' ? 1 : 1 + this.#below(chunk.length)
      yield chunk.subarray(at, at + size)
      at += size
    }
  }

  #wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.clock.setTimer(milliseconds, resolve))
  }

  #chance(percent: number): boolean {
    return this.#below(1000) < percent * 10
  }

  #below(limit: number): number {
    return this.#random.uint32() % limit
  }
}
