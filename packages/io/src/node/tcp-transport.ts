import { connect as netConnect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { IpAddress } from '@heddle/wire'
import { AsyncQueue } from '../async-queue.js'
import {
  TransportError,
  refuseProtection,
  refuseZone,
  type Connection,
  type ConnectOptions,
  type Endpoint,
  type Listener,
  type ListenOptions,
  type Transport,
} from '../transport.js'
import { TcpConnection, endpoint, type TcpLimits } from './tcp-connection.js'
import { toTransportError } from './transport-error.js'

/** Buffers and delays of connections. */
export interface NodeTcpOptions {
  /** Octets that may wait in either direction of a connection; 65,536 by default. */
  readonly highWaterMark?: number
  /** Milliseconds that a closed connection waits for the peer to end its side; 1,000 by default. */
  readonly closeTimeout?: number
  /** Sends small writes at once instead of gathering them (TCP_NODELAY); true by default. */
  readonly noDelay?: boolean
}

/** TCP by `node:net`. */
export function nodeTcpTransport(options: NodeTcpOptions = {}): Transport {
  const { highWaterMark = 65_536, closeTimeout = 1000, noDelay = true } = options
  const limits: TcpLimits = { highWaterMark, closeTimeout }
  return {
    connect: (connectOptions) => connect(connectOptions, limits, noDelay),
    listen: (listenOptions) => listen(listenOptions, limits, noDelay),
  }
}

function connect({ remote, localAddress, protection, signal }: ConnectOptions, limits: TcpLimits, noDelay: boolean): Promise<Connection> {
  const what = `connecting to ${remote.address} port ${remote.port}`
  return new Promise((resolve, reject) => {
    if (!takesZone(remote.address)) refuseZone(remote.zone, what)
    refuseProtection(protection, what)
    const aborted = (): TransportError => new TransportError('transport.aborted', what)
    if (signal?.aborted === true) return reject(aborted())
    const socket = netConnect({
      host: remote.zone === undefined ? remote.address.toString() : `${remote.address}%${remote.zone}`,
      port: remote.port,
      family: remote.address.family,
      allowHalfOpen: true,
      noDelay,
      ...(localAddress && { localAddress: localAddress.toString() }),
    })
    const abort = (): void => {
      socket.destroy()
      settle(() => reject(aborted()))
    }
    const fail = (error: Error): void => settle(() => reject(toTransportError(error, what)))
    const settle = (act: () => void): void => {
      signal?.removeEventListener('abort', abort)
      socket.off('error', fail)
      // An error that comes after the verdict has nobody left to tell.
      socket.on('error', () => undefined)
      act()
    }
    signal?.addEventListener('abort', abort)
    socket.on('error', fail)
    socket.once('connect', () => {
      socket.pause()
      settle(() => resolve(new TcpConnection(socket, limits)))
    })
  })
}

async function listen({ address, port, zone, protection }: ListenOptions, limits: TcpLimits, noDelay: boolean): Promise<Listener> {
  if (!takesZone(address)) refuseZone(zone, `listening on ${address} port ${port}`)
  refuseProtection(protection, `listening on ${address} port ${port}`)
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(toTransportError(error, `listening on ${address} port ${port}`)))
    server.listen({ host: zone === undefined ? address.toString() : `${address}%${zone}`, port, exclusive: true }, resolve)
  })
  return new TcpListener(server, limits)
}

class TcpListener implements Listener {
  readonly local: Endpoint
  readonly connections = new AsyncQueue<Connection>()
  readonly #server: Server
  #open = true

  constructor(server: Server, limits: TcpLimits) {
    this.#server = server
    const { address, port } = server.address() as AddressInfo
    this.local = endpoint(address, port)
    server.on('connection', (socket: Socket) => {
      // A peer may be gone before it is accepted: then there is no address, and no connection either.
      if (socket.remoteAddress === undefined) socket.destroy()
      else this.connections.push(new TcpConnection(socket, limits))
    })
    server.on('error', (error) => this.connections.fail(toTransportError(error, `listening on ${address} port ${port}`)))
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    // `close` calls back only when the last accepted connection ends; those stay, so it is not waited for.
    this.#server.close()
    for (const connection of this.connections.drop()) connection.reset()
  }
}

/** Node knows the link of an address only. */
function takesZone({ family, isLinkLocal }: IpAddress): boolean {
  return family === 6 && isLinkLocal
}
