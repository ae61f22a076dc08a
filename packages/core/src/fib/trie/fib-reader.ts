import type { IpAddress } from '@heddle/wire'
import { hostValue4, hostValue6 } from './host-table.js'
import { LARGE_ROOT_BITS, largeValue4, NO_MATCH, trieValue4, trieValue6 } from './stride-trie.js'

/** Where the routes of one family lie that look-ups read. */
export interface FamilyRegions {
  /** Rows of the host routes, as in a `HostTable`; undefined where they are in the trie. */
  readonly hosts: Uint32Array | undefined
  /** Number of the rows, a power of two, less one. */
  readonly hostMask: number
  /** Words of the trie; undefined where there is none. */
  readonly trie: Uint32Array | undefined
  readonly rootBits: 8 | 16
}

/** Where the routes of a VRF lie: what a reader on another thread is told, and told again when it has changed. */
export interface FibRegions {
  readonly v4: FamilyRegions
  readonly v6: FamilyRegions
}

/** Regions of no routes. */
export const NO_REGIONS: FamilyRegions = { hosts: undefined, hostMask: 0, trie: undefined, rootBits: 8 }

/** Looks up what a `FibTable` writes, on this thread or on another. */
export class FibReader {
  #v4 = NO_REGIONS
  #v6 = NO_REGIONS

  /** What is read from now on; before, there are no routes. */
  load({ v4, v6 }: FibRegions): void {
    this.#v4 = v4
    this.#v6 = v6
  }

  /** Value of the longest prefix that covers an IPv4 address, `NO_MATCH` (-1) without one. */
  lookup4(w0: number): number {
    return lookupIn4(this.#v4, w0)
  }

  /** Value of the longest prefix that covers an IPv6 address, `NO_MATCH` (-1) without one. */
  lookup6(w0: number, w1: number, w2: number, w3: number): number {
    return lookupIn6(this.#v6, w0, w1, w2, w3)
  }

  lookup(address: IpAddress): number {
    return address.family === 4 ? this.lookup4(address.w0) : this.lookup6(address.w0, address.w1, address.w2, address.w3)
  }
}

/** Value of the longest prefix of an IPv4 address, signed or not, or `NO_MATCH`. */
export function lookupIn4(regions: FamilyRegions, w0: number): number {
  const { trie } = regions
  // Little enough to be compiled into what looks up.
  return trie !== undefined && regions.rootBits === LARGE_ROOT_BITS ? largeValue4(trie, w0) : lookupInCompact4(regions, w0)
}

function lookupInCompact4({ hosts, hostMask, trie, rootBits }: FamilyRegions, w0: number): number {
  if (hosts !== undefined) {
    const value = hostValue4(hosts, hostMask, w0)
    if (value >= 0) return value
  }
  return trie === undefined ? NO_MATCH : trieValue4(trie, rootBits, w0)
}

/** As `lookupIn4`, of an IPv6 address. */
export function lookupIn6({ hosts, hostMask, trie, rootBits }: FamilyRegions, w0: number, w1: number, w2: number, w3: number): number {
  if (hosts !== undefined) {
    const value = hostValue6(hosts, hostMask, w0, w1, w2, w3)
    if (value >= 0) return value
  }
  return trie === undefined ? NO_MATCH : trieValue6(trie, rootBits, w0, w1, w2, w3)
}
