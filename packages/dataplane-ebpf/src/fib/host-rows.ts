const PAGE_BITS = 8
const PAGE = 1 << PAGE_BITS

/** Rows of prefixes of full length, by their entries in the trie, which tells whether they are there: hosts in a row lie in a row here too. */
export class HostRows {
  readonly #pages: (Int32Array | undefined)[] = []

  /** The row of an entry that has one. */
  get(entry: number): number {
    const page = this.#pages[entry >>> PAGE_BITS]
    if (page === undefined) throw new RangeError(`entry ${entry} has no row`)
    return page[entry & (PAGE - 1)]
  }

  set(entry: number, row: number): void {
    const page = (this.#pages[entry >>> PAGE_BITS] ??= new Int32Array(PAGE))
    page[entry & (PAGE - 1)] = row
  }
}
