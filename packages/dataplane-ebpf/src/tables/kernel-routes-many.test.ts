import { FibTable, NO_GROUP, NO_MATCH } from '@heddle/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  columnsOf,
  dumpOf,
  inTheirOrder,
  lookup4,
  memories,
  rowsOf,
  stride,
  toldOf,
  VRF,
  type Row,
  type Told,
} from '../../test/support/kernel-routes.js'
import { ROW_ADDRESS, ROW_WORDS } from '../fib/route-index.js'
import { KernelRoutes } from './kernel-routes.js'

describe('many routes that programs look up, as an engine has them', () => {
  it('got no row where a host came right behind a /25 to /31 of the same /24, many at once', () => {
    const { store, routes } = memories(1024, 256)
    const rows = [
      { address: 0x0a00_0000, length: 30 },
      { address: 0x0a00_0004, length: 32 },
      { address: 0x0a00_0000, length: 25 },
      { address: 0x0a00_0009, length: 32 },
    ]
    expect(inTheirOrder(toldOf(routes, columnsOf(rows, 1)), rows)).toEqual(rows.map(() => NO_MATCH))
    expect([routes.size, store.batch().count]).toEqual([4, 4])
    expect(rows.map(({ address, length }) => routes.get(4, address, 0, 0, 0, length))).toEqual([1, 2, 3, 4])
    for (const { address, length } of rows) expect(routes.delete(4, address, 0, 0, 0, length)).toBe(true)
    expect([routes.size, store.batch().count, store.memory.used]).toEqual([0, 0, 0])
  })

  // Free rows went out the last first: each block needed a list of its rows, which took the second load twice the time of the first.
  it.each([0, 1])('are withdrawn and set again in their order with rows in their order, beside %d others', (others) => {
    const { list, routes } = memories(600, 20_000)
    const rows = Array.from({ length: 9000 }, (_, host) => ({ address: 0x0a00_0000 + host, length: 32 }))
    if (others > 0) routes.set(4, 0x0b00_0000, 0, 0, 0, 32, 7)
    const columns = columnsOf(rows, 0)
    for (let load = 0; load < 3; load++) {
      toldOf(routes, columns)
      const inRows = rows.map((_, row) => list[(others + row) * ROW_WORDS + ROW_ADDRESS])
      expect(inRows.join()).toBe(rows.map(({ address }) => address).join())
      toldOf(routes, columns, 'deleteAll4')
    }
    expect(routes.size).toBe(others)
  })

  it('are told to be alike where all of a part had the same value, or none, and got the same one', () => {
    const { routes } = memories(600, 20_000)
    const rows = Array.from({ length: 9000 }, (_, host) => ({ address: 0x0a00_0000 + host, length: 32 }))
    /** Of both parts, whether they were told to be alike. */
    const areAlike = (value: (row: number) => number): readonly boolean[] => {
      const told: boolean[] = []
      const columns = columnsOf(rows, 0)
      routes.setAll4?.({ ...columns, values: columns.values.map((_, row) => value(row)) }, (part) => told.push(part.areAlike))
      return told
    }
    expect(areAlike(() => 5)).toEqual([true, true])
    expect(areAlike(() => 5)).toEqual([true, true])
    expect(areAlike((row) => (row < 8192 ? 6 : 7))).toEqual([true, true])
    expect(areAlike((row) => (row === 8191 ? 8 : 9))).toEqual([false, true])
    expect(areAlike(() => 9)).toEqual([false, true])
    routes.delete(4, rows[8192].address, 0, 0, 0, 32)
    expect(areAlike(() => 9)).toEqual([true, false])
  })

  it('are, of many at once, what they are one after the other, until the memory is full', () => {
    const few = fc.record({ address: fc.nat(0x3ffff), length: fc.constantFrom(12, 17, 24, 25, 31, 32, 32, 32) })
    const batch = fc.record({
      rows: fc.array(few, { minLength: 1, maxLength: 40 }),
      run: fc.record({ from: fc.nat(0x3ffff), count: fc.constantFrom(0, 600, 5000) }),
    })
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 4 }), fc.constantFrom(300, 340, 4000), stride, (batches, blocks, apart) => {
        const [{ words, store, all, routes, open }, table] = [memories(blocks, 32_768), new FibTable()]
        const named: (readonly [w0: number, length: number])[] = []
        for (const [group, { rows, run }] of batches.entries()) {
          const hosts = Array.from({ length: run.count }, (_, index) => ({ address: run.from + index, length: 32 }))
          const masked = [...rows, ...hosts, ...rows.slice(0, 3)].map(({ address, length }) => ({
            address: (0x0a00_0000 | (length === 32 ? address : address & ~(0xffff_ffff >>> length))) >>> 0,
            length,
          }))
          const columns = { ...columnsOf(masked, 0, apart), values: new Uint32Array(masked.length).fill(group) }
          let told: readonly Told[] = []
          const failures = all.failuresOf(() => (told = toldOf(routes, columns)))
          expect(failures.every(({ code }) => code === 'dataplane.limit')).toBe(true)
          const refused = new Set(failures.map(({ object }) => object.key))
          const set = masked.map(({ address, length }) => {
            const octets = [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff)
            // What is refused is told of as it was to be, so that nobody counts it as moved.
            return refused.has(`${VRF} ${octets.join('.')}/${length}`) ? group : table.set(4, address, 0, 0, 0, length, group)
          })
          expect(inTheirOrder(told, masked).join()).toBe(set.join())
          const missing = masked.filter(({ address, length }) => table.get(4, address, 0, 0, 0, length) === NO_MATCH)
          expect(routes.missing4?.(columns, Infinity)).toBe(missing.length)
          // Some go again, each named twice, and some that may not be there.
          const gone = masked
            .filter((_, index) => index % 5 === 0)
            .flatMap((row) => [row, row, { length: 30, address: (row.address & ~3) >>> 0 }])
          const goneColumns = { ...columnsOf(gone, 0, apart), values: new Uint32Array(gone.length).fill(NO_GROUP) }
          const had = gone.map(({ address, length }) => {
            const its = table.get(4, address, 0, 0, 0, length)
            table.delete(4, address, 0, 0, 0, length)
            return its
          })
          expect(inTheirOrder(toldOf(routes, goneColumns, 'deleteAll4'), gone).join()).toBe(had.join())
          const root4 = store.publish(VRF, (roots) => roots.root4)
          const found = masked.map(({ address }) => lookup4(words, root4, address))
          expect(found).toEqual(masked.map(({ address }) => table.lookup4(address)))
          expect(store.batch().count).toBe(table.size)
          named.push(...masked.map(({ address, length }) => [address, length] as const))
        }
        if (blocks < 4000) return
        // Who takes them over finds them, and takes them away.
        const next = open()
        next.restore(new Map([[VRF, store.publish(VRF, (roots) => roots)]]))()
        const taken = new KernelRoutes(next).of(VRF)
        for (const [address, length] of named) {
          expect(taken.get(4, address, 0, 0, 0, length)).toBe(table.get(4, address, 0, 0, 0, length))
          if (address % 3 === 0) expect(taken.delete(4, address, 0, 0, 0, length)).toBe(table.delete(4, address, 0, 0, 0, length))
        }
        expect(next.batch().count).toBe(table.size)
        const root4 = next.publish(VRF, (roots) => roots.root4)
        for (const [address] of named) expect(lookup4(words, root4, address)).toBe(table.lookup4(address))
      }),
      { numRuns: 25 },
    )
  })

  it('are so of hosts beside longer and shorter prefixes of their /24s, in any order, and none stays when all are deleted', () => {
    // At the end of a /16, and where words are negative as signed ones.
    const base = fc.constantFrom(0x0a00_fe00, 0xcb00_fe00)
    const near = fc.tuple(base, fc.nat(0x3ff), fc.constantFrom(9, 16, 20, 24, 25, 26, 27, 28, 29, 30, 31, 32, 32, 32, 32))
    const prefix = near.map(([first, below, length]) => ({
      address: (length === 32 ? first + below : (first + below) & ~(0xffff_ffff >>> length)) >>> 0,
      length,
    }))
    // Hosts in a row, or every second or third one.
    const hosts = fc
      .tuple(base, fc.nat(0x3ff), fc.constantFrom(1, 2, 3))
      .map(([first, from, apart]) =>
        Array.from({ length: 512 }, (_, index) => ({ address: first + ((from + index * apart) & 0x3ff), length: 32 })),
      )
    const descendingDrawnOrAscending = fc.constantFrom(-1, 0, 1)
    const step = fc
      .tuple(fc.array(prefix, { maxLength: 150 }), hosts, descendingDrawnOrAscending, fc.boolean())
      .map(([some, run, order, isRemoval]) => ({
        rows: [...some, ...run].sort((a, b) => order * (a.address - b.address || a.length - b.length)),
        isRemoval,
      }))
    const far = Array.from({ length: 4096 }, (_, index) => ({ address: 0x0b00_0000 + index, length: 32 }))
    const probes = [0x0a00_fe00, 0xcb00_fe00].flatMap((first) => Array.from({ length: 0x400 }, (_, below) => first + below))
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 4 }), fc.boolean(), stride, (steps, isLarge, apart) => {
        // One sets them singly; of those that set them at once, one has rows to write beside the trie.
        const [{ words, store, routes }, singly, atOnce] = [memories(4000, 16_384), new FibTable(), new FibTable()]
        const change = (rows: readonly Row[], first: number, isRemoval: boolean): void => {
          const columns = columnsOf(rows, first, apart)
          const had = rows.map(({ address, length }, index) => {
            const before = singly.get(4, address, 0, 0, 0, length)
            if (isRemoval) singly.delete(4, address, 0, 0, 0, length)
            else singly.set(4, address, 0, 0, 0, length, first + index)
            return before
          })
          expect(inTheirOrder(toldOf(routes, columns, isRemoval ? 'deleteAll4' : 'setAll4'), rows).join()).toBe(had.join())
          if (!isRemoval) expect(inTheirOrder(toldOf(atOnce, columns), rows).join()).toBe(had.join())
          else for (const { address, length } of rows) atOnce.delete(4, address, 0, 0, 0, length)
          const root = store.publish(VRF, ({ root4 }) => root4)
          const found = probes.map((address) => singly.lookup4(address)).join()
          expect(probes.map((address) => lookup4(words, root, address)).join()).toBe(found)
          expect(probes.map((address) => atOnce.lookup4(address)).join()).toBe(found)
          const all = dumpOf(singly)
          for (const other of [routes, rowsOf(store), atOnce]) expect(dumpOf(other)).toBe(all)
          expect([routes.size, atOnce.size]).toEqual([singly.size, singly.size])
        }
        if (isLarge) change(far, 0, false)
        for (const [index, { rows, isRemoval }] of steps.entries()) change(rows, 5000 + index * 700, isRemoval && index > 0)
        change([...(isLarge ? far : []), ...steps.flatMap(({ rows }) => rows)], 0, true)
        expect([routes.size, store.batch().count, store.publish(VRF, ({ root4 }) => root4)]).toEqual([0, 0, 0])
      }),
      { numRuns: 15 },
    )
  })
})
