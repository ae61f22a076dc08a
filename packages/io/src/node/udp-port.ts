import { createSocket, type Socket } from 'node:dgram'
import { IpAddress } from '@heddle/wire'
import { AsyncQueue } from '../async-queue.js'
import type { Datagram, DatagramPort } from '../datagram-port.js'
import type { Endpoint, ListenOptions } from '../transport.js'
import { toTransportError } from './transport-error.js'

/** Datagrams that may wait for the consumer; more are lost. */
const QUEUE_LIMIT = 1024

/**
 * Opens a UDP port by `node:dgram`. A port of one family sends to that family only.
 *
 * @throws TransportError `transport.address-in-use`, `transport.address-unavailable`, `transport.permission`
 */
export async function nodeUdpPort({ address, port }: ListenOptions): Promise<DatagramPort> {
  const socket = createSocket({ type: address.family === 4 ? 'udp4' : 'udp6', ipv6Only: address.family === 6 })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(toTransportError(error, `opening UDP ${address} port ${port}`)))
    socket.bind({ address: address.toString(), port, exclusive: true }, resolve)
  })
  return new UdpPort(socket)
}

class UdpPort implements DatagramPort {
  readonly local: Endpoint
  readonly datagrams = new AsyncQueue<Datagram>()
  readonly #socket: Socket
  #open = true

  constructor(socket: Socket) {
    this.#socket = socket
    const { address, port } = socket.address()
    this.local = { address: IpAddress.parse(address), port }
    socket.on('message', (data, from) => {
      if (this.datagrams.weight >= QUEUE_LIMIT) return
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      const zone = from.address.indexOf('%')
      const sender = IpAddress.parse(zone < 0 ? from.address : from.address.slice(0, zone))
      this.datagrams.push({ bytes, from: { address: sender, port: from.port } })
    })
    socket.on('error', (error) => this.datagrams.fail(toTransportError(error, `UDP ${address} port ${port}`)))
  }

  send(bytes: Uint8Array, to: Endpoint): void {
    if (!this.#open || to.port === 0 || to.address.family !== this.local.address.family) return
    this.#socket.send(bytes, to.port, to.address.toString(), () => undefined)
  }

  close(): Promise<void> {
    if (!this.#open) return Promise.resolve()
    this.#open = false
    this.datagrams.end()
    return new Promise((resolve) => {
      this.#socket.close(() => resolve())
    })
  }
}
