import { ROUTE_ROW } from '../layout/structs/next-hop.js'

/** Words of a row, and where its fields are. */
export const ROW_WORDS = ROUTE_ROW.size / 4
export const ROW_VRF = ROUTE_ROW.offsetOf('vrf') / 4
export const ROW_PREFIX = ROUTE_ROW.offsetOf('prefix') / 4
export const ROW_ADDRESS = ROUTE_ROW.offsetOf('address') / 4
export const ROW_GROUP = ROUTE_ROW.offsetOf('group') / 4

const EMPTY = 0
/** Neighbouring prefixes that lie one beside the other: a cache line of slots. */
const RUN_BITS = 4
const RUN = (1 << RUN_BITS) - 1

/**
 * Finds rows by what they are of. Open addressing with linear probing over row numbers; the keys are the rows themselves, so that a route costs 8 octets
 * here. Neighbouring prefixes lie in neighbouring slots: tables are mostly loaded in order. Words are signed: a number above 2^31 would be an object.
 */
export class RouteIndex {
  readonly #rows: Int32Array
  /** Row + 1. */
  readonly #slots: Uint32Array
  readonly #mask: number
  /** Where the last search ended: the free slot of what was not found. */
  #end = 0
  /** What was read ahead of its use. */
  touched = 0

  /** @param rows memory of the rows, of which there are at most `capacity` */
  constructor(rows: Int32Array, capacity: number) {
    let slots = 16
    while (slots < capacity * 2) slots *= 2
    this.#rows = rows
    this.#slots = new Uint32Array(slots).fill(EMPTY) // so that it is memory already when routes come
    this.#mask = slots - 1
  }

  /** The row, or −1. @param prefix family << 8 | length */
  find(vrf: number, prefix: number, w0: number, w1: number, w2: number, w3: number): number {
    return this.#findFrom(this.#home(vrf, prefix, w0, w1, w2, w3), vrf, prefix, w0, w1, w2, w3)
  }

  /**
   * Where searches for IPv4 prefixes begin; what is there is fetched, several places at a time, as no search waits for the one before it.
   *
   * @param homes gets them
   */
  fetch4(vrf: number, addresses: Int32Array, lengths: Uint8Array, first: number, end: number, homes: Int32Array): void {
    let group = -1
    let lastLength = -1
    let above = 0
    for (let index = first; index < end; index++) {
      const length = lengths[index]
      if (length === 32) continue // found in the trie
      const number = length === 0 ? addresses[index] >>> 31 : addresses[index] >>> ((32 - length) & 31)
      if (number >>> RUN_BITS !== group || length !== lastLength) {
        group = number >>> RUN_BITS
        lastLength = length
        above = this.#home(vrf, (4 << 8) | length, addresses[index], 0, 0, 0) & ~RUN
        this.touched ^= this.#slots[above]
      }
      homes[index - first] = above | (number & RUN)
    }
  }

  /** As `find`, of an IPv4 prefix whose search begins at `home`. */
  find4(home: number, vrf: number, prefix: number, w0: number): number {
    return this.#findFrom(home, vrf, prefix, w0, 0, 0, 0)
  }

  #findFrom(home: number, vrf: number, prefix: number, w0: number, w1: number, w2: number, w3: number): number {
    const rows = this.#rows
    const slots = this.#slots
    for (let slot = home; ; slot = (slot + 1) & this.#mask) {
      const found = slots[slot]
      if (found === EMPTY) {
        this.#end = slot
        return -1
      }
      const at = (found - 1) * ROW_WORDS
      if (rows[at + ROW_ADDRESS] !== w0 || rows[at + ROW_PREFIX] !== prefix || rows[at + ROW_VRF] !== vrf) continue
      if (rows[at + ROW_ADDRESS + 1] === w1 && rows[at + ROW_ADDRESS + 2] === w2 && rows[at + ROW_ADDRESS + 3] === w3) return found - 1
    }
  }

  /** Adds a row where `find`, which must have been the last call, has not found what it is of. */
  addFound(row: number): void {
    this.#slots[this.#end] = row + 1
  }

  /** Adds a row that is written and not there yet. */
  add(row: number): void {
    const slots = this.#slots
    let slot = this.#homeOf(row)
    while (slots[slot] !== EMPTY) slot = (slot + 1) & this.#mask
    slots[slot] = row + 1
  }

  /** Takes out a row that is there and still written. What was displaced by it moves up, so that no slot stays occupied by nothing. */
  delete(row: number): void {
    const slots = this.#slots
    const mask = this.#mask
    let hole = this.#homeOf(row)
    while (slots[hole] !== row + 1) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; slots[slot] !== EMPTY; slot = (slot + 1) & mask) {
      const home = this.#homeOf(slots[slot] - 1)
      // It may move if the hole lies between its home and where it is.
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      slots[hole] = slots[slot]
      hole = slot
    }
    slots[hole] = EMPTY
  }

  #homeOf(row: number): number {
    const rows = this.#rows
    const at = row * ROW_WORDS
    const address = at + ROW_ADDRESS
    return this.#home(rows[at + ROW_VRF], rows[at + ROW_PREFIX], rows[address], rows[address + 1], rows[address + 2], rows[address + 3])
  }

  #home(vrf: number, prefix: number, w0: number, w1: number, w2: number, w3: number): number {
    // The number of the prefix among those of its length, by the word that its last bit is in: its place in its run is kept, and everything above is spread.
    const length = prefix & 0xff
    const last = length <= 32 ? w0 : length <= 64 ? w1 : length <= 96 ? w2 : w3
    const shift = length === 0 ? 31 : (32 - (length & 31)) & 31
    const number = last >>> shift
    let above = Math.imul(number >>> RUN_BITS, 0x9e37_79b1) ^ Math.imul(vrf ^ (prefix << 20), 0x85eb_ca6b)
    if (length > 32)
      above ^= Math.imul(w0, 0xc2b2_ae35) ^ Math.imul(w1 ^ (w1 >>> 15), 0x27d4_eb2f) ^ Math.imul(w2 ^ (w2 >>> 13), 0x1656_67b1)
    above = Math.imul(above ^ (above >>> 15), 0xc2b2_ae35)
    return (((above ^ (above >>> 13)) & ~RUN) + (number & RUN)) & this.#mask
  }
}
