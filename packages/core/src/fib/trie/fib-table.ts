import type { IpAddress, IpFamily, IpPrefix } from '@heddle/wire'
import { FamilyTable } from './family-table.js'
import { heapMemory, type FibMemory } from './fib-memory.js'
import { lookupIn4, lookupIn6, type FamilyRegions, type FibRegions } from './fib-reader.js'
import type { Prefixes4, Values4 } from './near.js'

/**
 * Longest-prefix match of one VRF, both families: (prefix) → value. A family starts compact, with its host routes in a hash and the rest in a trie
 * whose root takes 8 bits, and gets a root of 16 bits when it is large.
 */
export class FibTable {
  readonly #v4: FamilyTable
  readonly #v6: FamilyTable
  /** What look-ups of each family read. */
  #regions4: FamilyRegions
  #regions6: FamilyRegions

  constructor(memory: FibMemory = heapMemory) {
    this.#v4 = new FamilyTable(32, memory)
    this.#v6 = new FamilyTable(128, memory)
    this.#regions4 = this.#v4.regions
    this.#regions6 = this.#v6.regions
  }

  /** Number of routes. */
  get size(): number {
    return this.#v4.size + this.#v6.size
  }

  /** Octets held, the writer's own included. */
  get byteLength(): number {
    return this.#v4.byteLength + this.#v6.byteLength
  }

  /** Where a `FibReader` finds the routes; its members are other objects when they lie elsewhere. */
  get regions(): FibRegions {
    return { v4: this.#regions4, v6: this.#regions6 }
  }

  /**
   * Adds or replaces a route. Host bits must be zero.
   *
   * @param value 0–2^31-2
   * @returns the value that the route had, `NO_MATCH` (-1) for a new one
   * @throws what the table's memory throws when it grows no more; then the table is as it was
   */
  set(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number): number {
    try {
      return this.#of(family).set(w0, w1, w2, w3, length, value)
    } finally {
      this.#follow()
    }
  }

  /**
   * As `set` for many IPv4 routes, one after the other, in a fraction of the time.
   *
   * @param told gets them part by part, near ones together and equal ones in their order, with what `set` returns of each as `before`; the part is
   * another one behind the call
   * @throws what the table's memory throws when it grows no more, before anything was told; then the table is as it was
   */
  setAll4(routes: Values4, told: (part: Prefixes4) => void): void {
    try {
      this.#v4.setAll4(routes, told)
    } finally {
      this.#follow()
    }
  }

  /** Value of exactly this prefix, `NO_MATCH` (-1) without a route. */
  get(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): number {
    return this.#of(family).get(w0, w1, w2, w3, length)
  }

  /** Removes a route; addresses fall to the next shorter prefix. Returns whether it was there. */
  delete(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    return this.#of(family).delete(w0, w1, w2, w3, length)
  }

  /** As `set`, from a prefix. */
  setPrefix({ address, length }: IpPrefix, value: number): void {
    this.set(address.family, address.w0, address.w1, address.w2, address.w3, length, value)
  }

  /** As `delete`, from a prefix. */
  deletePrefix({ address, length }: IpPrefix): boolean {
    return this.delete(address.family, address.w0, address.w1, address.w2, address.w3, length)
  }

  /** Value of the longest prefix that covers an IPv4 address, `NO_MATCH` (-1) without one. @param w0 signed or not */
  lookup4(w0: number): number {
    return lookupIn4(this.#regions4, w0)
  }

  /** Value of the longest prefix that covers an IPv6 address, `NO_MATCH` (-1) without one. */
  lookup6(w0: number, w1: number, w2: number, w3: number): number {
    return lookupIn6(this.#regions6, w0, w1, w2, w3)
  }

  lookup(address: IpAddress): number {
    return address.family === 4 ? this.lookup4(address.w0) : this.lookup6(address.w0, address.w1, address.w2, address.w3)
  }

  /** Calls `visit` for every route, in no order. */
  forEach(visit: (family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number) => void): void {
    this.#v4.forEach((w0, w1, w2, w3, length, value) => visit(4, w0, w1, w2, w3, length, value))
    this.#v6.forEach((w0, w1, w2, w3, length, value) => visit(6, w0, w1, w2, w3, length, value))
  }

  #follow(): void {
    this.#regions4 = this.#v4.regions
    this.#regions6 = this.#v6.regions
  }

  #of(family: IpFamily): FamilyTable {
    return family === 4 ? this.#v4 : this.#v6
  }
}
