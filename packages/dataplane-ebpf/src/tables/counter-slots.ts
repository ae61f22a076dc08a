import { LinuxError } from '@heddle/linux'
import { COUNTS } from '../layout/structs/counters.js'
import type { KernelMaps } from './kernel-maps.js'

/** Number of E2BIG, which a full map says. */
const FULL = 7
/** Words of a slot: packets and octets, 64 bits each. */
const SLOT_WORDS = 4
/** Numbers of a slot. */
export const SLOT_COUNTERS = 2

/** Where slots of a width are looked for. */
interface Search {
  /** Places from its end on in which there is no room. */
  passed: number
  /** The block that was read last, and what it held: nobody counts in slots that are free. Undefined when one was given back since. */
  block: number | undefined
  reader: CounterReader
}

/**
 * Gives out the slots that programs count in, and reads them: single ones from below, several that belong together from above, so that no single one lies between
 * those while there is room elsewhere. A slot keeps counting from object to object: what was there before is taken off.
 */
export class CounterSlots {
  readonly #maps: KernelMaps
  /** 1 for each slot that is taken. */
  readonly #taken: Uint8Array
  /** By how many belong together. */
  readonly #searches = new Map<number, Search>()

  constructor(maps: KernelMaps) {
    this.#maps = maps
    this.#taken = new Uint8Array(maps.capacity('counts') * COUNTS)
  }

  /** Marks slots as taken that a dataplane before this one gave out. */
  adopt(slot: number, width: number): void {
    this.#taken.fill(1, slot, slot + width)
  }

  /** The first of `width` slots, and what is in them. @throws LinuxError `E2BIG` when none is left */
  allocate(width: number): { readonly slot: number; readonly before: Float64Array } {
    const search = this.#searchOf(width)
    const slot = this.#find(search, width)
    if (slot === undefined)
      throw new LinuxError('E2BIG', FULL, "take a slot of map 'counts'", `of ${this.#taken.length}, no ${width} in a row are free`)
    const block = Math.floor(slot / COUNTS)
    if (block !== search.block) search.reader = this.reader()
    const before = search.reader.read(slot, width)
    search.block = block
    this.#taken.fill(1, slot, slot + width)
    return { slot, before }
  }

  release(slot: number, width: number): void {
    this.#taken.fill(0, slot, slot + width)
    for (const [of, search] of this.#searches) {
      search.passed = Math.min(search.passed, this.#firstPlace(of, slot, width))
      search.block = undefined
    }
  }

  /** Reads slots; blocks of them are read once. */
  reader(): CounterReader {
    return new CounterReader(this.#maps)
  }

  #searchOf(width: number): Search {
    const found = this.#searches.get(width) ?? { passed: 0, block: undefined, reader: this.reader() }
    this.#searches.set(width, found)
    return found
  }

  /** The first free ones. */
  #find(search: Search, width: number): number | undefined {
    for (const last = this.#taken.length - width; search.passed <= last; search.passed++) {
      const slot = width === 1 ? search.passed : last - search.passed
      if (this.#isFree(slot, width)) return slot
    }
    return undefined
  }

  #isFree(slot: number, width: number): boolean {
    for (let index = 0; index < width; index++) if (this.#taken[slot + index] === 1) return false
    return true
  }

  /** Of the places for `width` slots that have one of those that were given back, the first in the order in which they are looked at. */
  #firstPlace(width: number, slot: number, count: number): number {
    return width === 1 ? slot : Math.max(0, this.#taken.length - width - (slot + count - 1))
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
