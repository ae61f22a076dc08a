import { inParts4, NO_MATCH, StrideTrie, type Prefixes4, type Values4 } from '@heddle/core'
import type { IpFamily } from '@heddle/wire'
import { FibFullError, type BlockMemory } from './block-memory.js'
import { HostRows } from './host-rows.js'
import { HostRowWriter } from './host-writer.js'
import type { RouteRows } from './route-rows.js'
import type { RowLinks } from './row-list.js'

/** From this many routes on, a root of 16 bits, 256 KiB, pays for itself. */
const LARGE = 4096
/** Rows that one call goes through; why, `fib/trie/near.ts` of core says, which keeps its own to itself. */
const AT_ONCE = 512
/** Length of an IPv4 host's prefix. */
const HOST4 = 32
/** Bit of a root that takes 16 bits of the address; see `bpf/lookup.h`. */
export const LARGE_ROOT = 0x8000_0000

/** What the FIBs of all VRFs have in common. */
export interface FibParts {
  readonly memory: BlockMemory
  readonly rows: RouteRows
  readonly links: RowLinks
}

/** One family of a VRF: the rows of its prefixes, and the trie that programs read. Addresses are signed words, an IPv4 address in the first. */
export class FamilyFib {
  readonly #memory: BlockMemory
  readonly #rows: RouteRows
  readonly #links: RowLinks
  readonly #bits: 32 | 128
  /** Prefixes of each length. */
  readonly #counts: Uint32Array
  /** Those that there are prefixes of, the longest first. */
  #lengths: readonly number[] = []
  /** First row of those that are no hosts, or −1. */
  #list = -1
  #trie: StrideTrie | undefined
  /** Rows of prefixes of full length. */
  #hosts = new HostRows()
  /** Why there was no room for the large form, and what memory had been given back until then: it is not built again for every route. */
  #refused: { readonly error: FibFullError; readonly given: number } | undefined
  /** Root that programs were told of. */
  #published = 0
  readonly #key = new Uint32Array(4)
  size = 0

  constructor(
    readonly vrf: number,
    readonly family: IpFamily,
    { memory, rows, links }: FibParts,
  ) {
    this.#memory = memory
    this.#rows = rows
    this.#links = links
    this.#bits = family === 4 ? 32 : 128
    this.#counts = new Uint32Array(this.#bits + 1)
  }

  /** The root as programs read it, which they are about to be told of. 0: no routes. */
  publish(): number {
    if (this.#trie === undefined) return 0
    const block = this.#memory.publish(this.#trie.words) + 1
    return this.#trie.rootBits === 16 ? (block | LARGE_ROOT) >>> 0 : block
  }

  /** Programs were told of the root that `publish` gave: nothing leads them to what the one before it was of. */
  told(root: number): void {
    const before = this.#published & ~LARGE_ROOT
    if (before !== 0 && before !== (root & ~LARGE_ROOT)) this.#memory.rest(before - 1)
    this.#published = root
  }

  /** Programs could not be told of the root that `publish` gave: unless it is the one that they know, they are led to nothing that it is of. */
  untold(root: number): void {
    const block = root & ~LARGE_ROOT
    if (block !== 0 && block !== (this.#published & ~LARGE_ROOT)) this.#memory.withhold(block - 1)
  }

  /** Whether programs must be told of another root. */
  get isMoved(): boolean {
    if (this.#trie === undefined) return this.#published !== 0
    return (this.#published & ~LARGE_ROOT) !== this.#memory.blockOf(this.#trie.words) + 1
  }

  /**
   * @returns the group that the prefix had, `NO_MATCH` for a new one
   * @throws FibFullError when the memory is full, or the rows; then nothing has changed that a lookup could see
   */
  set(w0: number, w1: number, w2: number, w3: number, length: number, group: number): number {
    const row = this.#rowOf(w0, w1, w2, w3, length)
    if (row < 0) {
      this.#insertNew(w0, w1, w2, w3, length, group)
      const added = this.#rows.add(this.vrf, this.family, w0, w1, w2, w3, length, group)
      this.#note(this.#ownTrie(), this.#hosts, added, length)
      this.#remember(added, length)
      return NO_MATCH
    }
    this.#insert(w0, w1, w2, w3, length, group, false)
    const before = this.#rows.groupOf(row)
    this.#rows.setGroup(row, group)
    return before
  }

  #insertNew(w0: number, w1: number, w2: number, w3: number, length: number, group: number): void {
    try {
      if (this.#rows.room === 0) throw this.#noRow()
      if (this.size + 1 === LARGE) this.#enlarge()
      this.#insert(w0, w1, w2, w3, length, group, true)
    } catch (error) {
      // A root without routes would keep its blocks for nothing.
      if (this.size === 0) this.clear()
      throw error
    }
  }

  #noRow(): FibFullError {
    return new FibFullError(`all ${this.#rows.capacity} rows of routes are taken`)
  }

  /**
   * As `set` of many IPv4 prefixes in turn, in a fraction of the time.
   *
   * @param told gets them part by part, with the group that each had, `NO_MATCH` for a new one
   * @throws FibFullError when the memory or the rows may not have room for all of them; then nothing has changed that a lookup could see
   */
  setAll4(routes: Values4, told: (part: Prefixes4) => void): void {
    const { length: count } = routes.lengths
    const { room } = this.#rows
    if (count > room && this.missing4(routes, room + 1) > room) throw this.#noRow()
    try {
      const trie = this.#trieFor(routes)
      trie.reserve4(routes)
      const hosts = new HostRowWriter(this.vrf, this.#rows, this.#hosts)
      inParts4(routes, (part) => {
        if (routes.hosts < count) this.#setPrefixes4(part)
        const before = hosts.total
        try {
          hosts.areAlike = true
          trie.insertAll4(part, hosts)
        } finally {
          this.#count(this.#bits, hosts.total - before)
        }
        part.areAlike = hosts.areAlike && routes.hosts === count
        told(part)
      })
    } catch (error) {
      // As in `#insertNew`: without routes, a root would keep its blocks for nothing.
      if (this.size === 0) this.clear()
      throw error
    }
  }

  /** Sets the prefixes of a part that are no hosts in their rows. */
  #setPrefixes4(part: Prefixes4): void {
    const { lengths, before } = part
    const added = this.#rows.setAll4(this.vrf, part)
    let next = 0
    for (let index = 0; index < lengths.length; index++)
      if (lengths[index] < HOST4 && before[index] === NO_MATCH) this.#remember(added[next++], lengths[index])
  }

  /** Row of a prefix, or −1. */
  #rowOf(w0: number, w1: number, w2: number, w3: number, length: number): number {
    if (length < this.#bits) return this.#rows.find(this.vrf, this.family, w0, w1, w2, w3, length)
    this.#setKey(w0, w1, w2, w3)
    const entry = this.#trie?.hostEntry(this.#key) ?? -1
    return entry < 0 ? -1 : this.#hosts.get(entry)
  }

  /** Lets the row of the key's prefix, which is in the trie, be found. */
  #note(trie: StrideTrie, hosts: HostRows, row: number, length: number): void {
    if (length === this.#bits) hosts.set(trie.hostEntry(this.#key), row)
  }

  /** The group of a prefix, `NO_MATCH` without one. */
  get(w0: number, w1: number, w2: number, w3: number, length: number): number {
    const row = this.#rowOf(w0, w1, w2, w3, length)
    return row < 0 ? NO_MATCH : this.#rows.groupOf(row)
  }

  forEach(visit: (w0: number, w1: number, w2: number, w3: number, length: number, group: number) => void): void {
    for (let row = this.#list; row >= 0; row = this.#links.after(row)) {
      const { w0, w1, w2, w3, length, group } = this.#rows.at(row)
      visit(w0, w1, w2, w3, length, group)
    }
    this.#trie?.forEachWhole((w0, w1, w2, w3, length, group) => {
      if (length === this.#bits) visit(w0, w1, w2, w3, length, group)
    })
  }

  /** Takes a route over that has its row already. @throws FibFullError */
  restore(row: number): void {
    if (this.size + 1 === LARGE) this.#enlarge()
    const { w0, w1, w2, w3, length, group } = this.#rows.at(row)
    this.#insert(w0, w1, w2, w3, length, group, true)
    this.#note(this.#ownTrie(), this.#hosts, row, length)
    this.#remember(row, length)
  }

  /** Addresses fall to the next shorter prefix. @returns the group that the prefix had, `NO_MATCH` without one */
  delete(w0: number, w1: number, w2: number, w3: number, length: number): number {
    const row = this.#rowOf(w0, w1, w2, w3, length)
    if (row < 0) return NO_MATCH
    const group = this.#rows.groupOf(row)
    this.#refused = undefined // it may need less room now
    if (length < this.#bits) this.#list = this.#links.remove(this.#list, row)
    this.#rows.delete(row)
    this.#count(length, -1)
    this.#setKey(w0, w1, w2, w3)
    this.#trie?.remove(this.#key, length, this.#cover(length))
    if (this.size === 0) this.clear()
    return group
  }

  /** As `delete` of many IPv4 prefixes: near ones together, which finds their words in the cache. @param told gets them part by part */
  deleteAll4(routes: Values4, told: (part: Prefixes4) => void): void {
    inParts4(routes, (part) => {
      const { addresses, lengths, before } = part
      for (let row = 0; row < addresses.length; row++) before[row] = this.delete(addresses[row] | 0, 0, 0, 0, lengths[row])
      told(part)
    })
  }

  /** Gives everything back. */
  clear(): void {
    for (let row = this.#list; row >= 0; row = this.#links.after(row)) this.#rows.delete(row)
    this.#forEachHost((row) => this.#rows.delete(row))
    this.#list = -1
    this.#counts.fill(0)
    this.#lengths = []
    if (this.#trie !== undefined) this.#memory.leave(this.#trie.words)
    this.#trie = undefined
    this.#refused = undefined
    this.#hosts = new HostRows()
    this.size = 0
  }

  #insert(w0: number, w1: number, w2: number, w3: number, length: number, group: number, isNew: boolean): void {
    this.#setKey(w0, w1, w2, w3)
    this.#ownTrie().insert(this.#key, length, group, isNew)
  }

  /** The trie in the form that fits when these prefixes are in it, too. */
  #trieFor(routes: Values4): StrideTrie {
    const more = LARGE - this.size
    if (this.#trie?.rootBits !== 16 && routes.lengths.length >= more && this.missing4(routes, more) >= more) this.#enlarge()
    return this.#ownTrie()
  }

  /** How many of many IPv4 prefixes are not there; one that is named twice counts twice. @param most about so many are counted, or all */
  missing4({ words, stride, lengths }: Values4, most: number): number {
    if (this.size === 0) return lengths.length
    let missing = 0
    for (let first = 0; first < lengths.length && missing < most; first += AT_ONCE) {
      const end = first + AT_ONCE
      missing += this.#missingAmong(words.subarray(first * stride, end * stride), stride, lengths.subarray(first, end))
    }
    return missing
  }

  #missingAmong(words: Uint32Array, stride: number, lengths: Uint8Array): number {
    const trie = this.#ownTrie()
    let missing = 0
    let block = -1
    let base = -1
    for (let row = 0; row < lengths.length; row++) {
      const address = words[row * stride] | 0
      if (lengths[row] < HOST4) {
        if (this.#rows.find(this.vrf, 4, address, 0, 0, 0, lengths[row]) < 0) missing++
        continue
      }
      if (address >>> 8 !== block) {
        block = address >>> 8
        base = trie.hostBlock4(address)
      }
      if (base < 0 || !trie.isHost(base + (address & 0xff))) missing++
    }
    return missing
  }

  #ownTrie(): StrideTrie {
    return (this.#trie ??= new StrideTrie(8, this.#bits, this.#memory))
  }

  #remember(row: number, length: number): void {
    if (length < this.#bits) this.#list = this.#links.add(this.#list, row)
    this.#count(length, 1)
  }

  /** There are so many more prefixes of a length. */
  #count(length: number, more: number): void {
    const counts = this.#counts
    const before = counts[length]
    counts[length] += more
    this.size += more
    if ((before === 0) !== (counts[length] === 0))
      this.#lengths = Array.from(counts.keys())
        .filter((one) => counts[one] > 0)
        .reverse()
  }

  /** Calls `visit` with the row of every host. */
  #forEachHost(visit: (row: number) => void): void {
    const [trie, hosts, key] = [this.#trie, this.#hosts, new Uint32Array(4)]
    trie?.forEachWhole((w0, w1, w2, w3, length) => {
      if (length < this.#bits) return
      key.set([w0, w1, w2, w3])
      visit(hosts.get(trie.hostEntry(key)))
    })
  }

  /** Builds the large form beside the compact one, which programs read until they are told. */
  #enlarge(): void {
    if (this.#trie?.rootBits === 16) return
    if (this.#refused?.given === this.#memory.given) throw this.#refused.error
    try {
      this.#buildLarge()
      this.#refused = undefined
    } catch (error) {
      if (error instanceof FibFullError) this.#refused = { error, given: this.#memory.given }
      throw error
    }
  }

  #buildLarge(): void {
    const trie = new StrideTrie(16, this.#bits, this.#memory)
    const hosts = new HostRows()
    try {
      const move = (row: number): void => {
        const { w0, w1, w2, w3, length, group } = this.#rows.at(row)
        this.#setKey(w0, w1, w2, w3)
        trie.insert(this.#key, length, group, true)
        this.#note(trie, hosts, row, length)
      }
      for (let row = this.#list; row >= 0; row = this.#links.after(row)) move(row)
      this.#forEachHost(move)
    } catch (error) {
      this.#memory.release(trie.words)
      throw error
    }
    if (this.#trie !== undefined) this.#memory.leave(this.#trie.words)
    this.#trie = trie
    this.#hosts = hosts
  }

  /** The longest prefix shorter than `length` that covers the key. */
  #cover(length: number): { readonly length: number; readonly value: number } | undefined {
    const [w0, w1, w2, w3] = this.#key
    for (const shorter of this.#lengths) {
      if (shorter >= length) continue
      const words = [cut(w0, shorter), cut(w1, shorter - 32), cut(w2, shorter - 64), cut(w3, shorter - 96)] as const
      const row = this.#rows.find(this.vrf, this.family, ...words, shorter)
      if (row >= 0) return { length: shorter, value: this.#rows.groupOf(row) }
    }
    return undefined
  }

  #setKey(w0: number, w1: number, w2: number, w3: number): void {
    const key = this.#key
    key[0] = w0
    key[1] = w1
    key[2] = w2
    key[3] = w3
  }
}

/** The first `bits` bits of a word, signed. */
function cut(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word | 0 : word & ~(0xffff_ffff >>> bits)
}
