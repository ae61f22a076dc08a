import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HostRows } from './host-rows.js'
import { HostRowWriter } from './host-writer.js'
import { ROW_WORDS } from './route-index.js'
import { RouteRows } from './route-rows.js'

const CAPACITY = 64

/* Few values, so that rows meet each other in the index; some of a kind that one bit tells apart. */
const word = fc.constantFrom(0, 1, -1, 0x0a000000, 0x0a000001, 0x0a000008, -0x80000000)
const any = fc.record({
  vrf: fc.constantFrom(1, 2, 0x7fffffff),
  family: fc.constantFrom(4, 6),
  words: fc.tuple(word, word, word, word),
  length: fc.constantFrom(0, 1, 24, 32, 64, 128),
})
// those of full length are found by their tables
const key = any.filter(({ family, length }) => length !== (family === 4 ? 32 : 128))
type Key = { vrf: number; family: 4 | 6; words: [number, number, number, number]; length: number }

describe('rows of routes', () => {
  it('are found as a map finds them, after whatever was added and deleted, and by who takes them over', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), key), { minLength: 1, maxLength: 300 }), (steps) => {
        const memory = new Uint32Array(CAPACITY * ROW_WORDS)
        const rows = new RouteRows(memory)
        const oracle = new Map<string, { key: Key; group: number }>()
        const find = (table: RouteRows, { vrf, family, words, length }: Key): number => table.find(vrf, family, ...words, length)
        for (const [group, [isRemoval, drawn]] of steps.entries()) {
          const one = drawn as Key
          const row = find(rows, one)
          expect(row >= 0).toBe(oracle.has(JSON.stringify(one)))
          if (isRemoval && row >= 0) {
            rows.delete(row)
            oracle.delete(JSON.stringify(one))
          } else if (!isRemoval && row < 0 && oracle.size < CAPACITY) {
            rows.add(one.vrf, one.family, ...one.words, one.length, group)
            oracle.set(JSON.stringify(one), { key: one, group })
          }
        }
        const next = new RouteRows(memory)
        for (const _ of next.restore());
        for (const table of [rows, next]) {
          for (const { key: one, group } of oracle.values()) expect(table.groupOf(find(table, one))).toBe(group)
          expect(table.batch().count).toBe(oracle.size)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('of hosts have nothing of what lay there before, whoever takes them over', () => {
    for (const isTakenOver of [false, true]) {
      const memory = new Uint32Array(CAPACITY * ROW_WORDS)
      let rows = new RouteRows(memory)
      expect(rows.find(1, 6, 1, 2, 3, 4, 64)).toBe(-1)
      rows.delete(rows.add(1, 6, 1, 2, 3, 4, 64, 7))
      if (isTakenOver) {
        rows = new RouteRows(memory)
        for (const _ of rows.restore());
      }
      const [values, addresses, before] = [Uint32Array.of(1), Uint32Array.of(0x0a00_0005), Int32Array.of(9)]
      const hosts = new HostRows()
      const writer = new HostRowWriter(2, rows, hosts)
      const [words, lengths] = [new Uint32Array(512), new Uint8Array(512)]
      const part = { addresses, lengths: Uint8Array.of(32), values, before, areAlike: false }
      expect(writer.write(words, lengths, 256, part, 0)).toBe(1)
      expect([writer.added, before[0], words[261], lengths[261]]).toEqual([1, -1, 2, 33])
      expect(rows.at(hosts.get(261))).toEqual({ vrf: 2, family: 4, w0: 0x0a00_0005, w1: 0, w2: 0, w3: 0, length: 32, group: 1 })
    }
  })
})
