import type { AddAddressOptions } from './address.js'
import type { NativeLinkSetup } from './native/binding.js'

/** An address that a link shall have. */
export interface SetupAddress extends AddAddressOptions {
  /** `address/length`; without a length it is a host's. */
  readonly address: string
}

/** What a link shall be; what is left out stays. */
export interface LinkSetup {
  /** Octets. */
  readonly mtu?: number
  /**
   * Octets of the largest segment that senders make for it, as far as its driver takes them, of which the kernel takes some 300 for headers: of IPv6 (above
   * 65,536 since Linux 5.19), and of IPv4 too up to 65,536.
   */
  readonly gsoMaxSize?: number
  /** As `gsoMaxSize`, of IPv4 (Linux 6.3; older ones pass it over). */
  readonly gsoIpv4MaxSize?: number
  /** False: the kernel gives it no IPv6 link-local address of its own and sends no router solicitations for it. */
  readonly linkLocal?: boolean
  /** False: it does not ask for the link-layer addresses of neighbours (`IFF_NOARP`): whoever is at the other end takes every frame. */
  readonly resolves?: boolean
  /** Addresses that it shall have. IPv6 ones are usable at once, unless `noDad: false` says otherwise. */
  readonly addresses?: readonly (string | SetupAddress)[]
  /** Whether it shall have no other addresses, but for link-local ones; false if left out. */
  readonly onlyThese?: boolean
  /**
   * Destinations that are sent to it. The link that was the first to have one in its namespace keeps it: another one has it behind that, with a metric
   * of its own, for packets that are bound to it, and for all when the first link goes.
   */
  readonly routes?: readonly string[]
  /** Sets it up, before its routes. */
  readonly up?: boolean
}

/** @internal @param replace whether addresses may be there; true if left out */
export function nativeSetup(setup: LinkSetup, replace = true): NativeLinkSetup {
  const { addresses = [], routes = [], ...rest } = setup
  return {
    ...rest,
    addresses: addresses.map((entry) => ({ noDad: true, replace, ...(typeof entry === 'string' ? { address: entry } : entry) })),
    routes: [...routes],
  }
}
