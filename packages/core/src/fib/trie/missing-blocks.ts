/** Bit that marks an entry of a trie as the index of a child block; see `StrideTrie`. */
const CHILD = 0x8000_0000
const BLOCK = 256

/**
 * How many blocks IPv4 prefixes need that a trie does not have yet.
 *
 * @param words of the trie, its root first @param levels at how many bits of an address a block begins: those of the root, and so on
 */
export function missingBlocks4(words: Uint32Array, levels: readonly number[], addresses: Uint32Array, lengths: Uint8Array): number {
  const seen = levels.map((bits) => new Uint32Array(2 ** bits / 32))
  let missing = 0
  for (let row = 0; row < addresses.length; row = endOfWay(addresses, lengths, row)) {
    const address = addresses[row]
    for (const [level, bits] of levels.entries()) {
      if (lengths[row] <= bits) break
      const above = address >>> (32 - bits)
      const bit = 1 << (above & 31)
      if ((seen[level][above >>> 5] & bit) !== 0) continue
      seen[level][above >>> 5] |= bit
      if (!hasBlock(words, levels, address, bits)) missing++
    }
  }
  return missing
}

/** The first row behind `first` that may go another way: what is beside it, and no longer, goes its way. */
function endOfWay(addresses: Uint32Array, lengths: Uint8Array, first: number): number {
  const above = addresses[first] >>> 8
  const length = lengths[first]
  let row = first + 1
  while (row < addresses.length && addresses[row] >>> 8 === above && lengths[row] <= length) row++
  return row
}

/** Whether a trie has a block behind the first `bits` bits of an address. */
function hasBlock(words: Uint32Array, levels: readonly number[], address: number, bits: number): boolean {
  const rootSize = 1 << levels[0]
  let base = 0
  let start = 0
  for (const level of levels) {
    const entry = words[base + ((address >>> (32 - level)) & ((1 << (level - start)) - 1))]
    if ((entry & CHILD) === 0) return false
    if (level === bits) break
    base = rootSize + (entry & ~CHILD) * BLOCK
    start = level
  }
  return true
}
