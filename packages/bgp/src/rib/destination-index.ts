import { capacityFor, finish, grown, mix } from './column.js'

const EMPTY = 0
const TOMBSTONE = -1

/** Keys of a fixed number of words by slots from 1: open addressing with linear probing, and a free list. */
export class DestinationIndex {
  #words: Uint32Array
  #used = new Uint8Array(16)
  #slots = new Int32Array(32)
  readonly #free: number[] = []
  #next = 1
  #occupied = 0
  #live = 0

  constructor(readonly stride: number) {
    this.#words = new Uint32Array(16 * stride)
  }

  get size(): number {
    return this.#live
  }

  /** The column of keys; the key of a slot begins at `wordsAt`. Another array after `add`. */
  get words(): Uint32Array {
    return this.#words
  }

  wordsAt(slot: number): number {
    return slot * this.stride
  }

  /** The slot of `key`, or 0. */
  find(key: Uint32Array): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let at = this.#hash(key, 0) & mask; ; at = (at + 1) & mask) {
      const slot = slots[at]
      if (slot === EMPTY) return 0
      if (slot !== TOMBSTONE && this.#equals(slot, key)) return slot
    }
  }

  /** A slot for `key`, which must not be there. */
  add(key: Uint32Array): number {
    const slot = this.#free.pop() ?? this.#next++
    if (slot >= this.#used.length) {
      const capacity = capacityFor(slot + 1, this.#used.length)
      this.#used = grown(this.#used, capacity)
      this.#words = grown(this.#words, capacity * this.stride)
    }
    this.#words.set(key, this.wordsAt(slot))
    this.#used[slot] = 1
    this.#live++
    if ((this.#occupied + 1) * 2 > this.#slots.length) this.#rehash()
    else this.#link(slot)
    return slot
  }

  remove(slot: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let at = this.#hash(this.#words, this.wordsAt(slot)) & mask
    while (slots[at] !== slot) at = (at + 1) & mask
    slots[at] = TOMBSTONE
    this.#used[slot] = 0
    this.#live--
    this.#free.push(slot)
  }

  /** The slot behind the last one that was ever given out. */
  get end(): number {
    return this.#next
  }

  uses(slot: number): boolean {
    return this.#used[slot] === 1
  }

  /** Slots in use, in no particular order; those added meanwhile may or may not be among them. */
  *slots(): Generator<number> {
    for (let slot = 1; slot < this.#next; slot++) if (this.#used[slot] === 1) yield slot
  }

  #hash(words: Uint32Array, from: number): number {
    let hash = this.stride
    for (let at = from; at < from + this.stride; at++) hash = mix(hash, words[at])
    return finish(hash)
  }

  #equals(slot: number, key: Uint32Array): boolean {
    const words = this.#words
    const from = this.wordsAt(slot)
    for (let at = 0; at < this.stride; at++) if (words[from + at] !== key[at]) return false
    return true
  }

  #link(slot: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let at = this.#hash(this.#words, this.wordsAt(slot)) & mask
    while (slots[at] > 0) at = (at + 1) & mask
    if (slots[at] === EMPTY) this.#occupied++
    slots[at] = slot
  }

  #rehash(): void {
    let size = 32
    while (size < this.#live * 4) size *= 2
    this.#slots = new Int32Array(size)
    this.#occupied = 0
    for (let slot = 1; slot < this.#next; slot++) if (this.#used[slot] === 1) this.#link(slot)
  }
}
