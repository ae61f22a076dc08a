import { LinuxError } from '@heddle/linux'
import { COUNTS } from '../layout/structs/counters.js'
import type { KernelMaps } from './kernel-maps.js'

/** Number of E2BIG, which a full map says. */
const FULL = 7
/** Words of a slot: packets and octets, 64 bits each. */
const SLOT_WORDS = 4
/** Numbers of a slot. */
export const SLOT_COUNTERS = 2

/** Gives out the slots that programs count in, and reads them. A slot keeps counting from object to object: what was there before is taken off. */
export class CounterSlots {
  readonly #maps: KernelMaps
  readonly #capacity: number
  /** Slots that were given back, by how many belong together. */
  readonly #free = new Map<number, number[]>()
  /** Behind all slots that were ever given out, and what those hold from there on: nobody counts in them. */
  #end = 0
  #ahead: CounterReader

  constructor(maps: KernelMaps) {
    this.#maps = maps
    this.#capacity = maps.capacity('counts') * COUNTS
    this.#ahead = this.reader()
  }

  /** Marks slots as taken that a dataplane before this one gave out; those between are lost until the next one. */
  adopt(slot: number, width: number): void {
    this.#end = Math.max(this.#end, slot + width)
  }

  /** The first of `width` slots, and what is in them. @throws LinuxError `E2BIG` when none is left */
  allocate(width: number): { readonly slot: number; readonly before: Float64Array } {
    const freed = this.#free.get(width)?.pop()
    if (freed !== undefined) return { slot: freed, before: this.reader().read(freed, width) }
    if (this.#end + width > this.#capacity)
      throw new LinuxError('E2BIG', FULL, "take a slot of map 'counts'", `all ${this.#capacity} are taken`)
    const slot = this.#end
    this.#end += width
    const before = this.#ahead.read(slot, width)
    if (Math.floor(this.#end / COUNTS) > Math.floor(slot / COUNTS)) this.#ahead = this.reader()
    return { slot, before }
  }

  release(slot: number, width: number): void {
    const freed = this.#free.get(width)
    if (freed === undefined) this.#free.set(width, [slot])
    else freed.push(slot)
  }

  /** Reads slots; blocks of them are read once. */
  reader(): CounterReader {
    return new CounterReader(this.#maps)
  }
}

/** What slots hold at one time. */
export class CounterReader {
  readonly #maps: KernelMaps
  readonly #blocks = new Map<number, Uint32Array>()

  constructor(maps: KernelMaps) {
    this.#maps = maps
  }

  /** Packets and octets of `width` slots, one behind the other, of all CPUs. */
  read(first: number, width: number): Float64Array {
    const values = new Float64Array(width * SLOT_COUNTERS)
    for (let index = 0; index < width; index++) this.#add(first + index, values, index * SLOT_COUNTERS)
    return values
  }

  #add(slot: number, values: Float64Array, at: number): void {
    const words = this.#block(Math.floor(slot / COUNTS))
    for (let word = (slot % COUNTS) * SLOT_WORDS; word < words.length; word += COUNTS * SLOT_WORDS) {
      values[at] += words[word] + words[word + 1] * 2 ** 32
      values[at + 1] += words[word + 2] + words[word + 3] * 2 ** 32
    }
  }

  #block(block: number): Uint32Array {
    const found = this.#blocks.get(block)
    if (found !== undefined) return found
    const octets = this.#maps.get('counts', block) ?? new Uint8Array()
    const words = new Uint32Array(octets.buffer, octets.byteOffset, octets.length / 4)
    this.#blocks.set(block, words)
    return words
  }
}
