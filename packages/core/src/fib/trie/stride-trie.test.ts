import { expect, it } from 'vitest'
import { NO_MATCH, StrideTrie } from './stride-trie.js'

/** Memory that holds a root of 8 bits and `blocks` blocks, and no more. */
function bounded(blocks: number) {
  return {
    grow(_words: number, previous?: Uint32Array): Uint32Array {
      if (previous !== undefined && previous.length > 256) throw new RangeError('full')
      const region = new Uint32Array(256 + (previous === undefined ? 0 : blocks * 256))
      if (previous !== undefined) region.set(previous)
      return region
    },
  }
}

it('a refused growth costs nothing: what was there is found, and a block that is given back is used again', () => {
  const trie = new StrideTrie(8, 32, bounded(4))
  const key = (first: number, second: number): Uint32Array => Uint32Array.of(((first << 24) | (second << 16)) >>> 0, 0, 0, 0)
  for (let first = 1; first <= 4; first++) trie.insert(key(first, 1), 16, first, true)
  for (let tries = 0; tries < 100; tries++) expect(() => trie.insert(key(9, 1), 16, 9, true)).toThrow('full')
  for (let first = 1; first <= 4; first++) expect(trie.lookup4(key(first, 1)[0])).toBe(first)
  expect(trie.lookup4(key(9, 1)[0])).toBe(NO_MATCH)
  trie.remove(key(2, 1), 16, undefined)
  trie.insert(key(9, 1), 16, 9, true)
  expect(trie.lookup4(key(9, 1)[0])).toBe(9)
  expect(trie.lookup4(key(2, 1)[0])).toBe(NO_MATCH)
})

it('a prefix that finds room for a part of its way only leaves none of it behind', () => {
  const trie = new StrideTrie(8, 32, bounded(4))
  const host = Uint32Array.of(0x0a01_0101, 0, 0, 0) // three blocks
  trie.insert(Uint32Array.of(0x0b01_0000, 0, 0, 0), 16, 1, true)
  trie.insert(Uint32Array.of(0x0c01_0000, 0, 0, 0), 16, 2, true)
  for (let tries = 0; tries < 10; tries++) expect(() => trie.insert(host, 32, 3, true)).toThrow('full')
  expect(trie.lookup4(0x0a01_0101)).toBe(NO_MATCH)
  trie.remove(Uint32Array.of(0x0b01_0000, 0, 0, 0), 16, undefined)
  trie.insert(host, 32, 3, true)
  expect([0x0a01_0101, 0x0a01_0102, 0x0b01_0000, 0x0c01_0000].map((address) => trie.lookup4(address))).toEqual([3, NO_MATCH, NO_MATCH, 2])
})

it('many prefixes at once, some of them twice, leave no block behind when each went once', () => {
  const trie = new StrideTrie(16, 32)
  const addresses = Uint32Array.from({ length: 3000 }, (_, index) => (0x0a00_0000 + ((index * 7919) % 1000) * 4099) >>> 0)
  const lengths = new Uint8Array(3000).fill(32)
  const before = Int32Array.from({ length: 3000 }, (_, index) => (index < 1000 ? NO_MATCH : 1))
  trie.insertAll4({ addresses, lengths, values: new Uint32Array(3000).fill(1), before })
  for (const address of new Set(addresses)) trie.remove(Uint32Array.of(address), 32, undefined)
  expect(trie.words.subarray(0, 2 ** 16).every((entry) => entry === 0)).toBe(true)
})
