import type { Endpoint } from './transport.js'

/** One datagram with the end it came from. */
export interface Datagram {
  readonly bytes: Uint8Array
  readonly from: Endpoint
}

/** An open datagram socket: UDP, or its likeness in memory. For control traffic; packets of tenants go in batches through a dataplane. */
export interface DatagramPort {
  readonly local: Endpoint
  /** Best effort: a datagram that cannot be sent is dropped, as the network may drop it anyway. */
  send(bytes: Uint8Array, to: Endpoint): void
  /** Datagrams as they arrive; may be iterated once; ends when the port is closed. */
  readonly datagrams: AsyncIterable<Datagram>
  close(): Promise<void>
}
