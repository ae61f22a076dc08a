import { heapMemory, type FibMemory } from './fib-memory.js'
import { missingBlocks4 } from './missing-blocks.js'
import type { Prefixes4 } from './near.js'
import { visitHosts, type VisitHost } from './trie-hosts.js'

/** What a lookup gives where no prefix covers the address. */
export const NO_MATCH = -1

/** Bit that marks an entry as the index of a child block. */
const CHILD = 0x8000_0000
const BLOCK_BITS = 8
const BLOCK = 1 << BLOCK_BITS
/** IPv4 prefixes that are longer lie in blocks of the last level, whose entries have nothing below them. */
const LAST_LEVEL4 = 24
/** What the writer keeps of an entry that is an IPv4 host's. */
const HOST4 = 33

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
  /** Blocks that readers may be on their way through, each behind the moment when it was left. */
  readonly #resting: number[] = []
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

  /** As `insert` of many IPv4 prefixes: those of one block in a row find their way once. */
  insertAll4({ addresses, lengths, values, before }: Prefixes4): void {
    const key = new Uint32Array(1)
    for (let row = 0; row < addresses.length;) {
      key[0] = addresses[row]
      this.insert(key, lengths[row], values[row], before[row] === NO_MATCH)
      row++
      if (lengths[row - 1] > LAST_LEVEL4) row = this.#insertBeside(key, row, addresses, lengths, values, before)
    }
  }

  /** Inserts the rows from `row` on whose last block is that of the key, which is there; returns the first of another. */
  #insertBeside(
    key: Uint32Array,
    row: number,
    addresses: Uint32Array,
    lengths: Uint8Array,
    values: Uint32Array,
    before: Int32Array,
  ): number {
    const above = key[0] >>> 8
    if (row >= addresses.length || addresses[row] >>> 8 !== above) return row
    const path = new Uint32Array(this.#levels.length - 1)
    const base = this.#findBlocks(key, path)
    const { words } = this
    const sources = this.#lengths
    let added = 0
    for (; row < addresses.length && addresses[row] >>> 8 === above && lengths[row] > LAST_LEVEL4; row++) {
      if (before[row] === NO_MATCH) added++
      const source = lengths[row] + 1
      const first = base + (addresses[row] & (BLOCK - 1))
      const end = first + (1 << (32 - lengths[row]))
      for (let entry = first; entry < end; entry++) {
        if (sources[entry] > source) continue
        sources[entry] = source
        words[entry] = values[row] + 1
      }
    }
    for (const block of path) this.#population[block] += added
    return row
  }

  /**
   * As `insertAll4`, of addresses: which of them are there is seen here.
   *
   * @param before gets the values that they had, `NO_MATCH` for new ones
   * @param entries gets their entries; see `hostEntry`
   */
  insertHosts4(addresses: Uint32Array, values: Uint32Array, before: Int32Array, entries: Uint32Array): void {
    const key = new Uint32Array(1)
    const path = new Uint32Array(this.#levels.length - 1)
    for (let row = 0; row < addresses.length;) {
      key[0] = addresses[row]
      let base = this.#findBlocks(key, path)
      const isMade = base < 0
      if (isMade) {
        // Its way is made here; what it had is told below.
        this.insert(key, 32, values[row], true)
        base = this.#findBlocks(key, path)
        this.#lengths[base + (key[0] & (BLOCK - 1))] = 0
      }
      const end = this.#insertHosts(base, row, addresses, values, before, entries)
      let added = -Number(isMade)
      for (; row < end; row++) if (before[row] === NO_MATCH) added++
      for (let level = 0; level < path.length; level++) this.#population[path[level]] += added
    }
  }

  /** Inserts the hosts from `first` on that are of one block, which begins at `base`; returns the first of another. */
  #insertHosts(base: number, first: number, addresses: Uint32Array, values: Uint32Array, before: Int32Array, entries: Uint32Array): number {
    const { words } = this
    const sources = this.#lengths
    const above = addresses[first] >>> BLOCK_BITS
    let row = first
    for (; row < addresses.length; row++) {
      const address = addresses[row]
      if (address >>> BLOCK_BITS !== above) break
      const entry = base + (address & (BLOCK - 1))
      entries[row] = entry
      before[row] = sources[entry] === HOST4 ? words[entry] - 1 : NO_MATCH
      sources[entry] = HOST4
      words[entry] = values[row] + 1
    }
    return row
  }

  /** Value of a prefix of full length, `NO_MATCH` without one. */
  hostValue(key: ArrayLike<number>): number {
    const entry = this.hostEntry(key)
    return entry < 0 ? NO_MATCH : this.words[entry] - 1
  }

  /** Calls `visit` for every prefix of full length, in their order. */
  forEachHost(visit: VisitHost): void {
    visitHosts(this.words, this.#lengths, this.#levels, visit)
  }

  /** The blocks on the way of a key, down to the last level; returns where that one begins, −1 when it is not there. @param path gets them */
  #findBlocks(key: ArrayLike<number>, path: Uint32Array): number {
    let base = 0
    let start = 0
    for (let level = 0; level < path.length; level++) {
      const end = this.#levels[level]
      const word = this.words[base + slice(key, start, end - start)]
      if ((word & CHILD) === 0) return -1
      path[level] = word & ~CHILD
      base = this.#baseOf(path[level])
      start = end
    }
    return base
  }

  /** Entry of a prefix of full length, −1 without one: it is its own until it is removed, wherever the region moves to. */
  hostEntry(key: ArrayLike<number>): number {
    let base = 0
    let start = 0
    for (const end of this.#levels) {
      const entry = base + slice(key, start, end - start)
      const word = this.words[entry]
      if (end === this.bits) return this.#lengths[entry] === this.bits + 1 ? entry : -1
      if ((word & CHILD) === 0) return -1
      base = this.#baseOf(word & ~CHILD)
      start = end
    }
    return -1
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
    return trieValue4(this.words, this.rootBits, w0)
  }

  /** Value of the longest prefix of an IPv6 address, or `NO_MATCH`. */
  lookup6(w0: number, w1: number, w2: number, w3: number): number {
    return trieValue6(this.words, this.rootBits, w0, w1, w2, w3)
  }

  /** Makes room for many IPv4 prefixes, whatever of their way is there already: they find it then. */
  reserve4({ addresses, lengths }: Pick<Prefixes4, 'addresses' | 'lengths'>): void {
    const more = missingBlocks4(this.words, this.#levels.slice(0, -1), addresses, lengths) - this.#free.length
    if (more > 0 && this.#baseOf(this.#blocks + more) > this.words.length) this.#grow(this.#blocks + more)
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
      this.#leave(block)
    }
  }

  #leave(block: number): void {
    const { readers } = this.#memory
    if (readers === undefined) this.#free.push(block)
    else this.#resting.push(readers.now, block)
  }

  /** A block that nobody is on his way through, if one was given back. */
  #unused(): number | undefined {
    const { readers } = this.#memory
    if (readers === undefined || this.#free.length > 0) return this.#free.pop()
    let rested = 0
    while (rested < this.#resting.length && this.#resting[rested] <= readers.passed) rested += 2
    if (rested === 0) return undefined
    for (const [index, word] of this.#resting.splice(0, rested).entries()) if (index % 2 === 1) this.#free.push(word)
    return this.#free.pop()
  }

  /** A block whose entries all say `word`. */
  #allocate(word: number, length: number): number {
    const free = this.#unused()
    const block = free ?? this.#blocks
    const end = this.#baseOf(block) + BLOCK
    if (end > this.words.length) this.#grow(Math.max(4, (block + 1) * 2))
    if (free === undefined) this.#blocks++ // only now: memory that does not grow any more throws
    this.words.fill(word, end - BLOCK, end)
    this.#lengths.fill(length, end - BLOCK, end)
    this.#population[block] = 0
    return block
  }

  #grow(blocks: number): void {
    const words = this.#rootSize + blocks * BLOCK
    this.words = this.#memory.grow(words, this.words)
    const lengths = new Uint8Array(words)
    lengths.set(this.#lengths)
    this.#lengths = lengths
    const population = new Uint32Array(blocks)
    population.set(this.#population)
    this.#population = population
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
