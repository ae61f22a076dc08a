import type { LinkReference } from './link.js'
import type { NativeNetlink } from './native/binding.js'
import { callAsync } from './native/call.js'

/** State of an entry (NUD_*). */
export type NeighbourState = 'permanent' | 'reachable' | 'stale' | 'delay' | 'probe' | 'incomplete' | 'failed' | 'no-arp' | 'none'

/** Which link-layer address answers for an IP address on a link. */
export interface Neighbour {
  /** Index of the link. */
  readonly index: number
  readonly address: string
  /** Left out while it is not resolved, and for proxies. */
  readonly mac?: string
  readonly state: NeighbourState
  /** The host answers requests for this address itself. */
  readonly proxy: boolean
}

/** An entry to set. */
export interface NeighbourOptions {
  /** Left out only with `proxy`. */
  readonly mac?: string
  /** Stays for good (the default); otherwise it is reachable now and ages. */
  readonly permanent?: boolean
  readonly proxy?: boolean
}

/** Neighbours (ARP and NDP) of one namespace. */
export class Neighbours {
  readonly #netlink: NativeNetlink

  /** @internal */
  constructor(netlink: NativeNetlink) {
    this.#netlink = netlink
  }

  /**
   * Entries of one link, or of all; proxies last.
   *
   * @throws LinuxError `ENODEV` when there is no such link
   */
  async list(link?: LinkReference): Promise<Neighbour[]> {
    return (await callAsync(() => this.#netlink.neighbours(link))) as Neighbour[]
  }

  /** @throws LinuxError `EEXIST` when there is one, `EINVAL` when address or MAC is none, `ENODEV` when there is no such link */
  add(link: LinkReference, address: string, options: NeighbourOptions): Promise<void> {
    return callAsync(() => this.#netlink.addNeighbour(link, { ...options, address }))
  }

  /** Like `add`, and changes an entry that is there already. */
  replace(link: LinkReference, address: string, options: NeighbourOptions): Promise<void> {
    return callAsync(() => this.#netlink.addNeighbour(link, { ...options, address, replace: true }))
  }

  /** @throws LinuxError `ENOENT` when there is no such entry */
  delete(link: LinkReference, address: string, options: { readonly proxy?: boolean } = {}): Promise<void> {
    return callAsync(() => this.#netlink.deleteNeighbour(link, address, options.proxy ?? false))
  }
}
