import { FibTable, NO_MATCH } from '@heddle/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LARGE_ROOT } from '../fib/family-fib.js'
import { FibStore } from '../fib/fib-store.js'
import { ROW_WORDS } from '../fib/route-index.js'
import { BLOCK } from '../layout/structs.js'
import { KernelRoutes } from './kernel-routes.js'

const VRF = 1

function memories(blocks: number, rows: number) {
  const words = new Uint32Array(blocks * BLOCK)
  const list = new Uint32Array(rows * ROW_WORDS)
  let now = 0
  const open = (): FibStore => new FibStore(words, list, () => (now += 1000))
  const store = open()
  const all = new KernelRoutes(store)
  return { words, store, all, routes: all.of(VRF), open }
}

/** What programs find for an IPv4 address; see `bpf/lookup.h`. */
function lookup4(words: Uint32Array, root: number, address: number): number {
  if (root === 0) return NO_MATCH
  const base = ((root & ~LARGE_ROOT) - 1) * BLOCK
  const rootBits = (root & LARGE_ROOT) === 0 ? 8 : 16
  let entry = words[base + (address >>> (32 - rootBits))]
  for (let shift = 24 - rootBits; (entry & 0x8000_0000) !== 0; shift -= 8)
    entry = words[base + (1 << rootBits) + (entry & 0x7fff_ffff) * BLOCK + ((address >>> shift) & 0xff)]
  return entry - 1
}

const word = fc.constantFrom(0, 1, 0x0a000000, 0xffffffff, 0x80000000)
const change = fc.record({
  isRemoval: fc.boolean(),
  family: fc.constantFrom(4 as const, 6 as const),
  words: fc.tuple(word, word),
  length: fc.constantFrom(32, 64),
  group: fc.nat({ max: 3 }),
})

describe('the routes that programs look up, as an engine has them', () => {
  it('are those of a FIB table, after whatever was set and deleted', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200, size: 'max' }), (changes) => {
        const [{ routes }, table] = [memories(1024, 256), new FibTable()]
        for (const { isRemoval, family, words, length: drawn, group } of changes) {
          const [w1, length] = family === 4 || drawn === 32 ? [0, 32] : [words[1], 64]
          const key = [family, words[0], w1, 0, 0, length] as const
          if (isRemoval) expect(routes.delete(...key)).toBe(table.delete(...key))
          else expect(routes.set(...key, group)).toBe(table.set(...key, group))
          if (group === 3 && family === 4 && !isRemoval) {
            // A few at once, one of them named twice.
            const many = [
              Uint32Array.of(words[1], words[0], words[1]),
              Uint8Array.of(32, words[1] === 0 ? 0 : 32, 32),
              Uint32Array.of(1, 2, 3),
            ] as const
            const [one, other] = [new Int32Array(3), new Int32Array(3)]
            routes.setAll4?.(...many, one)
            table.setAll4(...many, other)
            expect(one).toEqual(other)
          }
          expect([routes.size, routes.get(...key)]).toEqual([table.size, table.get(...key)])
        }
        const all = (of: typeof routes | FibTable): string[] => {
          const rows: string[] = []
          of.forEach((family, ...row) => rows.push([family, ...row.map((value) => value >>> 0)].join()))
          return rows.sort()
        }
        expect(all(routes)).toEqual(all(table))
      }),
      { numRuns: 200 },
    )
  })

  it('are, of many at once, what they are one after the other, until the memory is full', () => {
    const few = fc.record({ address: fc.nat(0x3ffff), length: fc.constantFrom(12, 17, 24, 25, 31, 32, 32, 32) })
    const batch = fc.record({
      rows: fc.array(few, { minLength: 1, maxLength: 40 }),
      run: fc.record({ from: fc.nat(0x3ffff), count: fc.constantFrom(0, 600, 5000) }),
    })
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 4 }), fc.constantFrom(300, 340, 4000), (batches, blocks) => {
        const [{ words, store, all, routes, open }, table] = [memories(blocks, 32_768), new FibTable()]
        const named: (readonly [w0: number, length: number])[] = []
        for (const [group, { rows, run }] of batches.entries()) {
          const hosts = Array.from({ length: run.count }, (_, index) => ({ address: run.from + index, length: 32 }))
          const masked = [...rows, ...hosts, ...rows.slice(0, 3)].map(({ address, length }) => ({
            address: (0x0a00_0000 | (length === 32 ? address : address & ~(0xffff_ffff >>> length))) >>> 0,
            length,
          }))
          const before = new Int32Array(masked.length)
          const columns = [Uint32Array.from(masked, (row) => row.address), Uint8Array.from(masked, (row) => row.length)] as const
          const failures = all.failuresOf(() => routes.setAll4?.(...columns, new Uint32Array(masked.length).fill(group), before))
          expect(failures.every(({ code }) => code === 'dataplane.limit')).toBe(true)
          const refused = new Set(failures.map(({ object }) => object.key))
          for (const [index, { address, length }] of masked.entries()) {
            const octets = [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff)
            if (!refused.has(`${VRF} ${octets.join('.')}/${length}`)) table.set(4, address, 0, 0, 0, length, group)
            else expect(before[index]).toBe(group) // so that nobody counts it as moved
          }
          const { root4 } = store.publish(VRF)
          const found = masked.map(({ address }) => lookup4(words, root4, address))
          expect(found).toEqual(masked.map(({ address }) => table.lookup4(address)))
          expect(store.batch().count).toBe(table.size)
          named.push(...masked.map(({ address, length }) => [address, length] as const))
        }
        if (blocks < 4000) return
        // Who takes them over finds them, and takes them away.
        const next = open()
        next.restore(new Map([[VRF, store.publish(VRF)]]))()
        const taken = new KernelRoutes(next).of(VRF)
        for (const [address, length] of named) {
          expect(taken.get(4, address, 0, 0, 0, length)).toBe(table.get(4, address, 0, 0, 0, length))
          if (address % 3 === 0) expect(taken.delete(4, address, 0, 0, 0, length)).toBe(table.delete(4, address, 0, 0, 0, length))
        }
        expect(next.batch().count).toBe(table.size)
        const { root4 } = next.publish(VRF)
        for (const [address] of named) expect(lookup4(words, root4, address)).toBe(table.lookup4(address))
      }),
      { numRuns: 25 },
    )
  })
})
