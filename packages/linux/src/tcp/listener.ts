import { AsyncQueue, type Connection, type Endpoint, type Listener, type PeerProtection } from '@heddle/io'
import { toTransportError } from '@heddle/io/node'
import { IpAddress } from '@heddle/wire'
import { closeDescriptor } from '../descriptor-handover.js'
import type { NativeTcpConnection } from '../native/binding.js'
import { call } from '../native/call.js'
import { READINESS, type Watch } from '../poller.js'
import { setTcpMinimumTtl, setTcpTtl } from './options.js'
import { ListenerKeys, protecting, protectionFor } from './protection.js'
import { endpointOf } from './endpoint.js'
import type { TcpContext } from './context.js'

/** Connections that are accepted in one go. Others may come as fast as they are accepted: those have their turn behind everything else. */
const AT_ONCE = 16

/** A port that accepts connections; each gets what its peer's must have. */
export class LinuxTcpListener implements Listener {
  readonly local: Endpoint
  readonly connections = new AsyncQueue<Connection>()
  readonly #keys: ListenerKeys
  readonly #watch: Watch
  #protection: readonly PeerProtection[] = []
  #open = true

  /** Owns `fd` once it is made. @throws TransportError `transport.unsupported`, LinuxError */
  constructor(
    private readonly fd: number,
    private readonly what: string,
    private readonly family: 4 | 6,
    private readonly zone: string | undefined,
    protection: readonly PeerProtection[],
    private readonly context: TcpContext,
  ) {
    this.#keys = new ListenerKeys(fd, family === 6)
    this.protect(protection)
    call((native) => native.tcpSaveSyn(fd))
    this.local = endpointOf(
      call((native) => native.tcpListen(fd)),
      zone,
    )
    this.#watch = context.readiness.watch(fd, READINESS.readable, () => this.#accept())
  }

  protect(protection: readonly PeerProtection[]): void {
    if (!this.#open) return
    const before = this.#protection
    try {
      protecting(this.what, () => this.#use(protection))
    } catch (error) {
      this.#use(before)
      throw error
    }
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    this.#watch.close()
    closeDescriptor(this.fd)
    for (const connection of this.connections.drop()) connection.reset()
  }

  #use(protection: readonly PeerProtection[]): void {
    this.#keys.use(protection)
    // SYN-ACKs go out from here: the peer that wants the largest hop limit must be reached too (RFC 5082 §3)
    const hopLimit = Math.max(0, ...protection.map((peer) => peer.hopLimit ?? 0))
    setTcpTtl(this.fd, this.family, hopLimit)
    if (this.family === 6) setTcpTtl(this.fd, 4, hopLimit)
    this.#protection = protection
  }

  #accept(): void {
    try {
      for (let left = AT_ONCE; left > 0 && this.#open; left--) {
        const next = this.#next()
        if (next === null) break
        this.#admit(next)
      }
      if (this.#open) this.#watch.rearm()
    } catch (error) {
      this.connections.fail(toTransportError(error, this.what))
    }
  }

  #next(): NativeTcpConnection | null {
    return call((native) => native.tcpAccept(this.fd))
  }

  #admit(connection: NativeTcpConnection): void {
    const { fd } = connection
    const remote = IpAddress.parse(connection.remote.address).unmapped()
    const protection = protectionFor(this.#protection, remote)
    try {
      const { hopLimit = 0, minimumHopLimit = 0 } = protection ?? {}
      const syn = call((native) => native.tcpSynTtl(fd)) ?? 255
      // whoever is too far away was so with the first packet already
      if (syn < minimumHopLimit) return closeDescriptor(fd)
      setTcpTtl(fd, remote.family, hopLimit)
      setTcpMinimumTtl(fd, remote.family, minimumHopLimit)
    } catch (error) {
      closeDescriptor(fd)
      throw error
    }
    const named = { ...connection, ...this.#named(connection) }
    this.connections.push(this.context.adopt(named, protection))
    return undefined
  }

  /** A connection to a listener that is bound to a device came through it. */
  #named({ local, remote }: NativeTcpConnection): Partial<NativeTcpConnection> {
    const { zone } = this
    return zone === undefined ? {} : { local: { zone, ...local }, remote: { zone, ...remote } }
  }
}
