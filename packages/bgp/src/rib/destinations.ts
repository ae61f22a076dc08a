import type { ByteWriter } from '@heddle/wire'
import type { Nlri } from '../nlri/nlri.js'
import type { NlriMode } from '../nlri/nlri-mode.js'
import { Column, NearColumn, RowColumn } from './column.js'
import { finish, mix } from './hash.js'
import type { NlriKey } from './nlri-key.js'
import { SlotIndex } from './slot-index.js'

/** Bits of a destination's state, below the count of those that hold it; above that stands the length of its key. */
export const STATE = {
  used: 1,
  /** Its decision is due. */
  dirty: 2,
  /** The best path itself has changed or gone since the last decision. */
  bestTouched: 4,
  /** The last decision chose the first of its paths. */
  decided: 8,
  /** There are paths to it. */
  reached: 16,
} as const

/** Holders are counted in 19 bits: a group of peers is three at most, and there are no more groups than the 16 bits of a peer can tell. */
const HELD = 32
const LENGTH_SHIFT = 24
const LENGTH = 0xff << LENGTH_SHIFT

/**
 * The destinations of one table, by slots from 1 and by their keys: what is known of each beside its paths. One that is gone is left where it is, for
 * it often comes back; its slot is used for another when room is needed near it.
 */
export class Destinations {
  /** Without the lengths. */
  readonly #keys: RowColumn
  readonly #scratch: Uint32Array
  readonly #index: SlotIndex
  /** First of the paths, which is the best one where there is one, of those that are reached; of a free slot: the next free one. */
  readonly #first = new NearColumn()
  readonly #state = new Column()
  #free = 0
  #next = 1
  #size = 0
  /** Slots that are not in use, but still in the index. */
  #gone = 0

  constructor(private readonly key: NlriKey) {
    this.#keys = new RowColumn(key.width)
    this.#scratch = new Uint32Array(key.stride)
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

  /**
   * Looks at the places where a search for each of `count` keys begins, which stand one behind the other. What is looked at does not depend on each other, so
   * that a processor waits for many of them at a time.
   */
  approach(keys: Uint32Array, count: number): void {
    const { stride } = this.key
    for (let at = 0, end = count * stride; at < end; at += stride) this.#index.approach(hashOf(keys, at, stride))
  }

  /** The slot of `key`, or 0. */
  find(key: Uint32Array): number {
    const slot = this.#find(key, this.#hash(key))
    return this.uses(slot) ? slot : 0
  }

  /** The slot of `key`, a new one where it has none. The reference of `key` is taken over. */
  at(key: Uint32Array): number {
    const hash = this.#hash(key)
    const found = this.#find(key, hash)
    if (found === 0) return this.#add(key, hash)
    if (this.uses(found)) this.key.releaseKey(key, 0)
    else {
      this.#gone--
      this.#use(found, key)
    }
    return found
  }

  /** Frees a slot that nothing refers to any more. */
  freeIfUnused(slot: number): void {
    if ((this.#state.get(slot) & ~(STATE.bestTouched | LENGTH)) !== STATE.used) return
    this.#state.set(slot, this.#state.get(slot) & LENGTH)
    this.#size--
    if (this.key.refers) this.#remove(slot)
    else this.#gone++
  }

  /** Slots in use, in no particular order; those added meanwhile may or may not be among them. */
  *slots(): Generator<number> {
    for (let slot = 1; slot < this.#next; slot++) if (this.uses(slot)) yield slot
  }

  /** The first path to a destination; 0 when there is none. */
  first(slot: number): number {
    return this.has(slot, STATE.reached) ? this.#first.get(slot) : 0
  }

  /** @param path 0: there is none any more */
  setFirst(slot: number, path: number): void {
    if (path === 0) return this.unmark(slot, STATE.reached)
    this.mark(slot, STATE.reached)
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
    return this.key.toNlri(this.#keyOf(slot), 0, data, pathId)
  }

  /** Writes what `nlri` returns, as it stands in a message. @throws ValueError `bgp.nlri.*` */
  write(slot: number, data: number, pathId: number, mode: NlriMode, out: ByteWriter): void {
    this.key.write(this.#keyOf(slot), 0, data, pathId, mode, out)
  }

  #add(key: Uint32Array, hash: number): number {
    const slot = this.#free === 0 ? this.#next++ : this.#free
    if (slot === this.#free) this.#free = this.#first.get(slot)
    this.#keys.set(slot, key)
    this.#use(slot, key)
    this.#index.add(slot, hash)
    return slot
  }

  #use(slot: number, key: Uint32Array): void {
    this.#state.set(slot, this.key.refers ? STATE.used : STATE.used | (key[this.key.width] << LENGTH_SHIFT))
    this.#size++
  }

  /** What a key refers to is not kept for one that is gone. */
  #remove(slot: number): void {
    const key = this.#keyOf(slot)
    this.#index.remove(slot, this.#hash(key))
    this.key.releaseKey(key, 0)
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

  #hash(key: Uint32Array): number {
    return hashOf(key, 0, key.length)
  }

  #equals(slot: number, key: Uint32Array): boolean {
    const { width, refers } = this.key
    const words = this.#keys.chunkOf(slot)
    const from = this.#keys.startOf(slot)
    for (let at = 0; at < width; at++) if (words[from + at] !== key[at]) return false
    return refers || this.#state.get(slot) >>> LENGTH_SHIFT === key[width]
  }

  /** The key of a slot; valid until the next call. */
  #keyOf(slot: number): Uint32Array {
    const { width, refers } = this.key
    const words = this.#keys.chunkOf(slot)
    const from = this.#keys.startOf(slot)
    for (let at = 0; at < width; at++) this.#scratch[at] = words[from + at]
    if (!refers) this.#scratch[width] = this.#state.get(slot) >>> LENGTH_SHIFT
    return this.#scratch
  }
}

function hashOf(words: Uint32Array, from: number, size: number): number {
  let hash = size
  for (let at = from; at < from + size; at++) hash = mix(hash, words[at])
  return finish(hash)
}
