import { heapMemory, type FibMemory } from './fib-memory.js'

/** What a lookup gives where no prefix covers the address. */
export const NO_MATCH = -1

/** Bit that marks an entry as the index of a child block. */
const CHILD = 0x8000_0000
const BLOCK = 256

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
 */
export class StrideTrie {
  /** Entries, the root first; a new region after growth. */
  words: Uint32Array
  readonly #memory: FibMemory
  readonly #rootSize: number
  readonly #levels: readonly number[]
  /** Prefix length + 1 that an entry's value came from, 0 for none. */
  #lengths: Uint8Array
  /** Prefixes a block holds below itself or in itself; an empty block is given back. */
  #population: Uint32Array
  readonly #free: number[] = []
  #blocks = 0

  /** @param rootBits 8 or 16 @param bits 32 or 128 */
  constructor(
    readonly rootBits: 8 | 16,
    readonly bits: 32 | 128,
    memory: FibMemory = heapMemory,
  ) {
    this.#memory = memory
    this.#rootSize = 1 << rootBits
    this.#levels = [rootBits, ...Array.from({ length: (bits - rootBits) / 8 }, (_, index) => rootBits + 8 * (index + 1))]
    this.words = memory.grow(this.#rootSize)
    this.#lengths = new Uint8Array(this.#rootSize)
    this.#population = new Uint32Array(0)
  }

  /** Octets held, the writer's own included. */
  get byteLength(): number {
    return this.words.byteLength + this.#lengths.byteLength + this.#population.byteLength
  }

  /** @param key the address as words, most significant first @param value 0–2^31-2 */
  insert(key: ArrayLike<number>, length: number, value: number, isNew: boolean): void {
    let base = 0
    let level = 0
    let start = 0
    while (length > this.#levels[level]) {
      const entry = base + slice(key, start, this.#levels[level] - start)
      let child = this.words[entry]
      if ((child & CHILD) === 0) {
        child = (CHILD | this.#allocateFor(key, level, isNew, child, this.#lengths[entry])) >>> 0
        Atomics.store(this.words, entry, child)
      }
      const block = child & ~CHILD
      if (isNew) this.#population[block]++
      base = this.#baseOf(block)
      start = this.#levels[level]
      level++
    }
    const end = this.#levels[level]
    const span = 1 << (end - length)
    const first = base + slice(key, start, end - start)
    for (let entry = first; entry < first + span; entry++) this.#push(entry, length + 1, value + 1)
  }

  /** Removes a prefix that is there; what it covered falls to `cover`, the next shorter prefix, or to nothing. */
  remove(key: ArrayLike<number>, length: number, cover: { readonly length: number; readonly value: number } | undefined): void {
    const level = this.#levels.findIndex((bits) => length <= bits)
    const path = this.#pathTo(key, level)
    const last = path.at(-1)
    const base = last === undefined ? 0 : this.#baseOf(this.words[last] & ~CHILD)
    const start = level === 0 ? 0 : this.#levels[level - 1]
    const end = this.#levels[level]
    const span = 1 << (end - length)
    const first = base + slice(key, start, end - start)
    for (let entry = first; entry < first + span; entry++)
      this.#pull(entry, length + 1, cover === undefined ? 0 : cover.length + 1, cover === undefined ? 0 : cover.value + 1)
    this.#collapse(path)
  }

  /** Value of the longest prefix of an IPv4 address, or `NO_MATCH`. */
  lookup4(w0: number): number {
    const { words, rootBits } = this
    let entry = words[w0 >>> (32 - rootBits)]
    let shift = 24 - rootBits
    while ((entry & CHILD) !== 0) {
      entry = words[this.#rootSize + (entry & ~CHILD) * BLOCK + ((w0 >>> shift) & 0xff)]
      shift -= 8
    }
    return entry - 1
  }

  /** Value of the longest prefix of an IPv6 address, or `NO_MATCH`. */
  lookup6(w0: number, w1: number, w2: number, w3: number): number {
    const { words, rootBits } = this
    let entry = words[w0 >>> (32 - rootBits)]
    let bit = rootBits
    while ((entry & CHILD) !== 0) {
      const word = bit < 64 ? (bit < 32 ? w0 : w1) : bit < 96 ? w2 : w3
      entry = words[this.#rootSize + (entry & ~CHILD) * BLOCK + ((word >>> (24 - (bit & 31))) & 0xff)]
      bit += 8
    }
    return entry - 1
  }

  #baseOf(block: number): number {
    return this.#rootSize + block * BLOCK
  }

  /** Gives `length`'s value to an entry and everything below it that no longer prefix has. */
  #push(entry: number, length: number, value: number): void {
    const word = this.words[entry]
    if ((word & CHILD) !== 0) {
      const at = this.#baseOf(word & ~CHILD)
      for (let below = at; below < at + BLOCK; below++) this.#push(below, length, value)
    } else if (this.#lengths[entry] <= length) {
      this.#lengths[entry] = length
      // A value leads nowhere, so that no order counts: a plain store, which is whole as it is aligned.
      this.words[entry] = value
    }
  }

  /** Takes `length`'s value from an entry and everything below it. */
  #pull(entry: number, length: number, coverLength: number, coverValue: number): void {
    const word = this.words[entry]
    if ((word & CHILD) !== 0) {
      const at = this.#baseOf(word & ~CHILD)
      for (let below = at; below < at + BLOCK; below++) this.#pull(below, length, coverLength, coverValue)
    } else if (this.#lengths[entry] === length) {
      this.#lengths[entry] = coverLength
      Atomics.store(this.words, entry, coverValue)
    }
  }

  /** As `#allocate`, for a prefix that is counted in the blocks of `level` levels already; it is taken out of them when there is no room. */
  #allocateFor(key: ArrayLike<number>, level: number, isNew: boolean, word: number, length: number): number {
    try {
      return this.#allocate(word, length)
    } catch (error) {
      this.#collapse(this.#pathTo(key, isNew ? level : 0))
      throw error
    }
  }

  /** Entries above the blocks of `levels` levels on the way of a key; each block counts a prefix less. */
  #pathTo(key: ArrayLike<number>, levels: number): number[] {
    const path: number[] = []
    let base = 0
    let start = 0
    for (const end of this.#levels.slice(0, levels)) {
      const entry = base + slice(key, start, end - start)
      const block = this.words[entry] & ~CHILD
      path.push(entry)
      this.#population[block]--
      base = this.#baseOf(block)
      start = end
    }
    return path
  }

  /** Gives back the blocks below the entries of a path that hold nothing any more, from the bottom up. */
  #collapse(path: number[]): void {
    for (const entry of path.reverse()) {
      const block = this.words[entry] & ~CHILD
      if (this.#population[block] > 0) break
      // Nothing below is more specific: every entry of the block says the same.
      const at = this.#baseOf(block)
      this.#lengths[entry] = this.#lengths[at]
      Atomics.store(this.words, entry, this.words[at])
      this.#free.push(block)
    }
  }

  /** A block whose entries all say `word`. */
  #allocate(word: number, length: number): number {
    const free = this.#free.pop()
    const block = free ?? this.#blocks
    const end = this.#baseOf(block) + BLOCK
    if (end > this.words.length) {
      const blocks = Math.max(4, (block + 1) * 2)
      const words = this.#rootSize + blocks * BLOCK
      this.words = this.#memory.grow(words, this.words)
      const lengths = new Uint8Array(words)
      lengths.set(this.#lengths)
      this.#lengths = lengths
      const population = new Uint32Array(blocks)
      population.set(this.#population)
      this.#population = population
    }
    if (free === undefined) this.#blocks++ // only now: memory that does not grow any more throws
    this.words.fill(word, end - BLOCK, end)
    this.#lengths.fill(length, end - BLOCK, end)
    this.#population[block] = 0
    return block
  }
}

/** `count` bits of a key from bit `start` on; 16 at most, and never across two words. */
function slice(key: ArrayLike<number>, start: number, count: number): number {
  return (key[start >>> 5] >>> (32 - (start & 31) - count)) & ((1 << count) - 1)
}
