import type { IpAddress, IpPrefix } from '@heddle/wire'
import { type IpFamily } from '@heddle/wire'
import { heapMemory, type FibMemory } from './fib-memory.js'
import { HostTable } from './host-table.js'
import { NO_MATCH, StrideTrie } from './stride-trie.js'

/** From this many routes of a family on, a table's root takes 16 bits: 256 KiB that pay for themselves. */
const LARGE = 4096

/**
 * Longest-prefix match of one VRF, both families: (prefix) → value. A family starts compact, with its host routes in a hash and the rest in a trie
 * whose root takes 8 bits, and gets a root of 16 bits when it is large.
 */
export class FibTable {
  readonly #v4: FamilyTable
  readonly #v6: FamilyTable

  constructor(memory: FibMemory = heapMemory) {
    this.#v4 = new FamilyTable(32, memory)
    this.#v6 = new FamilyTable(128, memory)
  }

  /** Number of routes. */
  get size(): number {
    return this.#v4.size + this.#v6.size
  }

  /** Octets held, the writer's own included. */
  get byteLength(): number {
    return this.#v4.byteLength + this.#v6.byteLength
  }

  /**
   * Adds or replaces a route. Host bits must be zero.
   *
   * @param value 0–2^31-2
   * @returns the value that the route had, `NO_MATCH` (-1) for a new one
   */
  set(family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number): number {
    return this.#of(family).set(w0, w1, w2, w3, length, value)
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

  /** Value of the longest prefix that covers an IPv4 address, `NO_MATCH` (-1) without one. */
  lookup4(w0: number): number {
    return this.#v4.lookup4(w0)
  }

  /** Value of the longest prefix that covers an IPv6 address, `NO_MATCH` (-1) without one. */
  lookup6(w0: number, w1: number, w2: number, w3: number): number {
    return this.#v6.lookup6(w0, w1, w2, w3)
  }

  lookup(address: IpAddress): number {
    return address.family === 4 ? this.lookup4(address.w0) : this.lookup6(address.w0, address.w1, address.w2, address.w3)
  }

  /** Calls `visit` for every route, in no order. */
  forEach(visit: (family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, value: number) => void): void {
    this.#v4.forEach((w0, w1, w2, w3, length, value) => visit(4, w0, w1, w2, w3, length, value))
    this.#v6.forEach((w0, w1, w2, w3, length, value) => visit(6, w0, w1, w2, w3, length, value))
  }

  #of(family: IpFamily): FamilyTable {
    return family === 4 ? this.#v4 : this.#v6
  }
}

type Visit = (w0: number, w1: number, w2: number, w3: number, length: number, value: number) => void

/** One family of a table: the prefixes by length, and what lookups read. */
class FamilyTable {
  readonly #memory: FibMemory
  /** By length: prefix → value. The truth from which an entry is filled again when a longer prefix goes. */
  readonly #prefixes: (HostTable | undefined)[]
  /** Host routes, while lookups read them there and not in the trie. */
  #hosts: HostTable | undefined
  #trie: StrideTrie | undefined
  #key = new Uint32Array(4)
  size = 0

  constructor(
    readonly bits: 32 | 128,
    memory: FibMemory,
  ) {
    this.#memory = memory
    this.#prefixes = Array.from({ length: bits + 1 })
  }

  get byteLength(): number {
    return this.#prefixes.reduce((sum, prefixes) => sum + (prefixes?.byteLength ?? 0), this.#trie?.byteLength ?? 0)
  }

  set(w0: number, w1: number, w2: number, w3: number, length: number, value: number): number {
    this.#setKey(w0, w1, w2, w3)
    const prefixes = (this.#prefixes[length] ??= new HostTable(this.bits === 32 ? 1 : 4))
    const before = prefixes.set(this.#key, value)
    const isNew = before === NO_MATCH
    if (isNew) this.size++
    if (isNew && this.size === LARGE && this.#trie?.rootBits !== 16) this.#enlarge()
    else this.#program(length, value, isNew)
    return before
  }

  get(w0: number, w1: number, w2: number, w3: number, length: number): number {
    const prefixes = this.#prefixes[length]
    if (prefixes === undefined) return NO_MATCH
    return this.bits === 32 ? prefixes.get1(w0) : prefixes.get4(w0, w1, w2, w3)
  }

  delete(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    this.#setKey(w0, w1, w2, w3)
    if (this.#prefixes[length]?.delete(this.#key) !== true) return false
    this.size--
    if (length < this.bits || this.#trie?.rootBits === 16) this.#trie?.remove(this.#key, length, this.#cover(length))
    return true
  }

  lookup4(w0: number): number {
    if (this.#hosts !== undefined) {
      const value = this.#hosts.get1(w0)
      if (value >= 0) return value
    }
    return this.#trie === undefined ? NO_MATCH : this.#trie.lookup4(w0)
  }

  lookup6(w0: number, w1: number, w2: number, w3: number): number {
    if (this.#hosts !== undefined) {
      const value = this.#hosts.get4(w0, w1, w2, w3)
      if (value >= 0) return value
    }
    return this.#trie === undefined ? NO_MATCH : this.#trie.lookup6(w0, w1, w2, w3)
  }

  forEach(visit: Visit): void {
    this.#prefixes.forEach((prefixes, length) => {
      prefixes?.forEach((w0, w1, w2, w3, value) => visit(w0, w1, w2, w3, length, value))
    })
  }

  #program(length: number, value: number, isNew: boolean): void {
    if (length === this.bits && this.#trie?.rootBits !== 16) this.#hosts = this.#prefixes[length]
    else {
      this.#trie ??= new StrideTrie(8, this.bits, this.#memory)
      this.#trie.insert(this.#key, length, value, isNew)
    }
  }

  /** Builds the large form beside the compact one, then reads it. */
  #enlarge(): void {
    const trie = new StrideTrie(16, this.bits, this.#memory)
    const key = new Uint32Array(4)
    this.forEach((w0, w1, w2, w3, length, value) => {
      key[0] = w0
      key[1] = w1
      key[2] = w2
      key[3] = w3
      trie.insert(key, length, value, true)
    })
    this.#trie = trie
    this.#hosts = undefined
  }

  /** The longest prefix shorter than `length` that covers the current key. */
  #cover(length: number): { readonly length: number; readonly value: number } | undefined {
    const [w0, w1, w2, w3] = this.#key
    for (let shorter = length - 1; shorter >= 0; shorter--) {
      const prefixes = this.#prefixes[shorter]
      if (prefixes === undefined || prefixes.count === 0) continue
      const value = this.get(masked(w0, shorter), masked(w1, shorter - 32), masked(w2, shorter - 64), masked(w3, shorter - 96), shorter)
      if (value !== NO_MATCH) return { length: shorter, value }
    }
    return undefined
  }

  #setKey(w0: number, w1: number, w2: number, w3: number): void {
    this.#key[0] = w0
    this.#key[1] = w1
    this.#key[2] = w2
    this.#key[3] = w3
  }
}

/** The first `bits` bits of a word; none below 1, all from 32 on. */
function masked(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word : (word & ~(0xffff_ffff >>> bits)) >>> 0
}
