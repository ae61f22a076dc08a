import { AsyncQueue } from '../async-queue.js'
import type { Datagram, DatagramPort } from '../datagram-port.js'
import type { Endpoint } from '../transport.js'

/** Datagrams that may wait for the consumer; more are lost. */
const QUEUE_LIMIT = 1024

/** A datagram port in memory. */
export class MemoryDatagramPort implements DatagramPort {
  readonly datagrams = new AsyncQueue<Datagram>()
  #open = true

  constructor(
    readonly local: Endpoint,
    private readonly transmit: (bytes: Uint8Array, to: Endpoint) => void,
    private readonly onClose: () => void,
  ) {}

  send(bytes: Uint8Array, to: Endpoint): void {
    if (this.#open) this.transmit(bytes, to)
  }

  receive(datagram: Datagram): void {
    if (this.datagrams.weight < QUEUE_LIMIT) this.datagrams.push(datagram)
  }

  async close(): Promise<void> {
    this.#open = false
    this.onClose()
    this.datagrams.end()
  }
}
