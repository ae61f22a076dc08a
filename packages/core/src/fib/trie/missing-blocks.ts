import { BLOCK, CHILD } from './trie-blocks.js'

/**
 * How many blocks IPv4 prefixes need that a trie does not have yet.
 *
 * @param words of the trie, its root first @param levels at how many bits of an address a block begins: those of the root, and so on
 */
export function missingBlocks4(words: Uint32Array, levels: readonly number[], addresses: Uint32Array, lengths: Uint8Array): number {
  let missing = 0
  for (const bits of levels) missing += missingBelow(words, levels, bits, addresses, lengths)
  return missing
}

/** Of these, the ones that begin at `bits` bits of an address. */
function missingBelow(words: Uint32Array, levels: readonly number[], bits: number, addresses: Uint32Array, lengths: Uint8Array): number {
  const seen = new Int32Array(2 ** bits / 32)
  const shift = 32 - bits
  let last = -1
  let missing = 0
  for (let row = 0; row < addresses.length; row++) {
    if (lengths[row] <= bits) continue
    const above = addresses[row] >>> shift
    if (above === last) continue
    last = above
    const bit = 1 << (above & 31)
    if ((seen[above >>> 5] & bit) !== 0) continue
    seen[above >>> 5] |= bit
    if (!hasBlock(words, levels, addresses[row], bits)) missing++
  }
  return missing
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
