/** Bit that marks an entry of a trie as the index of a child block; see `StrideTrie`. */
const CHILD = 0x8000_0000
const BLOCK = 256

export type VisitHost = (w0: number, w1: number, w2: number, w3: number, value: number) => void

/**
 * Visits the prefixes of full length in a trie, in their order.
 *
 * @param lengths of prefixes + 1, by entry @param levels at how many bits of an address each level ends
 */
export function visitHosts(words: Uint32Array, lengths: Uint8Array, levels: readonly number[], visit: VisitHost): void {
  const key = new Uint32Array(4)
  const isHost = levels[levels.length - 1] + 1
  const visitBlock = (base: number, level: number): void => {
    const start = level === 0 ? 0 : levels[level - 1]
    const end = levels[level]
    const [at, shift] = [start >>> 5, (32 - (end & 31)) & 31]
    const above = key[at]
    for (let index = 0; index < 1 << (end - start); index++) {
      const word = words[base + index]
      key[at] = above | (index << shift)
      if ((word & CHILD) !== 0) visitBlock((1 << levels[0]) + (word & ~CHILD) * BLOCK, level + 1)
      else if (lengths[base + index] === isHost) visit(key[0], key[1], key[2], key[3], word - 1)
    }
    key[at] = above
  }
  visitBlock(0, 0)
}
