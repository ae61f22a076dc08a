import { IpAddress } from '@heddle/wire'
import type { Connection, Endpoint, Listener, Transport } from '@heddle/io'
import { KEEPALIVE, encodeMessage } from '../../src/index.js'
import { localOpen, type LocalOpenOptions } from '../../src/session/local-open.js'

/** A peer that says OPEN and KEEPALIVE, and keeps the messages that it is sent as views of what it was handed, without a copy. */
export class SinkPeer implements Connection {
  readonly local: Endpoint = { address: IpAddress.parse('192.0.2.1'), port: 179 }
  readonly remote: Endpoint
  /** Messages of type UPDATE. */
  readonly updates: Uint8Array[] = []
  readonly chunks: AsyncIterable<Uint8Array>
  /** Octets that it still takes before it is blocked. */
  credit = Infinity
  queued = 0
  #push: (chunk: Uint8Array) => void = () => undefined
  #end: () => void = () => undefined
  #waiting: (() => void)[] = []

  constructor(
    readonly address: string,
    private readonly open: Partial<LocalOpenOptions> & Pick<LocalOpenOptions, 'families'>,
  ) {
    this.remote = { address: IpAddress.parse(address), port: 40_000 }
    this.chunks = stream((push, end) => {
      this.#push = push
      this.#end = end
    })
  }

  say(bytes: Uint8Array): void {
    this.#push(bytes)
  }

  greet(): void {
    this.say(encodeMessage(localOpen({ as: 65000, routerId: IpAddress.parse(this.address), holdTime: 0, ...this.open })))
    this.say(encodeMessage(KEEPALIVE))
  }

  write(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; at += (bytes[at + 16] << 8) | bytes[at + 17]) {
      if (bytes[at + 18] === 2) this.updates.push(bytes.subarray(at, at + ((bytes[at + 16] << 8) | bytes[at + 17])))
    }
    this.credit -= bytes.length
    this.queued = this.credit > 0 ? 0 : -this.credit
    return this.credit > 0
  }

  /** Takes this much more. */
  take(octets: number): void {
    this.credit = octets
    this.queued = 0
    for (const wake of this.#waiting.splice(0)) wake()
  }

  drained(): Promise<void> {
    return this.credit > 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }

  close(): Promise<void> {
    this.#end()
    return Promise.resolve()
  }

  reset(): void {
    this.#end()
  }
}

/** A transport on which exactly these peers connect. */
export function sinkTransport(peers: readonly SinkPeer[]): Transport {
  const listener: Listener = {
    local: { address: IpAddress.parse('192.0.2.1'), port: 179 },
    connections: stream((push) => {
      for (const peer of peers) push(peer)
    }),
    close: () => Promise.resolve(),
  }
  return { listen: () => Promise.resolve(listener), connect: () => new Promise(() => undefined) }
}

function stream<T>(start: (push: (value: T) => void, end: () => void) => void): AsyncIterable<T> {
  const values: T[] = []
  let over = false
  let wake = (): void => undefined
  start(
    (value) => {
      values.push(value)
      wake()
    },
    () => {
      over = true
      wake()
    },
  )
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const value = values.shift()
        if (value !== undefined) yield value
        else if (over) return
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}
