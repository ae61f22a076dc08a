/** A power of two, as are those that it grows to. */
const FIRST = 256

/**
 * Rows that are free, in words: a million of them in an array of the language would be copied and collected for longer than they take to be given back.
 * They go out in the order in which they came, so that hosts that were withdrawn in a row, and come again so, have rows in a row again.
 */
export class FreeRows {
  #rows = new Int32Array(FIRST)
  #first = 0
  length = 0

  push(row: number): void {
    if (this.length === this.#rows.length) this.#grow()
    this.#rows[(this.#first + this.length++) & (this.#rows.length - 1)] = row
  }

  /** The row that came first; there must be one. */
  shift(): number {
    const row = this.#rows[this.#first]
    this.#first = (this.#first + 1) & (this.#rows.length - 1)
    this.length--
    return row
  }

  #grow(): void {
    const rows = new Int32Array(this.#rows.length * 2)
    rows.set(this.#rows.subarray(this.#first))
    rows.set(this.#rows.subarray(0, this.#first), this.#rows.length - this.#first)
    this.#rows = rows
    this.#first = 0
  }
}
