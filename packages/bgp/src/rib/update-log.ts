import { capacityFor, grown } from './column.js'
import type { RibTable } from './rib-table.js'

/** Entries that have been overtaken, below which they are left where they are. */
const COMPACT_FROM = 1024

/**
 * Destinations whose state is another one, in the order of their last change, for readers that go at their own pace. A destination that
 * changes again moves to the end, so that a reader that is behind sees its newest state, once, and the log is bounded by the destinations that
 * there are. A place in the log is a number that only grows.
 */
export class UpdateLog {
  #destinations: number[] = []
  #places: number[] = []
  #head = 0
  #end = 1
  #live = 0
  /** Place of each destination's newest entry; 0: none. */
  #place = new Float64Array(16)

  constructor(private readonly table: RibTable) {}

  /** The place behind the last entry: where a reader that knows everything stands. */
  get end(): number {
    return this.#end
  }

  /** Entries that still count. */
  get size(): number {
    return this.#live
  }

  append(destination: number): void {
    if (destination >= this.#place.length) this.#place = grown(this.#place, capacityFor(destination + 1, this.#place.length))
    if (this.#place[destination] === 0) {
      this.table.hold(destination)
      this.#live++
    }
    this.#place[destination] = this.#end
    this.#destinations.push(destination)
    this.#places.push(this.#end++)
    const length = this.#destinations.length - this.#head
    if (length > COMPACT_FROM && length > this.#live * 2) this.#compact()
  }

  /**
   * Reads up to `limit` destinations from a place on.
   *
   * @param until a place behind which nothing is read, so that a reader that was behind meets the others
   * @param out is emptied and filled
   * @returns the reader's next place
   */
  read(from: number, until: number, limit: number, out: number[]): number {
    out.length = 0
    for (let at = this.#indexOf(from); at < this.#places.length; at++) {
      const place = this.#places[at]
      if (place >= until) return until
      if (out.length === limit) return place
      if (this.#place[this.#destinations[at]] === place) out.push(this.#destinations[at])
    }
    return Math.min(this.#end, until)
  }

  /** Forgets what every reader has behind it. @param before the place of the last reader */
  trim(before: number): void {
    while (this.#head < this.#places.length && this.#places[this.#head] < before) {
      this.#forget(this.#destinations[this.#head], this.#places[this.#head])
      this.#head++
    }
    if (this.#head === this.#places.length) {
      this.#destinations = []
      this.#places = []
      this.#head = 0
    } else if (this.#head > COMPACT_FROM && this.#head * 2 > this.#places.length) {
      this.#destinations = this.#destinations.slice(this.#head)
      this.#places = this.#places.slice(this.#head)
      this.#head = 0
    }
  }

  #forget(destination: number, place: number): void {
    if (this.#place[destination] !== place) return
    this.#place[destination] = 0
    this.#live--
    this.table.unhold(destination)
  }

  #compact(): void {
    let kept = 0
    for (let at = this.#head; at < this.#places.length; at++) {
      if (this.#place[this.#destinations[at]] !== this.#places[at]) continue
      this.#destinations[kept] = this.#destinations[at]
      this.#places[kept++] = this.#places[at]
    }
    this.#destinations.length = kept
    this.#places.length = kept
    this.#head = 0
  }

  /** The first entry at or behind a place. */
  #indexOf(place: number): number {
    let low = this.#head
    let high = this.#places.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#places[middle] < place) low = middle + 1
      else high = middle
    }
    return low
  }
}
