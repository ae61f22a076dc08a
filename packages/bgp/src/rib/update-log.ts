import { Column } from './column.js'
import type { RibTable } from './rib-table.js'
import { WordQueue } from './word-queue.js'

/** Entries that have been overtaken, below which they are left where they are. */
const COMPACT_FROM = 1024

/** Octets of places that are kept when nobody stands at any. */
const KEPT = 1 << 20

/**
 * Destinations whose state is another one, in the order of their last change, for readers that go at their own pace. A destination that
 * changes again moves to the end, so that a reader that is behind sees its newest state, once, and the log is bounded by the destinations that
 * there are. A place in the log is a number that only grows; of entries its low word is kept, which is enough for the few that there are at a time.
 */
export class UpdateLog {
  readonly #destinations = new WordQueue()
  readonly #places = new WordQueue()
  #end = 1
  #live = 0
  /** Place of each destination's newest entry; 0: none. */
  #place = new Column()

  constructor(private readonly table: RibTable) {}

  /** The place behind the last entry: where a reader that knows everything stands. */
  get end(): number {
    return this.#end
  }

  /** Entries that still count. */
  get size(): number {
    return this.#live
  }

  /** Octets that it takes. */
  get octets(): number {
    return this.#destinations.octets + this.#places.octets + this.#place.octets
  }

  append(destination: number): void {
    if (this.#place.get(destination) === 0) {
      this.table.hold(destination)
      this.#live++
    }
    if (low(this.#end) === 0) this.#end++
    this.#place.set(destination, low(this.#end))
    this.#destinations.push(destination)
    this.#places.push(low(this.#end))
    this.#end++
    const { length } = this.#destinations
    if (length > COMPACT_FROM && length > this.#live * 2) this.#compact()
  }

  /**
   * Reads up to `limit` destinations from a place on.
   *
   * @param until a place behind which nothing is read, so that a reader that was behind meets the others
   * @param out is filled anew
   * @returns the reader's next place
   */
  read(from: number, until: number, limit: number, out: number[]): number {
    let count = 0
    let next = Math.min(this.#end, until)
    for (let at = this.#indexOf(from); at < this.#places.length; at++) {
      const place = this.#placeAt(at)
      if (place >= until || count === limit) {
        next = Math.min(place, until)
        break
      }
      const destination = this.#destinations.get(at)
      // by index, for an array that is emptied first gives its room away
      if (this.#place.get(destination) === low(place)) out[count++] = destination
    }
    out.length = count
    return next
  }

  /** Forgets what every reader has behind it. @param before the place of the last reader */
  trim(before: number): void {
    let count = 0
    for (; count < this.#places.length && this.#placeAt(count) < before; count++)
      this.#forget(this.#destinations.get(count), this.#places.get(count))
    this.#destinations.drop(count)
    this.#places.drop(count)
    if (this.#live === 0 && this.#place.octets > KEPT) this.#place = new Column()
  }

  #forget(destination: number, place: number): void {
    if (this.#place.get(destination) !== place) return
    this.#place.set(destination, 0)
    this.#live--
    this.table.unhold(destination)
  }

  #compact(): void {
    let kept = 0
    for (let at = 0; at < this.#places.length; at++) {
      const destination = this.#destinations.get(at)
      const place = this.#places.get(at)
      if (this.#place.get(destination) !== place) continue
      this.#destinations.set(kept, destination)
      this.#places.set(kept++, place)
    }
    this.#destinations.truncate(kept)
    this.#places.truncate(kept)
  }

  /** The place of an entry: it is less than 2³² before the end. */
  #placeAt(at: number): number {
    return this.#end - low(this.#end - this.#places.get(at))
  }

  /** The first entry at or behind a place. */
  #indexOf(place: number): number {
    let first = 0
    let end = this.#places.length
    while (first < end) {
      const middle = (first + end) >>> 1
      if (this.#placeAt(middle) < place) first = middle + 1
      else end = middle
    }
    return first
  }
}

/** The low 32 bits of a whole number, which may be larger or less than 0. */
function low(value: number): number {
  return value >>> 0
}
