import type { ByteWriter } from '@heddle/wire'
import type { Nlri } from '../nlri/nlri.js'
import type { NlriMode } from '../nlri/nlri-mode.js'
import { Column, RowColumn } from './column.js'
import { finish, mix } from './hash.js'
import type { NlriKey } from './nlri-key.js'
import { SlotIndex } from './slot-index.js'

/** Bits of a destination's state, below the count of those that hold it. */
export const STATE = {
  used: 1,
  /** Its decision is due. */
  dirty: 2,
  /** The best path itself has changed or gone since the last decision. */
  bestTouched: 4,
  /** The last decision chose the first of its paths. */
  decided: 8,
} as const

const HELD = 16

/**
 * The destinations of one table, by slots from 1 and by their keys: what is known of each beside its paths. One that is gone is left where it is, for
 * it often comes back; its slot is used for another when room is needed near it.
 */
export class Destinations {
  readonly #keys: RowColumn
  readonly #index: SlotIndex
  /** First of the paths, which is the best one where there is one; of a free slot: the next free one. */
  readonly #first = new Column()
  readonly #state = new Column()
  #free = 0
  #next = 1
  #size = 0
  /** Slots that are not in use, but still in the index. */
  #gone = 0

  constructor(private readonly key: NlriKey) {
    this.#keys = new RowColumn(key.stride)
    const gone = (): number => this.#gone
    this.#index = new SlotIndex({
      get count() {
        return gone()
      },
      take: (slot) => this.#takeGone(slot),
    })
  }

  /** Destinations in use. */
  get size(): number {
    return this.#size
  }

  /** The slot behind the last one that was ever given out. */
  get end(): number {
    return this.#next
  }

  /** Octets that it takes. */
  get octets(): number {
    return this.#keys.octets + this.#index.octets + this.#first.octets + this.#state.octets
  }

  uses(slot: number): boolean {
    return (this.#state.get(slot) & STATE.used) !== 0
  }

  /** The slot of `key`, or 0. */
  find(key: Uint32Array): number {
    const slot = this.#find(key, this.#hash(key, 0))
    return this.uses(slot) ? slot : 0
  }

  /** The slot of `key`, a new one where it has none. The reference of `key` is taken over. */
  at(key: Uint32Array): number {
    const hash = this.#hash(key, 0)
    const found = this.#find(key, hash)
    if (found === 0) return this.#add(key, hash)
    if (this.uses(found)) this.key.releaseKey(key, 0)
    else {
      this.#gone--
      this.#use(found)
    }
    return found
  }

  /** Frees a slot that nothing refers to any more. */
  freeIfUnused(slot: number): void {
    if (this.#first.get(slot) !== 0 || (this.#state.get(slot) & ~STATE.bestTouched) !== STATE.used) return
    this.#state.set(slot, 0)
    this.#size--
    if (this.key.refers) this.#remove(slot)
    else this.#gone++
  }

  /** Slots in use, in no particular order; those added meanwhile may or may not be among them. */
  *slots(): Generator<number> {
    for (let slot = 1; slot < this.#next; slot++) if (this.uses(slot)) yield slot
  }

  first(slot: number): number {
    return this.#first.get(slot)
  }

  setFirst(slot: number, path: number): void {
    this.#first.set(slot, path)
  }

  best(slot: number): number {
    return this.has(slot, STATE.decided) ? this.#first.get(slot) : 0
  }

  has(slot: number, state: number): boolean {
    return (this.#state.get(slot) & state) !== 0
  }

  mark(slot: number, state: number): void {
    this.#state.set(slot, this.#state.get(slot) | state)
  }

  unmark(slot: number, state: number): void {
    this.#state.set(slot, this.#state.get(slot) & ~state)
  }

  /** Keeps a slot from being used again. */
  hold(slot: number): void {
    this.#state.set(slot, this.#state.get(slot) + HELD)
  }

  /** Gives a `hold` back. */
  unhold(slot: number): void {
    this.#state.set(slot, this.#state.get(slot) - HELD)
    this.freeIfUnused(slot)
  }

  /** The NLRI of a destination with path data. */
  nlri(slot: number, data: number, pathId: number): Nlri {
    return this.key.toNlri(this.#keys.chunkOf(slot), this.#keys.startOf(slot), data, pathId)
  }

  /** Writes what `nlri` returns, as it stands in a message. @throws ValueError `bgp.nlri.*` */
  write(slot: number, data: number, pathId: number, mode: NlriMode, out: ByteWriter): void {
    this.key.write(this.#keys.chunkOf(slot), this.#keys.startOf(slot), data, pathId, mode, out)
  }

  #add(key: Uint32Array, hash: number): number {
    const slot = this.#free === 0 ? this.#next++ : this.#free
    if (slot === this.#free) this.#free = this.#first.get(slot)
    this.#keys.set(slot, key)
    this.#use(slot)
    this.#index.add(slot, hash)
    return slot
  }

  #use(slot: number): void {
    this.#first.set(slot, 0)
    this.#state.set(slot, STATE.used)
    this.#size++
  }

  /** What a key refers to is not kept for one that is gone. */
  #remove(slot: number): void {
    const words = this.#keys.chunkOf(slot)
    const from = this.#keys.startOf(slot)
    this.#index.remove(slot, this.#hash(words, from))
    this.key.releaseKey(words, from)
    this.#free = this.#freed(slot)
  }

  #takeGone(slot: number): boolean {
    if (this.uses(slot)) return false
    this.#gone--
    this.#free = this.#freed(slot)
    return true
  }

  #freed(slot: number): number {
    this.#first.set(slot, this.#free)
    return slot
  }

  #find(key: Uint32Array, hash: number): number {
    for (let slot = this.#index.first(hash); slot !== 0; slot = this.#index.next()) if (this.#equals(slot, key)) return slot
    return 0
  }

  #hash(words: Uint32Array, from: number): number {
    const { stride } = this.#keys
    let hash = stride
    for (let at = from; at < from + stride; at++) hash = mix(hash, words[at])
    return finish(hash)
  }

  #equals(slot: number, key: Uint32Array): boolean {
    const words = this.#keys.chunkOf(slot)
    const from = this.#keys.startOf(slot)
    for (let at = 0; at < key.length; at++) if (words[from + at] !== key[at]) return false
    return true
  }
}
