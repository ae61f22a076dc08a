import { heapMemory, type FibMemory } from './fib-memory.js'
import { NO_REGIONS, type FamilyRegions } from './fib-reader.js'
import { HostTable } from './host-table.js'
import type { Prefixes4, Values4 } from './near.js'
import { inParts4, wholePart4 } from './parts.js'
import { values4 } from './route-runs.js'
import { LARGE_ROOT_BITS, NO_MATCH, StrideTrie, type Cover } from './stride-trie.js'
import { BLOCK_BITS } from './trie-blocks.js'

/** From this many routes of a family on, a table's root takes 16 bits: 256 KiB that pay for themselves. */
const LARGE = 4096

type Visit = (w0: number, w1: number, w2: number, w3: number, length: number, value: number) => void

/** One family of a table as its writer has it: the prefixes by length, and what look-ups read. */
export class FamilyTable {
  readonly #memory: FibMemory
  /**
   * By length: prefix → value. The truth from which an entry is filled again when a longer prefix goes. Whole prefixes of a large table are in its trie
   * alone.
   */
  readonly #prefixes: (HostTable | undefined)[]
  #trie: StrideTrie | undefined
  readonly #key = new Uint32Array(4)
  size = 0
  /** What look-ups read; another object when it lies elsewhere. */
  regions: FamilyRegions = NO_REGIONS

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
    const isOfTrie = this.#isOfTrie(length)
    const before = isOfTrie ? this.get(w0, w1, w2, w3, length) : this.#prefixesOf(length).set(w0, w1, w2, w3, value)
    const isNew = before === NO_MATCH
    try {
      if (isNew && this.size + 1 === LARGE && !this.#isLarge) this.#enlarge()
      else if (length < this.bits || this.#isLarge) this.#insert(w0, w1, w2, w3, length, value, isNew)
      if (isNew) this.size++ // only now: memory that does not grow any more throws
    } catch (error) {
      if (isNew && !isOfTrie) this.#prefixesOf(length).delete(w0, w1, w2, w3)
      throw error
    } finally {
      this.#publish()
    }
    return before
  }

  /** As `set` for many IPv4 prefixes in turn. @param told gets them part by part, with what `set` returns of each */
  setAll4(routes: Values4, told: (part: Prefixes4) => void): void {
    const more = LARGE - this.size
    try {
      if (!this.#isLarge && routes.lengths.length >= more && this.#missing(routes, more) >= more) this.#enlarge()
      // Before anything is said of them: there may be no memory.
      const trie = this.#reserveAll4(routes)
      if (this.#isLarge && trie !== undefined) this.#setAllIn4(trie, routes, told)
      else this.#setAllInCompact4(routes, told)
    } finally {
      this.#publish() // also of a form that has no room for more
    }
  }

  /** Makes room for many IPv4 prefixes; returns the trie, if one is needed. */
  #reserveAll4(routes: Values4): StrideTrie | undefined {
    for (const [length, count] of countsOf(routes.lengths).entries())
      if (count > 0 && !this.#isOfTrie(length)) this.#prefixesOf(length).reserve(count)
    // A compact table has no hosts in its trie.
    const inTrie = this.#isLarge ? routes : shorterThan(this.bits, routes)
    if (inTrie.lengths.length === 0) return this.#trie
    const trie = this.#ownTrie()
    trie.reserve4(inTrie)
    return trie
  }

  #setAllInCompact4(routes: Values4, told: (part: Prefixes4) => void): void {
    const prefixes = wholePart4(routes)
    this.#rememberAll4(prefixes)
    this.#insertAll4(prefixes)
    told(prefixes)
  }

  get(w0: number, w1: number, w2: number, w3: number, length: number): number {
    if (!this.#isOfTrie(length)) return this.#prefixes[length]?.get(w0, w1, w2, w3) ?? NO_MATCH
    this.#setKey(w0, w1, w2, w3)
    return this.#trie?.wholeValue(this.#key, length) ?? NO_MATCH
  }

  delete(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    if (this.#isOfTrie(length)) {
      if (this.get(w0, w1, w2, w3, length) === NO_MATCH) return false
    } else if (this.#prefixes[length]?.delete(w0, w1, w2, w3) !== true) return false
    this.size--
    if (length === this.bits && !this.#isLarge) return true
    this.#setKey(w0, w1, w2, w3)
    this.#trie?.remove(this.#key, length, this.#cover(length))
    return true
  }

  forEach(visit: Visit): void {
    this.#prefixes.forEach((prefixes, length) => {
      prefixes?.forEach((w0, w1, w2, w3, value) => visit(w0, w1, w2, w3, length, value))
    })
    if (this.#isLarge) this.#trie?.forEachWhole(visit)
  }

  /** Whether prefixes of this length are in the trie alone. */
  #isOfTrie(length: number): boolean {
    return length >= LARGE_ROOT_BITS && length % BLOCK_BITS === 0 && this.#isLarge
  }

  get #isLarge(): boolean {
    return this.#trie?.rootBits === LARGE_ROOT_BITS
  }

  /** Hosts of a compact table lie where look-ups read them; all other prefixes are the writer's own. */
  #prefixesOf(length: number): HostTable {
    return (this.#prefixes[length] ??= new HostTable(this.bits === 32 ? 1 : 4, length === this.bits ? this.#memory : heapMemory))
  }

  /** How many of many IPv4 prefixes are not there; one that is named twice counts twice. @param most that are counted */
  #missing({ words, stride, lengths }: Values4, most: number): number {
    if (this.size === 0) return Math.min(lengths.length, most)
    let missing = 0
    for (let row = 0; row < lengths.length && missing < most; row++)
      if (this.get(words[row * stride], 0, 0, 0, lengths[row]) === NO_MATCH) missing++
    return missing
  }

  #setAllIn4(trie: StrideTrie, routes: Values4, told: (part: Prefixes4) => void): void {
    inParts4(routes, (part) => {
      this.#rememberAll4(part)
      this.size += trie.insertAll4(part)
      told(part)
    })
  }

  /** Sets prefixes for which room was made where they are remembered, and tells what they had there. */
  #rememberAll4({ addresses, lengths, values, before }: Prefixes4): void {
    for (const [length, count] of countsOf(lengths).entries()) {
      if (count === 0 || this.#isOfTrie(length)) continue
      const prefixes = this.#prefixesOf(length)
      if (count === lengths.length) prefixes.setAll4(addresses, values, before)
      else
        for (let row = 0; row < lengths.length; row++)
          if (lengths[row] === length) before[row] = prefixes.set(addresses[row], 0, 0, 0, values[row])
    }
  }

  #insertAll4({ addresses, lengths, values, before }: Prefixes4): void {
    for (let row = 0; row < addresses.length; row++) {
      if (before[row] === NO_MATCH) this.size++
      if (lengths[row] < this.bits) this.#insert(addresses[row], 0, 0, 0, lengths[row], values[row], before[row] === NO_MATCH)
    }
  }

  #insert(w0: number, w1: number, w2: number, w3: number, length: number, value: number, isNew: boolean): void {
    const trie = this.#ownTrie()
    this.#setKey(w0, w1, w2, w3)
    trie.insert(this.#key, length, value, isNew)
  }

  #ownTrie(): StrideTrie {
    return (this.#trie ??= new StrideTrie(8, this.bits, this.#memory))
  }

  /** Builds the large form beside the compact one, then reads it. */
  #enlarge(): void {
    const trie = new StrideTrie(LARGE_ROOT_BITS, this.bits, this.#memory)
    this.forEach((w0, w1, w2, w3, length, value) => {
      this.#setKey(w0, w1, w2, w3)
      trie.insert(this.#key, length, value, true)
    })
    this.#trie = trie
    for (let length = LARGE_ROOT_BITS; length <= this.bits; length += BLOCK_BITS) this.#prefixes[length] = undefined
  }

  /** Tells what look-ups read from now on. */
  #publish(): void {
    const table = this.#isLarge ? undefined : this.#prefixes[this.bits]
    const hosts = table?.rows
    const trie = this.#trie?.words
    if (hosts === this.regions.hosts && trie === this.regions.trie) return
    this.regions = { hosts, hostMask: table?.mask ?? 0, trie, rootBits: this.#trie?.rootBits ?? 8 }
  }

  /** The longest prefix shorter than `length` that covers the current key. */
  #cover(length: number): Cover | undefined {
    const [w0, w1, w2, w3] = this.#key
    const whole = this.#isLarge ? this.#trie?.wholeCover(this.#key, length) : undefined
    const shortest = whole === undefined ? 0 : whole.length + 1
    for (let shorter = length - 1; shorter >= shortest; shorter--) {
      const prefixes = this.#prefixes[shorter]
      if (prefixes === undefined || prefixes.count === 0) continue
      const value = prefixes.get(masked(w0, shorter), masked(w1, shorter - 32), masked(w2, shorter - 64), masked(w3, shorter - 96))
      if (value !== NO_MATCH) return { length: shorter, value }
    }
    return whole
  }

  #setKey(w0: number, w1: number, w2: number, w3: number): void {
    const key = this.#key
    key[0] = w0
    key[1] = w1
    key[2] = w2
    key[3] = w3
  }
}

/** Those of many IPv4 prefixes that are shorter. */
function shorterThan(bits: number, { words, stride, lengths, values }: Values4): Values4 {
  const rows = Uint32Array.from(lengths.keys()).filter((row) => lengths[row] < bits)
  return values4(
    rows.map((row) => words[row * stride]),
    Uint8Array.from(rows, (row) => lengths[row]),
    rows.map((row) => values[row]),
  )
}

/** How many prefixes there are of each length. */
function countsOf(lengths: Uint8Array): Uint32Array {
  const counts = new Uint32Array(33)
  for (let row = 0; row < lengths.length; row++) counts[lengths[row]]++
  return counts
}

/** The first `bits` bits of a word; none below 1, all from 32 on. */
function masked(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word : (word & ~(0xffff_ffff >>> bits)) >>> 0
}
