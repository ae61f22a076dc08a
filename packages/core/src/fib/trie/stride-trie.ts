import { heapMemory, type FibMemory } from './fib-memory.js'
import { insertMany4, pushValue, type HostWriter } from './insert-many.js'
import { missingBlocks4 } from './missing-blocks.js'
import type { Prefixes4, Values4 } from './near.js'
import { BLOCK, BLOCK_BITS, CHILD, TrieBlocks } from './trie-blocks.js'
import { visitWhole, type VisitWhole } from './whole-prefixes.js'

/** What a lookup gives where no prefix covers the address. */
export const NO_MATCH = -1

/** Bits of the root of a large table. */
export const LARGE_ROOT_BITS = 16

/** Entries above the blocks on the way of a key, for one change at a time: of 128 bits, 15 at most. */
const path = new Uint32Array(16)

/** A prefix to which addresses fall. */
export interface Cover {
  readonly length: number
  readonly value: number
}

/**
 * Multibit trie with leaf pushing: each level takes a fixed number of bits (16-8-8 for a large IPv4 table, 8-8-8-8 for a small one), and each entry
 * is empty, a value, or the index of a child block. A lookup reads at most one word a level and never goes back.
 *
 *     entry   0                 no prefix covers this address
 *             value + 1         0–2^31-2, the value of the longest prefix
 *             CHILD | index     go on in the block of 256 entries that starts at rootSize + index * 256
 *
 * A block is filled before its index is stored, so that a reader beside the writer sees the table before or after a change and nothing in between. Prefix
 * lengths of entries, which only the writer needs, lie in memory of their own.
 *
 * A prefix that ends where a level does is *whole*: the trie itself knows whether it is there. Of others its writer has to know.
 */
export class StrideTrie {
  readonly #blocks: TrieBlocks
  readonly #levels: readonly number[]

  /** @param rootBits 8 or 16 @param bits 32 or 128 */
  constructor(
    readonly rootBits: 8 | 16,
    readonly bits: 32 | 128,
    memory: FibMemory = heapMemory,
  ) {
    this.#levels = [rootBits, ...Array.from({ length: (bits - rootBits) / 8 }, (_, index) => rootBits + 8 * (index + 1))]
    this.#blocks = new TrieBlocks(rootBits, memory)
  }

  /** Entries, the root first; a new region after growth. */
  get words(): Uint32Array {
    return this.#blocks.words
  }

  /** Octets held, the writer's own included. */
  get byteLength(): number {
    return this.#blocks.byteLength
  }

  /** @param key the address as words, most significant first @param value 0–2^31-2 */
  insert(key: ArrayLike<number>, length: number, value: number, isNew: boolean): void {
    let base = 0
    let level = 0
    let start = 0
    while (length > this.#levels[level]) {
      const end = this.#levels[level]
      const entry = base + slice(key, start, end - start)
      const child = this.#blocks.words[entry]
      const block = (child & CHILD) === 0 ? this.#splitFor(key, level, isNew, entry) : child & ~CHILD
      if (isNew) this.#blocks.population[block]++
      base = this.#blocks.baseOf(block)
      start = end
      level++
    }
    const end = this.#levels[level]
    const span = 1 << (end - length)
    const first = base + slice(key, start, end - start)
    if (length === end) this.#own(first, value + 1)
    for (let entry = first; entry < first + span; entry++) pushValue(this.#blocks, entry, length + 1, value + 1)
  }

  /**
   * As `insert` of many IPv4 prefixes, for which there must be room: those of one block in a row find their way once.
   *
   * @param prefixes `before` says which are new, and is told of those that are whole
   * @param hosts sets the hosts among them
   * @returns how many are new
   */
  insertAll4(prefixes: Prefixes4, hosts?: HostWriter): number {
    return insertMany4(this.#blocks, this.#levels, prefixes, hosts)
  }

  /** Value of a whole prefix, `NO_MATCH` without one. */
  wholeValue(key: ArrayLike<number>, length: number): number {
    const { words, lengths, own } = this.#blocks
    let base = 0
    let start = 0
    for (const end of this.#levels) {
      const entry = base + slice(key, start, end - start)
      const word = words[entry]
      const isChild = (word & CHILD) !== 0
      if (end === length) return isChild ? own[word & ~CHILD] - 1 : lengths[entry] === length + 1 ? word - 1 : NO_MATCH
      if (!isChild) break
      base = this.#blocks.baseOf(word & ~CHILD)
      start = end
    }
    return NO_MATCH
  }

  /** The longest whole prefix shorter than `length` that covers a key. */
  wholeCover(key: ArrayLike<number>, length: number): Cover | undefined {
    const { words, lengths, own } = this.#blocks
    let found: Cover | undefined
    let base = 0
    let start = 0
    for (const end of this.#levels) {
      if (end >= length) break
      const entry = base + slice(key, start, end - start)
      const word = words[entry]
      const isChild = (word & CHILD) !== 0
      if (isChild ? own[word & ~CHILD] !== 0 : lengths[entry] === end + 1)
        found = { length: end, value: (isChild ? own[word & ~CHILD] : word) - 1 }
      if (!isChild) break
      base = this.#blocks.baseOf(word & ~CHILD)
      start = end
    }
    return found
  }

  /** Calls `visit` for every whole prefix. */
  forEachWhole(visit: VisitWhole): void {
    visitWhole(this.#blocks, this.#levels, visit)
  }

  /** Entry of a prefix of full length, −1 without one: it is its own until it is removed, wherever the region moves to. */
  hostEntry(key: ArrayLike<number>): number {
    const { words, lengths } = this.#blocks
    let base = 0
    let start = 0
    for (const end of this.#levels) {
      const entry = base + slice(key, start, end - start)
      const word = words[entry]
      if (end === this.bits) return lengths[entry] === this.bits + 1 ? entry : -1
      if ((word & CHILD) === 0) return -1
      base = this.#blocks.baseOf(word & ~CHILD)
      start = end
    }
    return -1
  }

  /** Entry of the first address of an IPv4 host's block, −1 where there is no such block. */
  hostBlock4(w0: number): number {
    const { words } = this.#blocks
    const last = this.#levels.length - 1
    let base = 0
    let start = 0
    for (let level = 0; level < last; level++) {
      const end = this.#levels[level]
      const word = words[base + ((w0 << start) >>> (32 - end + start))]
      if ((word & CHILD) === 0) return -1
      base = this.#blocks.baseOf(word & ~CHILD)
      start = end
    }
    return base
  }

  /** Whether an entry that full addresses lead to is that of a prefix of full length. */
  isHost(entry: number): boolean {
    return this.#blocks.lengths[entry] === this.bits + 1
  }

  /** Removes a prefix that is there; what it covered falls to `cover`, the next shorter prefix, or to nothing. */
  remove(key: ArrayLike<number>, length: number, cover: Cover | undefined): void {
    let level = 0
    while (length > this.#levels[level]) level++
    this.#takePath(key, level)
    const base = level === 0 ? 0 : this.#blocks.baseOf(this.words[path[level - 1]] & ~CHILD)
    const start = level === 0 ? 0 : this.#levels[level - 1]
    const end = this.#levels[level]
    const span = 1 << (end - length)
    const first = base + slice(key, start, end - start)
    if (length === end) this.#own(first, 0)
    for (let entry = first; entry < first + span; entry++)
      this.#pull(entry, length + 1, cover === undefined ? 0 : cover.length + 1, cover === undefined ? 0 : cover.value + 1)
    this.#collapse(level)
  }

  /** Value of the longest prefix of an IPv4 address, or `NO_MATCH`. */
  lookup4(w0: number): number {
    return trieValue4(this.words, this.rootBits, w0)
  }

  /** Value of the longest prefix of an IPv6 address, or `NO_MATCH`. */
  lookup6(w0: number, w1: number, w2: number, w3: number): number {
    return trieValue6(this.words, this.rootBits, w0, w1, w2, w3)
  }

  /** Makes room for many IPv4 prefixes, whatever of their way is there already: they find it then. */
  reserve4(prefixes: Values4): void {
    this.#blocks.reserve(missingBlocks4(this.words, this.#levels.slice(0, -1), prefixes))
  }

  /** Notes the prefix that is all of an entry, if a block is below it. */
  #own(entry: number, word: number): void {
    const child = this.words[entry]
    if ((child & CHILD) !== 0) this.#blocks.own[child & ~CHILD] = word
  }

  /** Takes `length`'s value from an entry and everything below it. */
  #pull(entry: number, length: number, coverLength: number, coverValue: number): void {
    const { words, lengths } = this.#blocks
    const word = words[entry]
    if ((word & CHILD) !== 0) {
      const at = this.#blocks.baseOf(word & ~CHILD)
      for (let below = at; below < at + BLOCK; below++) this.#pull(below, length, coverLength, coverValue)
    } else if (lengths[entry] === length) {
      lengths[entry] = coverLength
      Atomics.store(words, entry, coverValue)
    }
  }

  /** A block below an entry, for a prefix that is counted in the blocks of `level` levels already; it is taken out of them when there is no room. */
  #splitFor(key: ArrayLike<number>, level: number, isNew: boolean, entry: number): number {
    try {
      return this.#blocks.split(entry, this.#levels[level] + 1)
    } catch (error) {
      const levels = isNew ? level : 0
      this.#takePath(key, levels)
      this.#collapse(levels)
      throw error
    }
  }

  /** Notes the path of a key: the entries above the blocks of `levels` levels, each of which counts a prefix less. */
  #takePath(key: ArrayLike<number>, levels: number): void {
    let base = 0
    let start = 0
    for (let level = 0; level < levels; level++) {
      const end = this.#levels[level]
      const entry = base + slice(key, start, end - start)
      const block = this.words[entry] & ~CHILD
      path[level] = entry
      this.#blocks.population[block]--
      base = this.#blocks.baseOf(block)
      start = end
    }
  }

  /** Gives back the blocks below the first `levels` entries of the path that hold nothing any more, from the bottom up. */
  #collapse(levels: number): void {
    for (let level = levels - 1; level >= 0; level--) {
      if (this.#blocks.population[this.words[path[level]] & ~CHILD] > 0) break
      this.#blocks.join(path[level]) // nothing below is more specific
    }
  }
}

/** Value of the longest prefix of an IPv4 address in a trie's words, or `NO_MATCH`. @param rootBits 8 or 16 */
export function trieValue4(words: Uint32Array, rootBits: number, w0: number): number {
  // As a signed number a child is a negative one, which costs no conversion to floating point.
  let entry = words[w0 >>> (32 - rootBits)] | 0
  // The bit that marks a child is shifted out.
  for (let shift = 24 - rootBits; entry < 0; shift -= 8) {
    entry = words[((1 << rootBits) + (entry << BLOCK_BITS) + ((w0 >>> shift) & 0xff)) >>> 0] | 0
  }
  return entry - 1
}

/**
 * As `trieValue4`, behind a root of 16 bits: where most packets are looked up, so that it is as little code as can be. In numbers, as a constant of a module
 * is a variable of its bundle, by which shifts take longer.
 */
export function largeValue4(words: Uint32Array, w0: number): number {
  let entry = words[w0 >>> 16] | 0
  if (entry < 0) {
    entry = words[((0x1_0000 + (entry << 8)) | ((w0 >>> 8) & 0xff)) >>> 0] | 0
    if (entry < 0) entry = words[((0x1_0000 + (entry << 8)) | (w0 & 0xff)) >>> 0] | 0
  }
  return entry - 1
}

/** As `trieValue4`, of an IPv6 address. */
export function trieValue6(words: Uint32Array, rootBits: number, w0: number, w1: number, w2: number, w3: number): number {
  let entry = words[w0 >>> (32 - rootBits)] | 0
  for (let bit = rootBits; entry < 0; bit += 8) {
    const word = bit < 64 ? (bit < 32 ? w0 : w1) : bit < 96 ? w2 : w3
    entry = words[((1 << rootBits) + (entry << BLOCK_BITS) + ((word >>> (24 - (bit & 31))) & 0xff)) >>> 0] | 0
  }
  return entry - 1
}

/** `count` bits of a key from bit `start` on; 16 at most, and never across two words. */
function slice(key: ArrayLike<number>, start: number, count: number): number {
  return (key[start >>> 5] >>> (32 - (start & 31) - count)) & ((1 << count) - 1)
}
