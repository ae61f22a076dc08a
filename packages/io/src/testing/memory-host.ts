import { IpAddress } from '@heddle/wire'
import { AsyncQueue } from '../async-queue.js'
import type { Clock } from '../clock.js'
import type { DatagramPort } from '../datagram-port.js'
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
import { MemoryConnection } from './memory-connection.js'
import { MemoryDatagramPort } from './memory-datagram-port.js'
import type { MemoryLink } from './memory-link.js'
import { PortTable } from './port-table.js'

/** What a host knows of the network it is in. */
export interface HostEnvironment {
  readonly clock: Clock
  /** Milliseconds. */
  readonly connectTimeout: number
  /** Octets. */
  readonly highWaterMark: number
  ownerOf(address: IpAddress): MemoryHost | undefined
  linkTo(other: MemoryHost): MemoryLink
}

const LOOPBACKS = [IpAddress.parse('127.0.0.1'), IpAddress.parse('::1')]

/** A host of a memory network. */
export class MemoryHost {
  /** Streams to and from this host. */
  readonly transport: Transport
  readonly #listeners = new PortTable<MemoryListener>()
  readonly #datagramPorts = new PortTable<MemoryDatagramPort>()
  readonly #connections = new Set<MemoryConnection>()

  constructor(
    readonly name: string,
    /** Unique in its network. */
    readonly id: number,
    readonly addresses: readonly IpAddress[],
    private readonly environment: HostEnvironment,
  ) {
    this.transport = { connect: (options) => this.#connect(options), listen: (options) => this.#listen(options) }
  }

  /**
   * Opens a datagram port.
   *
   * @throws TransportError `transport.address-in-use`, `transport.address-unavailable`
   */
  async openDatagramPort({ address, port }: ListenOptions): Promise<DatagramPort> {
    this.#checkOwned(address)
    const local = { address, port: this.#datagramPorts.reserve(address, port) }
    const opened: MemoryDatagramPort = new MemoryDatagramPort(
      local,
      (bytes, to) => this.#sendDatagram(bytes, local, to),
      () => this.#datagramPorts.delete(local, opened),
    )
    this.#datagramPorts.set(local, opened)
    return opened
  }

  /** What the system does when a process dies: every port is closed, and every connection ends with what was written before. */
  terminate(): void {
    for (const connection of this.#connections) void connection.close()
    for (const listener of this.#listeners.values()) void listener.close()
    for (const port of this.#datagramPorts.values()) void port.close()
  }

  async #listen({ address, port, zone, protection }: ListenOptions): Promise<Listener> {
    refuseZone(zone, `listening on ${address} port ${port}`)
    refuseProtection(protection, `listening on ${address} port ${port}`)
    this.#checkOwned(address)
    const local = { address, port: this.#listeners.reserve(address, port) }
    const listener: MemoryListener = new MemoryListener(local, () => this.#listeners.delete(local, listener))
    this.#listeners.set(local, listener)
    return listener
  }

  #connect({ remote, localAddress, protection, signal }: ConnectOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const { clock, connectTimeout } = this.environment
      const target = `${remote.address} port ${remote.port}`
      refuseZone(remote.zone, `connecting to ${target}`)
      refuseProtection(protection, `connecting to ${target}`)
      let settled = false
      const settle = (act: () => void): void => {
        if (settled) return
        settled = true
        timer.cancel()
        signal?.removeEventListener('abort', abort)
        act()
      }
      const fail = (error: TransportError): void => settle(() => reject(error))
      const abort = (): void => fail(new TransportError('transport.aborted', `connecting to ${target} was aborted`))
      const timer = clock.setTimer(connectTimeout, () => fail(new TransportError('transport.timeout', `${target} did not answer`)))

      if (signal?.aborted === true) return abort()
      signal?.addEventListener('abort', abort)
      const owner = this.environment.ownerOf(remote.address)
      if (owner === undefined) return fail(new TransportError('transport.unreachable', `no host has ${remote.address}`))
      const source = localAddress ?? this.#sourceFor(remote.address)
      if (source === undefined)
        return fail(new TransportError('transport.unreachable', `${this.name} has no address to reach ${remote.address} from`))
      if (!this.#owns(source)) return fail(new TransportError('transport.address-unavailable', `${this.name} does not have ${source}`))

      const link = this.environment.linkTo(owner)
      link.sendReliably(() => {
        if (settled) return
        const listener = owner.#listeners.find(remote)
        if (listener === undefined) {
          link.sendReliably(() => fail(new TransportError('transport.refused', `${target} refused the connection`)))
          return
        }
        const local = { address: source, port: this.#listeners.ephemeral() }
        const near = this.#newConnection(local, remote, link)
        const far = owner.#newConnection(remote, local, link)
        MemoryConnection.join(near, far)
        listener.accept(far)
        link.sendReliably(() => {
          if (settled) near.reset()
          settle(() => resolve(near))
        })
      })
    })
  }

  #newConnection(local: Endpoint, remote: Endpoint, link: MemoryLink): MemoryConnection {
    const connection: MemoryConnection = new MemoryConnection(local, remote, link, this.environment.highWaterMark, () =>
      this.#connections.delete(connection),
    )
    this.#connections.add(connection)
    return connection
  }

  #sendDatagram(bytes: Uint8Array, local: Endpoint, to: Endpoint): void {
    const owner = this.environment.ownerOf(to.address)
    const address = local.address.isUnspecified ? this.#sourceFor(to.address) : local.address
    if (owner === undefined || address === undefined) return
    const datagram = { bytes: bytes.slice(), from: { address, port: local.port } }
    this.environment.linkTo(owner).send(() => owner.#datagramPorts.find(to)?.receive(datagram))
  }

  #sourceFor(destination: IpAddress): IpAddress | undefined {
    const candidates = destination.isLoopback ? LOOPBACKS : this.addresses
    return candidates.find(({ family }) => family === destination.family)
  }

  #owns(address: IpAddress): boolean {
    return address.isLoopback || this.addresses.some((own) => own.equals(address))
  }

  #checkOwned(address: IpAddress): void {
    if (!address.isUnspecified && !this.#owns(address)) {
      throw new TransportError('transport.address-unavailable', `${this.name} does not have ${address}`)
    }
  }
}

class MemoryListener implements Listener {
  readonly connections = new AsyncQueue<Connection>()

  constructor(
    readonly local: Endpoint,
    private readonly onClose: () => void,
  ) {}

  accept(connection: Connection): void {
    this.connections.push(connection)
  }

  async close(): Promise<void> {
    this.onClose()
    // A connection that nobody accepted is reset, as a kernel does with its backlog.
    for (const connection of this.connections.drop()) connection.reset()
  }
}
