import { expect, it } from 'vitest'
import { heapMemory, type FibMemory, type FibReaders } from './fib-memory.js'
import { values4 } from './route-runs.js'
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
  trie.insertAll4({ addresses, lengths, values: new Uint32Array(3000).fill(1), before, areAlike: false })
  for (const address of new Set(addresses)) trie.remove(Uint32Array.of(address), 32, undefined)
  expect(trie.words.subarray(0, 2 ** 16).every((entry) => entry === 0)).toBe(true)
})

/** A trie that counts how often its memory grows, and what puts networks into it, each behind a block of its own. */
function counting(more: Pick<FibMemory, 'readers' | 'isScarce'> = {}) {
  const told = { grown: 0 }
  const memory: FibMemory = {
    ...more,
    grow(words, previous) {
      told.grown++
      return heapMemory.grow(words, previous)
    },
  }
  const trie = new StrideTrie(16, 32, memory)
  const load = (first: number, count: number): Uint32Array => {
    const addresses = Uint32Array.from({ length: count }, (_, net) => (first + net) * 0x1_0000)
    const lengths = new Uint8Array(count).fill(24)
    const values = new Uint32Array(count).fill(1)
    trie.reserve4(values4(addresses, lengths, values))
    trie.insertAll4({ addresses, lengths, values, before: new Int32Array(count).fill(NO_MATCH), areAlike: false })
    return addresses
  }
  return { trie, told, load }
}

// It grew to what each batch needed, and so copied all of it as many times.
it('many batches copy the words of a trie a few times only, where its memory has more', () => {
  const [{ told, load }, scarce] = [counting(), counting({ isScarce: true })]
  for (let batch = 0; batch < 100; batch++) for (const one of [load, scarce.load]) one(batch * 40, 40)
  expect(told.grown).toBeLessThan(30)
  expect(scarce.told.grown).toBe(101)
  expect(scarce.trie.words).toHaveLength(2 ** 16 + 4000 * 256)
})

// Those that had rested were not counted, and as many more made.
it('room for many prefixes is first that of blocks that nobody reads any more', () => {
  const readers: { -readonly [Name in keyof FibReaders]: FibReaders[Name] } = { now: 0, passed: -1 }
  const { trie, told, load } = counting({ readers })
  for (const address of load(0x1400, 600)) trie.remove(Uint32Array.of(address), 24, undefined)
  const before = told.grown
  readers.passed = readers.now++
  load(0x3000, 600)
  expect(told.grown).toBe(before)
})
