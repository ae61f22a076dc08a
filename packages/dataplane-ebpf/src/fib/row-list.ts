const NONE = 0

/** Lists of rows, a row in at most one: which rows a table has. Links are row + 1. */
export class RowLinks {
  readonly #next: Uint32Array
  readonly #previous: Uint32Array

  /** @param capacity rows */
  constructor(capacity: number) {
    this.#next = new Uint32Array(capacity).fill(NONE)
    this.#previous = new Uint32Array(capacity).fill(NONE)
  }

  /** Puts a row before the first of a list; returns the list, which is that row. @param list its first row, or −1 */
  add(list: number, row: number): number {
    this.#next[row] = list + 1
    this.#previous[row] = NONE
    if (list >= 0) this.#previous[list] = row + 1
    return row
  }

  /** Takes a row out of its list; returns the list. */
  remove(list: number, row: number): number {
    const next = this.#next[row]
    const previous = this.#previous[row]
    if (next !== NONE) this.#previous[next - 1] = previous
    if (previous === NONE) return next - 1
    this.#next[previous - 1] = next
    return list
  }

  /** The row behind another, or −1. */
  after(row: number): number {
    return this.#next[row] - 1
  }
}
