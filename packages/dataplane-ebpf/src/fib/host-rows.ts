/** Entries of a page, in bits: of a compact trie, of which there may be thousands, and of a large one. */
const COMPACT_PAGE = 8
const LARGE_PAGE = 12

/** Rows of prefixes of full length, by their entries in the trie, which tells whether they are there: hosts in a row lie in a row here too. */
export class HostRows {
  readonly #pages: (Int32Array | undefined)[] = []
  /** An entry is the number of its page, and `pageBits` bits below. */
  readonly pageBits: number
  /** These bits. */
  readonly mask: number

  /** @param isLarge whether the trie has the large root */
  constructor(isLarge: boolean) {
    this.pageBits = isLarge ? LARGE_PAGE : COMPACT_PAGE
    this.mask = (1 << this.pageBits) - 1
  }

  /** The row of an entry that has one. */
  get(entry: number): number {
    const page = this.#pages[entry >>> this.pageBits]
    if (page === undefined) throw new RangeError(`entry ${entry} has no row`)
    return page[entry & this.mask]
  }

  set(entry: number, row: number): void {
    this.pageOf(entry >>> this.pageBits)[entry & this.mask] = row
  }

  /** A page, to be written. */
  pageOf(number: number): Int32Array {
    return (this.#pages[number] ??= new Int32Array(this.mask + 1))
  }
}
