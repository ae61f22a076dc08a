import { finish } from '../../rib/hash.js'

/** Places that there are to begin with, a power of two. */
const SMALLEST = 256

/**
 * Small numbers by a word that they were added under, to be found one after the other until `clear`: open addressing, which costs no object an entry
 * and keeps its room.
 *
 *     for (let number = places.first(word); number >= 0; number = places.next()) …
 *
 * What is found may have been added under another word.
 */
export class BundlePlaces {
  /** Number and 1; 0: none. */
  #entries = new Int32Array(SMALLEST)
  #words = new Uint32Array(SMALLEST)
  #count = 0
  #at = 0

  first(word: number): number {
    this.#at = finish(word) & (this.#entries.length - 1)
    return this.#entries[this.#at] - 1
  }

  next(): number {
    this.#at = (this.#at + 1) & (this.#entries.length - 1)
    return this.#entries[this.#at] - 1
  }

  add(number: number, word: number): void {
    if (++this.#count * 2 > this.#entries.length) this.#grow()
    this.#put(number + 1, word)
  }

  clear(): void {
    this.#entries.fill(0)
    this.#count = 0
  }

  #put(entry: number, word: number): void {
    const last = this.#entries.length - 1
    let at = finish(word) & last
    while (this.#entries[at] !== 0) at = (at + 1) & last
    this.#entries[at] = entry
    this.#words[at] = word
  }

  #grow(): void {
    const entries = this.#entries
    const words = this.#words
    this.#entries = new Int32Array(entries.length * 2)
    this.#words = new Uint32Array(entries.length * 2)
    for (let at = 0; at < entries.length; at++) if (entries[at] !== 0) this.#put(entries[at], words[at])
  }
}
