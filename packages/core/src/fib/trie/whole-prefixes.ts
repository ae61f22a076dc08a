import { CHILD, type TrieBlocks } from './trie-blocks.js'

export type VisitWhole = (w0: number, w1: number, w2: number, w3: number, length: number, value: number) => void

/** Visits the prefixes of a trie that end where a level does. @param levels at how many bits of an address each level ends */
export function visitWhole(blocks: TrieBlocks, levels: readonly number[], visit: VisitWhole): void {
  const { words, lengths, own } = blocks
  const key = new Uint32Array(4)
  const visitBlock = (base: number, level: number): void => {
    const start = level === 0 ? 0 : levels[level - 1]
    const end = levels[level]
    const [at, shift] = [start >>> 5, (32 - (end & 31)) & 31]
    const above = key[at]
    for (let index = 0; index < 1 << (end - start); index++) {
      const word = words[base + index]
      key[at] = above | (index << shift)
      if ((word & CHILD) === 0) {
        if (lengths[base + index] === end + 1) visit(key[0], key[1], key[2], key[3], end, word - 1)
        continue
      }
      const block = word & ~CHILD
      if (own[block] !== 0) visit(key[0], key[1], key[2], key[3], end, own[block] - 1)
      visitBlock(blocks.baseOf(block), level + 1)
    }
    key[at] = above
  }
  visitBlock(0, 0)
}
