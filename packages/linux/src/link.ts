import type { NamespaceReference } from './network-namespace.js'
import { namespacePath } from './network-namespace.js'
import { callAsync } from './native/call.js'
import type { NativeNetlink } from './native/binding.js'

/** A link by name (1–15 octets) or index. */
export type LinkReference = string | number

/** What the kernel says about a link (interface). */
export interface Link {
  readonly index: number
  readonly name: string
  /** `veth`, `tun`, `bridge`…; empty for hardware and loopback. */
  readonly kind: string
  readonly mtu: number
  /** Administratively up. */
  readonly up: boolean
  /** Operational state: `up`, `down`, `unknown` (normal for loopback and TUN), `lower-layer-down`, `dormant`, `testing`, `not-present`. */
  readonly state: string
  readonly mac?: string
  /** Index of the bridge or VRF that it belongs to. */
  readonly controller?: number
  /** Index of the other end (veth) or the lower link, perhaps in another namespace. */
  readonly peer?: number
}

/** What to change on a link; what is left out stays. */
export interface LinkChange {
  readonly up?: boolean
  readonly mtu?: number
  readonly mac?: string
  /** New name; the link must be down on kernels before 6.2. */
  readonly name?: string
  /** Moves the link to this namespace. */
  readonly namespace?: NamespaceReference
  /** False: the kernel gives it no IPv6 link-local address of its own and sends no router solicitations for it. */
  readonly linkLocal?: boolean
}

/** A veth pair: two links joined like the ends of a cable. */
export interface VethOptions {
  readonly name: string
  /** Name of the other end. */
  readonly peer: string
  /** Where the other end is from its first moment on; beside this one if left out. */
  readonly peerNamespace?: NamespaceReference
  /** MTU of both ends, 1500 if left out. */
  readonly mtu?: number
  readonly mac?: string
  readonly peerMac?: string
}

/** Links of one namespace. */
export class Links {
  readonly #netlink: NativeNetlink

  /** @internal */
  constructor(netlink: NativeNetlink) {
    this.#netlink = netlink
  }

  list(): Promise<Link[]> {
    return callAsync(() => this.#netlink.links())
  }

  /** @throws LinuxError `ENODEV` when there is none */
  get(link: LinkReference): Promise<Link> {
    return callAsync(() => this.#netlink.link(link))
  }

  /**
   * Changes a link and returns it as it is then; one that was moved away, as it was before.
   *
   * @throws LinuxError `ENODEV` when there is none, `EINVAL` for an MTU that the link cannot have, `EEXIST` for a name that is taken
   */
  change(link: LinkReference, change: LinkChange): Promise<Link> {
    const { namespace, ...rest } = change
    const path = namespacePath(namespace)
    return callAsync(() => this.#netlink.changeLink(link, path === undefined ? rest : { ...rest, namespace: path }))
  }

  /** @throws LinuxError `ENODEV` when there is none */
  delete(link: LinkReference): Promise<void> {
    return callAsync(() => this.#netlink.deleteLink(link))
  }

  /**
   * Makes a veth pair in one request and returns the end that stays here. Both are down.
   *
   * @throws LinuxError `EEXIST` when a name is taken, `ENOENT` when the other namespace is not there
   */
  createVeth(options: VethOptions): Promise<Link> {
    const { peerNamespace, ...rest } = options
    const path = namespacePath(peerNamespace)
    return callAsync(() => this.#netlink.createVeth(path === undefined ? rest : { ...rest, peerNamespace: path }))
  }
}
