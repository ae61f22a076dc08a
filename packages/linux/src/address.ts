import type { LinkReference } from './link.js'
import type { NativeNetlink } from './native/binding.js'
import { callAsync } from './native/call.js'

/** An address that a link has. */
export interface LinkAddress {
  /** Index of the link. */
  readonly index: number
  readonly address: string
  readonly prefixLength: number
  /** Address of the other end of a point-to-point link, where that differs. */
  readonly peer?: string
  /** Duplicate address detection is not over: the address cannot be used yet. */
  readonly tentative: boolean
  /** Set by configuration, without a lifetime. */
  readonly permanent: boolean
}

/** How to give a link an address. */
export interface AddAddressOptions {
  /** Address of the other end of a point-to-point link. */
  readonly peer?: string
  /** IPv6: usable at once, without duplicate address detection (`IFA_F_NODAD`). No effect on IPv4. */
  readonly noDad?: boolean
  /** Makes no route to the prefix. */
  readonly noPrefixRoute?: boolean
  /** Changes an address that is there already instead of refusing. */
  readonly replace?: boolean
}

/** Addresses of the links of one namespace. */
export class Addresses {
  readonly #netlink: NativeNetlink

  /** @internal */
  constructor(netlink: NativeNetlink) {
    this.#netlink = netlink
  }

  /**
   * Addresses of one link, or of all.
   *
   * @throws LinuxError `ENODEV` when there is no such link
   */
  list(link?: LinkReference): Promise<LinkAddress[]> {
    return callAsync(() => this.#netlink.addresses(link))
  }

  /**
   * @param prefix `address/length`; without a length it is a host's
   * @throws LinuxError `EEXIST` when the link has it, `ENODEV` when there is no such link, `EINVAL` when it is no address
   */
  add(link: LinkReference, prefix: string, options: AddAddressOptions = {}): Promise<void> {
    return callAsync(() => this.#netlink.addAddress(link, { ...options, address: prefix }))
  }

  /** @throws LinuxError `EADDRNOTAVAIL` when the link has no such address */
  delete(link: LinkReference, prefix: string): Promise<void> {
    return callAsync(() => this.#netlink.deleteAddress(link, prefix))
  }
}
