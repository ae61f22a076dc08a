import { NO_MATCH, RouteBatch, type Prefixes4 } from '@heddle/core'
import type { IpFamily } from '@heddle/wire'
import { FreeRows } from './free-rows.js'
import { ROW_ADDRESS, ROW_GROUP, ROW_PREFIX, ROW_VRF, ROW_WORDS, RouteIndex } from './route-index.js'

/** Prefixes whose places are fetched together; what they need stays in the first cache. */
const AT_ONCE = 256
const IPV4 = 4 << 8
/** What the row of an IPv4 host has as its prefix. */
export const HOST4 = (4 << 8) | 32
const HOST6 = (6 << 8) | 128

/** A route as its row has it. */
export interface RouteRow {
  readonly vrf: number
  readonly family: IpFamily
  readonly w0: number
  readonly w1: number
  readonly w2: number
  readonly w3: number
  readonly length: number
  readonly group: number
}

/**
 * The routes as they were programmed, in memory of a map: what a trie says of an address does not tell which prefix it came from. Words of addresses are
 * signed where they are parameters.
 */
export class RouteRows {
  /** All rows. */
  readonly words: Int32Array
  readonly #index: RouteIndex
  readonly #free = new FreeRows()
  /** The first of the rows that were never taken; they are zero. */
  next = 0
  readonly capacity: number
  readonly #homes = new Int32Array(AT_ONCE)

  constructor(words: Uint32Array) {
    this.words = new Int32Array(words.buffer, words.byteOffset, words.length)
    this.capacity = Math.floor(words.length / ROW_WORDS)
    this.#index = new RouteIndex(this.words, this.capacity)
  }

  /** Routes that there is room for. */
  get room(): number {
    return this.capacity - this.next + this.#free.length
  }

  /** Finds the rows that are there, and what is free between them. */
  *restore(): Generator<readonly [row: number, route: RouteRow]> {
    let last = -1
    for (let row = 0; row < this.capacity; row++) if (this.words[row * ROW_WORDS + ROW_PREFIX] !== 0) last = row
    this.next = last + 1
    this.words.fill(0, this.next * ROW_WORDS)
    for (let row = 0; row <= last; row++) {
      if (this.words[row * ROW_WORDS + ROW_PREFIX] === 0) this.#free.push(row)
      else {
        if (!isHost(this.words[row * ROW_WORDS + ROW_PREFIX])) this.#index.add(row)
        yield [row, this.at(row)]
      }
    }
  }

  at(row: number): RouteRow {
    const words = this.words
    const at = row * ROW_WORDS
    const prefix = words[at + ROW_PREFIX]
    return {
      vrf: words[at + ROW_VRF],
      family: (prefix >>> 8) as IpFamily,
      w0: words[at + ROW_ADDRESS] >>> 0,
      w1: words[at + ROW_ADDRESS + 1] >>> 0,
      w2: words[at + ROW_ADDRESS + 2] >>> 0,
      w3: words[at + ROW_ADDRESS + 3] >>> 0,
      length: prefix & 0xff,
      group: words[at + ROW_GROUP],
    }
  }

  /** Row of a prefix, or −1; of none of full length, which are found by their tables. */
  find(vrf: number, family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number): number {
    return this.#index.find(vrf, (family << 8) | length, w0, w1, w2, w3)
  }

  groupOf(row: number): number {
    return this.words[row * ROW_WORDS + ROW_GROUP]
  }

  setGroup(row: number, group: number): void {
    this.words[row * ROW_WORDS + ROW_GROUP] = group
  }

  /**
   * Adds a row that `find`, which must have been the last call, has not found, or one of full length that is not there; there must be room. It counts
   * from the moment when its prefix is written, last.
   */
  add(vrf: number, family: IpFamily, w0: number, w1: number, w2: number, w3: number, length: number, group: number): number {
    const row = this.#write(vrf, (family << 8) | length, w0, w1, w2, w3, group)
    if (!isHost((family << 8) | length)) this.#index.addFound(row)
    return row
  }

  #write(vrf: number, prefix: number, w0: number, w1: number, w2: number, w3: number, group: number): number {
    const row = this.#free.length > 0 ? this.#free.shift() : this.next++
    const at = row * ROW_WORDS
    const words = this.words
    words[at + ROW_VRF] = vrf
    words[at + ROW_ADDRESS] = w0
    words[at + ROW_ADDRESS + 1] = w1
    words[at + ROW_ADDRESS + 2] = w2
    words[at + ROW_ADDRESS + 3] = w3
    words[at + ROW_GROUP] = group
    words[at + ROW_PREFIX] = prefix
    return row
  }

  /** Whether there are rows that were taken once and are free. */
  get hasFree(): boolean {
    return this.#free.length > 0
  }

  /** A row of zeros to be written; there must be room. */
  take(): number {
    return this.#free.length === 0 ? this.next++ : this.#cleared(this.#free.shift())
  }

  #cleared(row: number): number {
    this.words.fill(0, row * ROW_WORDS, (row + 1) * ROW_WORDS)
    return row
  }

  /**
   * Sets many IPv4 prefixes of a VRF in turn; there must be room. Hosts are passed over.
   *
   * @param prefixes `before` gets the group that each had, `NO_MATCH` for a new one
   * @returns the rows that are new, in turn; rows behind them mean nothing
   */
  setAll4(vrf: number, { addresses, lengths, values, before }: Prefixes4): Int32Array {
    const signed = new Int32Array(addresses.buffer, addresses.byteOffset, addresses.length)
    const added = new Int32Array(addresses.length)
    let count = 0
    for (let first = 0; first < signed.length; first += AT_ONCE) {
      const end = Math.min(first + AT_ONCE, signed.length)
      this.#index.fetch4(vrf, signed, lengths, first, end, this.#homes)
      for (let index = first; index < end; index++) {
        if (lengths[index] === 32) continue
        const row = this.#index.find4(this.#homes[index - first], vrf, IPV4 | lengths[index], signed[index])
        if (row < 0) {
          before[index] = NO_MATCH
          added[count++] = this.add(vrf, 4, signed[index], 0, 0, 0, lengths[index], values[index])
        } else {
          before[index] = this.groupOf(row)
          this.setGroup(row, values[index])
        }
      }
    }
    return added
  }

  delete(row: number): void {
    if (!isHost(this.words[row * ROW_WORDS + ROW_PREFIX])) this.#index.delete(row)
    this.words[row * ROW_WORDS + ROW_PREFIX] = 0
    this.#free.push(row)
  }

  /** All routes. */
  batch(): RouteBatch {
    const batch = new RouteBatch(this.next - this.#free.length)
    for (let row = 0; row < this.next; row++) {
      if (this.words[row * ROW_WORDS + ROW_PREFIX] === 0) continue
      const { vrf, family, w0, w1, w2, w3, length, group } = this.at(row)
      batch.pushWords(vrf, family, w0, w1, w2, w3, length, group)
    }
    return batch
  }
}

/** Whether the prefix of a row, `family << 8 | length`, is of full length. */
function isHost(prefix: number): boolean {
  return prefix === HOST4 || prefix === HOST6
}
