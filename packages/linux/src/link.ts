import { nativeSetup, type LinkSetup } from './link-setup.js'
import type { NativeNetlink } from './native/binding.js'
import { callAsync } from './native/call.js'
import { namespacePath, type NamespaceReference } from './network-namespace.js'

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
  /** Index of the other end (veth, netkit) or the lower link, perhaps in another namespace. */
  readonly peer?: number
  /** Octets of the largest segment that senders make for it: of IPv6, and before Linux 6.3 of IPv4. */
  readonly gsoMaxSize?: number
  /** As `gsoMaxSize`, of IPv4 (Linux 6.3). */
  readonly gsoIpv4MaxSize?: number
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

/** A pair of links joined like the ends of a cable. */
export interface VethOptions {
  /**
   * `netkit` (Linux 6.7): a pair for programs, which see what the other end sends as it leaves it. Until one is attached that goes nowhere. `veth` if left
   * out.
   */
  readonly kind?: 'veth' | 'netkit'
  readonly name: string
  /** Name of the other end. */
  readonly peer: string
  /** Where the other end is from its first moment on; beside this one if left out. */
  readonly peerNamespace?: NamespaceReference
  /** MTU of both ends, 1500 if left out. */
  readonly mtu?: number
  readonly mac?: string
  readonly peerMac?: string
  /** What this end shall be besides. */
  readonly setup?: LinkSetup
  /** What the other end shall be besides. */
  readonly peerSetup?: LinkSetup
}

/** A pair as it was made. */
export interface VethEnds {
  /** The end that stays here. */
  readonly end: Link
  readonly peer: Link
}

/** A pair as it is set up. */
export interface RaiseVethOptions {
  /** Where the other end is; beside this one if left out. */
  readonly peerNamespace?: NamespaceReference
  /** Destinations that are sent to the other end; see `LinkSetup.routes`. */
  readonly peerRoutes?: readonly string[]
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

  /**
   * Makes a link what it shall be, in one call instead of one for each change, and returns it as it is then.
   *
   * @throws LinuxError as `change`, and as `add` of addresses and routes; then some of it may be done
   */
  setUp(link: LinkReference, setup: LinkSetup): Promise<Link> {
    return callAsync(() => this.#netlink.setUpLink(link, nativeSetup(setup)))
  }

  /** @throws LinuxError `ENODEV` when there is none */
  delete(link: LinkReference): Promise<void> {
    return callAsync(() => this.#netlink.deleteLink(link))
  }

  /**
   * Makes a veth pair, or one of netkit. Both ends are down unless they are set up otherwise. On an error nothing of it stays.
   *
   * @throws LinuxError `EEXIST` when a name is taken, `ENOENT` when the other namespace is not there, `EOPNOTSUPP` without netkit; as `setUp`
   */
  createVeth(options: VethOptions): Promise<VethEnds> {
    const { kind, peerNamespace, setup = {}, peerSetup = {}, ...rest } = options
    const path = namespacePath(peerNamespace)
    const spec = { ...rest, isNetkit: kind === 'netkit', setup: nativeSetup(setup), peerSetup: nativeSetup(peerSetup) }
    return callAsync(() => this.#netlink.createVeth(path === undefined ? spec : { ...spec, peerNamespace: path }))
  }

  /**
   * Sets a pair up by the indexes of its ends, in one call: the other end last, so that it finds this one up, and addresses of IPv6 are usable at once there.
   *
   * @throws LinuxError `ENODEV` when an end is not there, `ENOENT` when the other namespace is not; then one of them may be up
   */
  raiseVeth(end: number, peer: number, { peerNamespace, peerRoutes = [] }: RaiseVethOptions = {}): Promise<void> {
    const path = namespacePath(peerNamespace)
    return callAsync(() => this.#netlink.raiseVeth(end, peer, path, [...peerRoutes]))
  }
}
