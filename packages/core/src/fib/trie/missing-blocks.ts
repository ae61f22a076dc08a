import { ROWS_AT_ONCE, type Values4 } from './near.js'
import { BLOCK, CHILD } from './trie-blocks.js'

/** Length of a host's prefix. */
const HOST = 32
/** Rows that are passed over at once. */
const LEAP = 32
/** Rows behind the first of all hosts of a block. */
const REST_OF_BLOCK = BLOCK - 1

/**
 * How many blocks IPv4 prefixes need that a trie does not have yet.
 *
 * @param words of the trie, its root first @param levels at how many bits of an address a block begins: those of the root, and so on
 */
export function missingBlocks4(words: Uint32Array, levels: readonly number[], prefixes: Values4): number {
  const { length: count } = prefixes.lengths
  const seen = levels.map((bits) => new Int32Array(2 ** bits / 32))
  let missing = 0
  for (let row = 0; row < count; row += ROWS_AT_ONCE) {
    const end = Math.min(row + ROWS_AT_ONCE, count)
    missing += missingAmong(words, levels, seen, prefixes, row, end)
  }
  return missing
}

/** Of these, the ones on the way of the prefixes from `first` on, before `end`, that no others have had. @param seen by level: those that were on the way of others, a bit each */
function missingAmong(
  trie: Uint32Array,
  levels: readonly number[],
  seen: readonly Int32Array[],
  { words, stride, lengths, ascending }: Values4,
  first: number,
  end: number,
): number {
  const last = Math.min(ascending, end)
  let missing = 0
  let above = -1
  let longest = 0
  for (let row = first; row < end; row++) {
    // What is beside the row before, and no longer, goes its way.
    const address = words[row * stride]
    if (address >>> 8 === above && lengths[row] <= longest) continue
    above = address >>> 8
    longest = lengths[row]
    missing += missingOnWay(trie, levels, seen, address, longest)
    // So does what lies between two that are beside each other, if none is longer.
    if (longest !== HOST) continue
    if (row + REST_OF_BLOCK < last && words[(row + REST_OF_BLOCK) * stride] >>> 8 === above) row += REST_OF_BLOCK
    while (row + LEAP < last && words[(row + LEAP) * stride] >>> 8 === above) row += LEAP
  }
  return missing
}

/** Of these, the ones on the way of one prefix. */
function missingOnWay(trie: Uint32Array, levels: readonly number[], seen: readonly Int32Array[], address: number, length: number): number {
  const rootSize = 1 << levels[0]
  let missing = 0
  let base = 0
  let start = 0
  let isThere = true
  for (let level = 0; level < levels.length && levels[level] < length; level++) {
    const end = levels[level]
    if (isThere) {
      const entry = trie[base + ((address << start) >>> (32 - end + start))]
      isThere = (entry & CHILD) !== 0
      base = rootSize + (entry & ~CHILD) * BLOCK
      start = end
    }
    // Below what is not there nothing is.
    if (!isThere && isFirst(seen[level], address >>> (32 - end))) missing++
  }
  return missing
}

/** Whether a bit is not set; it is then. */
function isFirst(bits: Int32Array, at: number): boolean {
  const bit = 1 << (at & 31)
  const word = bits[at >>> 5]
  bits[at >>> 5] = word | bit
  return (word & bit) === 0
}
