import { BLOCK } from '../layout/structs/next-hop.js'

/** Of the entry of a host, the bits that say which of its block it is. */
const IN_BLOCK = BLOCK - 1
/** What a block's number is at least where its rows are in a row; below it are those of lists. */
export const LEAST_START = -IN_BLOCK
/** The first list. */
const LISTS = LEAST_START - 1
/** No host of the block has had a row yet. */
const NONE = -0x8000_0000
const FIRST_BLOCKS = 32

/**
 * Rows of prefixes of full length, by their entries in the trie, which tells whether they are there. Hosts of a block that came in a row have rows in a
 * row, unless they got free ones that were given back in another order. Of those in a row one number is kept: that of the block's first address, if it had
 * one, which is below 0 where others have the first rows. Other blocks have a list.
 */
export class HostRows {
  /** By block: the row of its first address, or `LISTS` less the number of its list. */
  #starts = new Int32Array(FIRST_BLOCKS).fill(NONE)
  readonly #lists: Int32Array[] = []

  /** The row of an entry that has one. */
  get(entry: number): number {
    const start = this.#starts[entry >>> 8]
    if (start >= LEAST_START) return start + (entry & IN_BLOCK)
    const list = this.#lists[LISTS - start]
    if (list === undefined) throw new RangeError(`entry ${entry} has no row`)
    return list[entry & IN_BLOCK]
  }

  set(entry: number, row: number): void {
    const block = entry >>> 8
    if (block >= this.#starts.length) this.#grow(block + 1)
    const start = this.#starts[block]
    const own = row - (entry & IN_BLOCK)
    if (start === own) return
    if (start === NONE) this.#starts[block] = own
    else this.#listOf(block)[entry & IN_BLOCK] = row
  }

  /** Of the block of an entry: the row of its first address, from which on those of all its hosts are in a row; less than any where they are not. */
  startOf(entry: number): number {
    const block = entry >>> 8
    const starts = this.#starts
    return block < starts.length ? starts[block] : NONE
  }

  /** The list of a block, which is made if its rows were in a row. */
  #listOf(block: number): Int32Array {
    const start = this.#starts[block]
    if (start < LEAST_START) return this.#lists[LISTS - start]
    this.#starts[block] = LISTS - this.#lists.length
    const list = new Int32Array(BLOCK)
    for (let host = 0; host < BLOCK; host++) list[host] = start + host
    this.#lists.push(list)
    return list
  }

  #grow(blocks: number): void {
    const starts = new Int32Array(Math.max(blocks, this.#starts.length * 2)).fill(NONE)
    starts.set(this.#starts)
    this.#starts = starts
  }
}
