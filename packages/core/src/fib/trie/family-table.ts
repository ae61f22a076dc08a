import { heapMemory, type FibMemory } from './fib-memory.js'
import { NO_REGIONS, type FamilyRegions } from './fib-reader.js'
import { HostTable } from './host-table.js'
import type { Prefixes4 } from './near.js'
import { NO_MATCH, StrideTrie } from './stride-trie.js'

/** From this many routes of a family on, a table's root takes 16 bits: 256 KiB that pay for themselves. */
const LARGE = 4096

type Visit = (w0: number, w1: number, w2: number, w3: number, length: number, value: number) => void

/** One family of a table as its writer has it: the prefixes by length, and what look-ups read. */
export class FamilyTable {
  readonly #memory: FibMemory
  /** By length: prefix → value. The truth from which an entry is filled again when a longer prefix goes. */
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
    const before = this.#prefixesOf(length).set(w0, w1, w2, w3, value)
    const isNew = before === NO_MATCH
    if (isNew) this.size++
    if (isNew && this.size === LARGE && !this.#isLarge) this.#enlarge()
    else if (length < this.bits || this.#isLarge) this.#insert(w0, w1, w2, w3, length, value, isNew)
    this.#publish()
    return before
  }

  /** As `set` for many IPv4 prefixes in turn. @param before gets what `set` returns of each */
  setAll4(addresses: Uint32Array, lengths: Uint8Array, values: Uint32Array, before: Int32Array): void {
    const wasEmpty = this.size === 0
    this.#rememberAll4(addresses, lengths, values, before)
    const prefixes = { addresses, lengths, values, before }
    const becomesLarge = this.size >= LARGE && !this.#isLarge
    if (becomesLarge && !wasEmpty) this.#enlarge()
    else if (becomesLarge) {
      const trie = new StrideTrie(16, this.bits, this.#memory)
      trie.reserve4(prefixes)
      trie.insertAll4(prefixes)
      this.#trie = trie
    } else if (this.#isLarge) this.#trie?.insertAll4(prefixes)
    else this.#insertAll4(prefixes)
    this.#publish()
  }

  get(w0: number, w1: number, w2: number, w3: number, length: number): number {
    return this.#prefixes[length]?.get(w0, w1, w2, w3) ?? NO_MATCH
  }

  delete(w0: number, w1: number, w2: number, w3: number, length: number): boolean {
    if (this.#prefixes[length]?.delete(w0, w1, w2, w3) !== true) return false
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
  }

  get #isLarge(): boolean {
    return this.#trie?.rootBits === 16
  }

  /** Hosts of a compact table lie where look-ups read them; all other prefixes are the writer's own. */
  #prefixesOf(length: number): HostTable {
    const isRead = length === this.bits && !this.#isLarge
    return (this.#prefixes[length] ??= new HostTable(this.bits === 32 ? 1 : 4, isRead ? this.#memory : heapMemory))
  }

  #rememberAll4(addresses: Uint32Array, lengths: Uint8Array, values: Uint32Array, before: Int32Array): void {
    const counts = new Uint32Array(33)
    for (let row = 0; row < lengths.length; row++) counts[lengths[row]]++
    for (let length = 0; length <= 32; length++) {
      const count = counts[length]
      if (count === 0) continue
      const prefixes = this.#prefixesOf(length)
      const had = prefixes.count
      prefixes.reserve(count)
      if (count === lengths.length) prefixes.setAll4(addresses, values, before)
      else
        for (let row = 0; row < lengths.length; row++)
          if (lengths[row] === length) before[row] = prefixes.set(addresses[row], 0, 0, 0, values[row])
      this.size += prefixes.count - had
    }
  }

  #insertAll4({ addresses, lengths, values, before }: Prefixes4): void {
    for (let row = 0; row < addresses.length; row++) {
      if (lengths[row] < this.bits) this.#insert(addresses[row], 0, 0, 0, lengths[row], values[row], before[row] === NO_MATCH)
    }
  }

  #insert(w0: number, w1: number, w2: number, w3: number, length: number, value: number, isNew: boolean): void {
    this.#trie ??= new StrideTrie(8, this.bits, this.#memory)
    this.#setKey(w0, w1, w2, w3)
    this.#trie.insert(this.#key, length, value, isNew)
  }

  /** Builds the large form beside the compact one, then reads it. */
  #enlarge(): void {
    const trie = new StrideTrie(16, this.bits, this.#memory)
    this.forEach((w0, w1, w2, w3, length, value) => {
      this.#setKey(w0, w1, w2, w3)
      trie.insert(this.#key, length, value, true)
    })
    this.#trie = trie
  }

  /** Tells what look-ups read from now on. */
  #publish(): void {
    const table = this.#isLarge ? undefined : this.#prefixes[this.bits]
    const hosts = table?.rows
    const trie = this.#trie?.words
    if (hosts === this.regions.hosts && trie === this.regions.trie) return
    if (this.#isLarge) for (const prefixes of this.#prefixes) if (prefixes !== undefined) prefixes.memory = heapMemory
    this.regions = { hosts, hostMask: table?.mask ?? 0, trie, rootBits: this.#trie?.rootBits ?? 8 }
  }

  /** The longest prefix shorter than `length` that covers the current key. */
  #cover(length: number): { readonly length: number; readonly value: number } | undefined {
    const [w0, w1, w2, w3] = this.#key
    for (let shorter = length - 1; shorter >= 0; shorter--) {
      const prefixes = this.#prefixes[shorter]
      if (prefixes === undefined || prefixes.count === 0) continue
      const value = prefixes.get(masked(w0, shorter), masked(w1, shorter - 32), masked(w2, shorter - 64), masked(w3, shorter - 96))
      if (value !== NO_MATCH) return { length: shorter, value }
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

/** The first `bits` bits of a word; none below 1, all from 32 on. */
function masked(word: number, bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? word : (word & ~(0xffff_ffff >>> bits)) >>> 0
}
