import { heapMemory, type FibMemory } from './fib-memory.js'

/** Bit that marks an entry as the index of a child block. */
export const CHILD = 0x8000_0000
export const BLOCK_BITS = 8
export const BLOCK = 1 << BLOCK_BITS

/** By how much blocks grow at least when room is made for many prefixes. */
const GROWTH = 1.25

/** The words of a trie in blocks, and what only its writer needs to know of them; see `StrideTrie`. */
export class TrieBlocks {
  /** Entries, the root first; a new region after growth. */
  words: Uint32Array
  /** By entry: prefix length + 1 that its value came from, 0 for none. */
  lengths: Uint8Array
  /** By block: prefixes that it holds below itself or in itself; an empty block is given back. */
  population: Uint32Array
  /** By block: value + 1 of the prefix that is all of the entry above it, 0 without one: longer prefixes may have taken all of the block. */
  own: Uint32Array
  readonly #memory: FibMemory
  readonly #rootSize: number
  readonly #free: number[] = []
  /** Blocks that readers may be on their way through, each behind the moment when it was left. */
  readonly #resting: number[] = []
  #count = 0

  constructor(rootBits: number, memory: FibMemory = heapMemory) {
    this.#memory = memory
    this.#rootSize = 1 << rootBits
    this.words = memory.grow(this.#rootSize)
    this.lengths = new Uint8Array(this.#rootSize)
    this.population = new Uint32Array(0)
    this.own = new Uint32Array(0)
  }

  /** Octets held, the writer's own included. */
  get byteLength(): number {
    return this.words.byteLength + this.lengths.byteLength + this.population.byteLength + this.own.byteLength
  }

  /** Where a block's entries begin. */
  baseOf(block: number): number {
    return this.#rootSize + block * BLOCK
  }

  /**
   * Puts a block below an entry that has none, whose value is all of its entries' then.
   *
   * @param source what the entry's length is when a prefix is all of it
   * @returns the block
   */
  split(entry: number, source: number): number {
    const word = this.words[entry]
    const length = this.lengths[entry]
    const block = this.#allocate(word, length)
    this.own[block] = length === source ? word : 0
    Atomics.store(this.words, entry, (CHILD | block) >>> 0)
    return block
  }

  /** Takes the block from below an entry that says what all of its entries say. */
  join(entry: number): void {
    const block = this.words[entry] & ~CHILD
    const at = this.baseOf(block)
    this.lengths[entry] = this.lengths[at]
    Atomics.store(this.words, entry, this.words[at])
    this.#leave(block)
  }

  /** Makes room for `more` blocks. */
  reserve(more: number): void {
    this.#takeRested()
    const missing = more - this.#free.length
    const needed = this.#count + missing
    if (missing <= 0 || this.baseOf(needed) <= this.words.length) return
    // Else each of many batches would copy all that there is.
    const ahead = this.#memory.isScarce === true ? 0 : Math.ceil(this.population.length * GROWTH)
    this.#grow(Math.max(needed, ahead))
  }

  #leave(block: number): void {
    const { readers } = this.#memory
    if (readers === undefined) this.#free.push(block)
    else this.#resting.push(readers.now, block)
  }

  /** A block that nobody is on his way through, if one was given back. */
  #unused(): number | undefined {
    if (this.#free.length === 0) this.#takeRested()
    return this.#free.pop()
  }

  /** Frees the blocks that nobody is on his way through any more. */
  #takeRested(): void {
    const { readers } = this.#memory
    if (readers === undefined) return
    let rested = 0
    while (rested < this.#resting.length && this.#resting[rested] <= readers.passed) rested += 2
    if (rested === 0) return
    for (const [index, word] of this.#resting.splice(0, rested).entries()) if (index % 2 === 1) this.#free.push(word)
  }

  /** A block whose entries all say `word`. */
  #allocate(word: number, length: number): number {
    const free = this.#unused()
    const block = free ?? this.#count
    const end = this.baseOf(block) + BLOCK
    if (end > this.words.length) this.#grow(Math.max(4, (block + 1) * 2))
    if (free === undefined) this.#count++ // only now: memory that does not grow any more throws
    // What was never given out is zero.
    if (free !== undefined || word !== 0) {
      this.words.fill(word, end - BLOCK, end)
      this.lengths.fill(length, end - BLOCK, end)
    }
    this.population[block] = 0
    return block
  }

  #grow(blocks: number): void {
    const words = this.baseOf(blocks)
    this.words = this.#memory.grow(words, this.words)
    this.lengths = longer(this.lengths, new Uint8Array(words))
    this.population = longer(this.population, new Uint32Array(blocks))
    this.own = longer(this.own, new Uint32Array(blocks))
  }
}

function longer<T extends Uint8Array | Uint32Array>(before: T, after: T): T {
  after.set(before)
  return after
}
