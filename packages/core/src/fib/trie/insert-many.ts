import type { Prefixes4 } from './near.js'
import { BLOCK, CHILD, type TrieBlocks } from './trie-blocks.js'

/** Length of a host's prefix. */
const HOST = 32

/** The way to the block that is being written, which rows in a row have in common: one at a time. */
const way = new Uint32Array(4)

/** Sets the IPv4 hosts of a trie whose owner keeps more of each than its entry: one pass writes both. */
export interface HostWriter {
  /**
   * Sets hosts in their entries, and tells `before` of them: those of one block that come in a row.
   *
   * @param words entries of the trie @param lengths by entry: prefix length + 1 that its value came from @param base entry of the block's first address
   * @param first row of the first of them
   * @returns the first row behind them
   */
  write(words: Uint32Array, lengths: Uint8Array, base: number, prefixes: Prefixes4, first: number): number
  /** How many of those written last were new. */
  readonly added: number
}

/**
 * Inserts many IPv4 prefixes, for which there must be room: those of one block in a row find their way once.
 *
 * @param levels at how many bits of an address each level ends
 * @param prefixes `before` says which are new, and is told of those that end where a level does
 * @param hosts sets the hosts among them
 * @returns how many are new
 */
export function insertMany4(blocks: TrieBlocks, levels: readonly number[], prefixes: Prefixes4, hosts: HostWriter | undefined): number {
  const { addresses, lengths } = prefixes
  const longest = hosts === undefined ? HOST : HOST - 1 // hosts that have a writer are never set without it
  let added = 0
  for (let row = 0; row < addresses.length;) {
    let level = 0
    while (lengths[row] > levels[level]) level++
    const base = blockOf(blocks, levels, level, addresses[row])
    const start = level === 0 ? 0 : levels[level - 1]
    let end: number
    let fresh: number
    if (hosts !== undefined && lengths[row] === HOST) {
      end = hosts.write(blocks.words, blocks.lengths, base, prefixes, row)
      fresh = hosts.added
    } else {
      end = endOfBlock(prefixes, row, start, Math.min(levels[level], longest))
      fresh = insertInto(blocks, base, start, levels[level], prefixes, row, end)
    }
    for (let above = 0; above < level; above++) blocks.population[way[above]] += fresh
    added += fresh
    row = end
  }
  return added
}

/** Where the block of a level begins that an address leads to; it is made if it is not there. Its way gets the blocks down to it. */
function blockOf(blocks: TrieBlocks, levels: readonly number[], level: number, address: number): number {
  let base = 0
  let start = 0
  for (let at = 0; at < level; at++) {
    const end = levels[at]
    const entry = base + ((address << start) >>> (32 - end + start))
    const word = blocks.words[entry]
    const block = (word & CHILD) === 0 ? blocks.split(entry, end + 1) : word & ~CHILD
    way[at] = block
    base = blocks.baseOf(block)
    start = end
  }
  return base
}

/** The first row behind `first` that does not end in its block, which begins at the bit `start`, or is longer than `end`. */
function endOfBlock({ addresses, lengths }: Prefixes4, first: number, start: number, end: number): number {
  const mask = start === 0 ? 0 : -1 << (32 - start)
  const above = addresses[first] & mask
  const shortest = start === 0 ? 0 : start + 1
  let row = first + 1
  while (row < addresses.length && (addresses[row] & mask) === above && lengths[row] >= shortest && lengths[row] <= end) row++
  return row
}

/** Inserts rows that end in one block, which begins at `base` and has the bits from `start` to `end`; returns how many are new. */
function insertInto(
  blocks: TrieBlocks,
  base: number,
  start: number,
  end: number,
  { addresses, lengths, values, before }: Prefixes4,
  first: number,
  last: number,
): number {
  const { words, lengths: sources } = blocks
  const shift = 32 - end
  const mask = (1 << (end - start)) - 1
  let fresh = 0
  for (let row = first; row < last; row++) {
    const entry = base + ((addresses[row] >>> shift) & mask)
    const word = words[entry]
    const isWhole = lengths[row] === end
    if (!isWhole) {
      const past = entry + (1 << (end - lengths[row]))
      for (let at = entry; at < past; at++) pushValue(blocks, at, lengths[row] + 1, values[row] + 1)
    } else if ((word | 0) >= 0) {
      // No child: those are negative as signed numbers.
      before[row] = sources[entry] === end + 1 ? word - 1 : -1
      sources[entry] = end + 1
      words[entry] = values[row] + 1
    } else {
      const block = word & ~CHILD
      before[row] = blocks.own[block] - 1
      blocks.own[block] = values[row] + 1
      pushValue(blocks, entry, end + 1, values[row] + 1)
    }
    if (before[row] < 0) fresh++
  }
  return fresh
}

/** Gives a prefix's value to an entry and everything below it that no longer prefix has. @param source its length + 1 @param word its value + 1 */
export function pushValue(blocks: TrieBlocks, entry: number, source: number, word: number): void {
  const before = blocks.words[entry]
  if ((before & CHILD) !== 0) {
    const at = blocks.baseOf(before & ~CHILD)
    for (let below = at; below < at + BLOCK; below++) pushValue(blocks, below, source, word)
  } else if (blocks.lengths[entry] <= source) {
    blocks.lengths[entry] = source
    // A value leads nowhere, so that no order counts: a plain store, which is whole as it is aligned.
    blocks.words[entry] = word
  }
}
