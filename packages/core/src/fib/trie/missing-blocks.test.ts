import fc from 'fast-check'
import { expect, test } from 'vitest'
import { columnsOf, stride } from '../../../test/support/columns.js'
import { missingBlocks4 } from './missing-blocks.js'
import { StrideTrie } from './stride-trie.js'

interface Prefix {
  readonly address: number
  readonly length: number
}

const single = fc
  .tuple(fc.constantFrom(0, 0x0a00_0000, 0x0a01_ff00, 0xcb00_0000), fc.nat(0x3ff), fc.constantFrom(0, 8, 9, 16, 17, 24, 25, 32, 32))
  .map(([first, more, length]): Prefix[] => [{ address: length === 0 ? 0 : ((first + more) & (-1 << (32 - length))) >>> 0, length }])
/** Hosts in a row, every second one of them, or each of them twice. */
const hosts = fc
  .tuple(
    fc.constantFrom(0x0a00_0000, 0x0a00_00f0, 0x0a01_ff7f, 0xcb00_0001),
    fc.constantFrom(0.5, 1, 2),
    fc.constantFrom(40, 256, 300, 1200),
  )
  .map(([first, apart, count]): Prefix[] =>
    Array.from({ length: count }, (_, row) => ({ address: first + Math.floor(row * apart), length: 32 })),
  )
const prefixes = fc.array(fc.oneof(single, single, hosts), { maxLength: 12 }).map((some) => some.flat())

/** Blocks on the way of prefixes, each named by its level and the bits that lead to it. */
function waysOf(some: readonly Prefix[], levels: readonly number[]): Set<string> {
  const ways = some.flatMap(({ address, length }) =>
    levels.filter((bits) => bits < length).map((bits) => `${bits} ${Math.floor(address / 2 ** (32 - bits))}`),
  )
  return new Set(ways)
}

test.each([8, 16] as const)(
  'blocks are missing that lie on the way of new prefixes alone, each once, below a root of %d bits',
  (rootBits) => {
    const levels = rootBits === 8 ? [8, 16, 24] : [16, 24]
    fc.assert(
      fc.property(prefixes, prefixes, fc.boolean(), stride, (held, added, isSorted, apart) => {
        const trie = new StrideTrie(rootBits, 32)
        for (const { address, length } of held) trie.insert(Uint32Array.of(address), length, 1, true)
        const some = isSorted ? added.toSorted((a, b) => a.address - b.address || a.length - b.length) : added
        const [there, needed] = [waysOf(held, levels), waysOf(some, levels)]
        expect(missingBlocks4(trie.words, levels, columnsOf(some, apart))).toBe([...needed].filter((way) => !there.has(way)).length)
      }),
      { numRuns: 100 },
    )
  },
)
