import { StrideTrie } from '@heddle/core'
import type { IpFamily } from '@heddle/wire'
import type { BlockMemory } from './block-memory.js'
import type { RouteRows } from './route-rows.js'
import type { RowLinks } from './row-list.js'

/** From this many routes on, a root of 16 bits, 256 KiB, pays for itself. */
const LARGE = 4096
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
  /** First row of those it has, or −1. */
  #list = -1
  #trie: StrideTrie | undefined
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
    if (this.#trie === undefined) return (this.#published = 0)
    const block = this.#memory.publish(this.#trie.words) + 1
    return (this.#published = (this.#trie.rootBits === 16 ? (block | LARGE_ROOT) >>> 0 : block) >>> 0)
  }

  /** Whether programs must be told of another root. */
  get isMoved(): boolean {
    if (this.#trie === undefined) return this.#published !== 0
    return (this.#published & ~LARGE_ROOT) !== this.#memory.blockOf(this.#trie.words) + 1
  }

  /** @throws FibFullError when the memory is full; then nothing has changed that a lookup could see */
  set(w0: number, w1: number, w2: number, w3: number, length: number, group: number): void {
    const before = this.#rows.find(this.vrf, this.family, w0, w1, w2, w3, length)
    if (before < 0 && this.size + 1 === LARGE) this.#enlarge()
    this.#insert(w0, w1, w2, w3, length, group, before < 0)
    if (before >= 0) this.#rows.setGroup(before, group)
    else this.#remember(this.#rows.add(this.vrf, this.family, w0, w1, w2, w3, length, group), length)
  }

  /** Takes a route over that has its row already. @throws FibFullError */
  restore(row: number): void {
    if (this.size + 1 === LARGE) this.#enlarge()
    const { w0, w1, w2, w3, length, group } = this.#rows.at(row)
    this.#insert(w0, w1, w2, w3, length, group, true)
    this.#remember(row, length)
  }

  /** Addresses fall to the next shorter prefix. Returns whether there was such a route. */
  delete(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    const row = this.#rows.find(this.vrf, this.family, w0, w1, w2, w3, length)
    if (row < 0) return false
    this.#list = this.#links.remove(this.#list, row)
    this.#rows.delete(row)
    this.#counts[length]--
    this.size--
    this.#setKey(w0, w1, w2, w3)
    this.#trie?.remove(this.#key, length, this.#cover(length))
    if (this.size === 0) this.clear()
    return true
  }

  /** Gives everything back. */
  clear(): void {
    for (let row = this.#list; row >= 0; row = this.#links.after(row)) this.#rows.delete(row)
    this.#list = -1
    this.#counts.fill(0)
    if (this.#trie !== undefined) this.#memory.release(this.#trie.words)
    this.#trie = undefined
    this.size = 0
  }

  #insert(w0: number, w1: number, w2: number, w3: number, length: number, group: number, isNew: boolean): void {
    this.#trie ??= new StrideTrie(8, this.#bits, this.#memory)
    this.#setKey(w0, w1, w2, w3)
    this.#trie.insert(this.#key, length, group, isNew)
  }

  #remember(row: number, length: number): void {
    this.#list = this.#links.add(this.#list, row)
    this.#counts[length]++
    this.size++
  }

  /** Builds the large form beside the compact one, which programs read until they are told. */
  #enlarge(): void {
    if (this.#trie === undefined || this.#trie.rootBits === 16) return
    const trie = new StrideTrie(16, this.#bits, this.#memory)
    for (let row = this.#list; row >= 0; row = this.#links.after(row)) {
      const { w0, w1, w2, w3, length, group } = this.#rows.at(row)
      trie.insert([w0, w1, w2, w3], length, group, true)
    }
    this.#memory.release(this.#trie.words)
    this.#trie = trie
  }

  /** The longest prefix shorter than `length` that covers the key. */
  #cover(length: number): { readonly length: number; readonly value: number } | undefined {
    const words = [...this.#key]
    for (let shorter = length - 1; shorter >= 0; shorter--) {
      if (this.#counts[shorter] === 0) continue
      const [w0, w1, w2, w3] = words.map((word, index) => cut(word, shorter - index * 32))
      const row = this.#rows.find(this.vrf, this.family, w0, w1, w2, w3, shorter)
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
