const FIRST = 256

/** Rows that are free, in words: a million of them in an array of the language would be copied and collected for longer than they take to be given back. */
export class FreeRows {
  #rows = new Int32Array(FIRST)
  length = 0

  push(row: number): void {
    if (this.length === this.#rows.length) this.#grow()
    this.#rows[this.length++] = row
  }

  /** The row that came last; there must be one. */
  pop(): number {
    return this.#rows[--this.length]
  }

  #grow(): void {
    const rows = new Int32Array(this.#rows.length * 2)
    rows.set(this.#rows)
    this.#rows = rows
  }
}
