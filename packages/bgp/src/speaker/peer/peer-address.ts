import type { RouterDiscovery, RouterWatch } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import type { PeerConfig } from './peer-config.js'

/** Who has an interest in where a peer is. */
export interface PeerAddressOwner {
  /** Whether a session goes to the address in use, which stays while it does. */
  isUp(): boolean
  /** The address in use is another one. */
  moved(): void
}

/**
 * Where a peer is: at the address of its configuration or, for one that is named by its device alone, at that of the router heard there last. On a link
 * of two routers there is one to hear; should another one come, it counts once the session is over.
 */
export class PeerAddress {
  #config: PeerConfig
  #current: IpAddress | undefined
  #heard: IpAddress | undefined
  #fault: string | undefined
  #watch: RouterWatch | undefined

  constructor(
    config: PeerConfig,
    private readonly discovery: RouterDiscovery | undefined,
    private readonly owner: PeerAddressOwner,
  ) {
    this.#config = config
    this.#current = config.address
  }

  /** Once it is known. */
  get current(): IpAddress | undefined {
    return this.#current
  }

  /** Why there is none. */
  get missing(): string {
    return this.#fault ?? `no router has been heard on ${this.#config.zone ?? 'any device'}`
  }

  /** Listens for the peer, where its address is not configured. @param config of the same peer */
  follow(config: PeerConfig): void {
    this.#config = config
    if (config.address !== undefined || config.zone === undefined) return
    this.#watch ??= this.discovery?.watch(config.zone, (news) => {
      this.#fault = news.kind === 'fault' ? news.message : undefined
      if (news.kind === 'fault') return
      this.#heard = news.address
      if (!this.owner.isUp()) this.released()
    })
  }

  /** Idempotent. */
  stop(): void {
    this.#watch?.stop()
    this.#watch = undefined
  }

  /** No session goes to the address in use any more. */
  released(): void {
    if (this.#heard === undefined || this.#current?.equals(this.#heard) === true) return
    this.#current = this.#heard
    this.owner.moved()
  }
}
