import { lock, unlock } from './lock.js'

const LOCK = 0
const FIRST = 2

/**
 * How many entries each owner has, in memory that threads share: open addressing over pairs of owner and count, with a lock for all. An owner of
 * none is not there.
 */
export class OwnerCounts {
  readonly #words: Int32Array
  readonly #mask: number

  /** Octets for tables of up to `slots` entries. */
  static octets(slots: number): number {
    return (FIRST + slots * 4) * 4
  }

  /** @param slots a power of two: entries of all owners at most */
  constructor(memory: ArrayBufferLike, offset: number, slots: number) {
    this.#words = new Int32Array(memory, offset, FIRST + slots * 4)
    this.#mask = slots * 2 - 1
  }

  of(owner: number): number {
    const words = this.#words
    lock(words, LOCK)
    const at = this.#find(owner)
    const count = words[at + 1]
    unlock(words, LOCK)
    return count
  }

  add(owner: number): void {
    const words = this.#words
    lock(words, LOCK)
    const at = this.#find(owner)
    words[at] = owner
    words[at + 1]++
    unlock(words, LOCK)
  }

  subtract(owner: number): void {
    const words = this.#words
    lock(words, LOCK)
    const at = this.#find(owner)
    if (words[at + 1] > 0 && --words[at + 1] === 0) this.#close((at - FIRST) / 2)
    unlock(words, LOCK)
  }

  /** Where the pair of an owner is, or goes. */
  #find(owner: number): number {
    const words = this.#words
    for (let row = this.#row(owner); ; row = (row + 1) & this.#mask) {
      const at = FIRST + row * 2
      if (words[at + 1] === 0 || words[at] === (owner | 0)) return at
    }
  }

  #row(owner: number): number {
    return (Math.imul(owner, 0x9e3779b1) >>> 7) & this.#mask
  }

  /** Moves up those that an empty row would hide. */
  #close(row: number): void {
    const words = this.#words
    let hole = row
    for (let next = (row + 1) & this.#mask; words[FIRST + next * 2 + 1] !== 0; next = (next + 1) & this.#mask) {
      const home = this.#row(words[FIRST + next * 2])
      if (((next - home) & this.#mask) < ((next - hole) & this.#mask)) continue
      words[FIRST + hole * 2] = words[FIRST + next * 2]
      words[FIRST + hole * 2 + 1] = words[FIRST + next * 2 + 1]
      words[FIRST + next * 2 + 1] = 0
      hole = next
    }
  }
}
