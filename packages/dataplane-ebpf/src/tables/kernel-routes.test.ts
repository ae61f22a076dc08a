import { FibTable, NO_GROUP, NO_MATCH, values4, type Values4 } from '@heddle/core'
import type { RouteTable } from '@heddle/forwarding'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { LARGE_ROOT } from '../fib/family-fib.js'
import { FibStore } from '../fib/fib-store.js'
import { GracePeriods } from '../fib/grace-periods.js'
import { ROW_WORDS } from '../fib/route-index.js'
import { BLOCK } from '../layout/structs/next-hop.js'
import { KernelRoutes } from './kernel-routes.js'

const VRF = 1

function memories(blocks: number, rows: number) {
  const words = new Uint32Array(blocks * BLOCK)
  const list = new Uint32Array(rows * ROW_WORDS)
  const open = (): FibStore => new FibStore(words, list, new GracePeriods({ wait: () => undefined, passed: () => Promise.resolve() }))
  const store = open()
  const all = new KernelRoutes(store)
  return { words, list, store, all, routes: all.of(VRF), open }
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

interface Row {
  readonly address: number
  readonly length: number
}

/** A prefix that was set with others, and the value that it had. */
interface Told {
  readonly key: string
  readonly had: number
}

/** Sets or deletes many routes; what the table tells of them: each in their order, as tables go through those that are not equal in any. */
function toldOf(
  table: Pick<RouteTable, 'setAll4' | 'deleteAll4'>,
  routes: Values4,
  change: 'setAll4' | 'deleteAll4' = 'setAll4',
): readonly Told[] {
  const told: Told[] = []
  table[change]?.(routes, ({ addresses, lengths, before }) => {
    for (const [row, had] of before.entries()) told.push({ key: `${addresses[row]}/${lengths[row]}`, had })
  })
  return told.toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)))
}

/** What was told of rows, in the order of the rows. */
function inTheirOrder(told: readonly Told[], rows: readonly Row[]): number[] {
  const byKey = new Map<string, number[]>(told.map(({ key }) => [key, []]))
  for (const { key, had } of told) byKey.get(key)?.push(had)
  const hads = rows.map(({ address, length }) => byKey.get(`${address}/${length}`)?.shift() ?? NaN)
  expect([...byKey.values()].flat()).toEqual([])
  return hads
}

/** Prefixes as columns, each with a value of its own. */
function columnsOf(rows: readonly Row[], first: number): Values4 {
  return values4(
    Uint32Array.from(rows, ({ address }) => address),
    Uint8Array.from(rows, ({ length }) => length),
    Uint32Array.from(rows, (_, index) => first + index),
  )
}

/** All routes in one string, whatever their order. */
function dumpOf(table: Pick<RouteTable, 'forEach'>): string {
  const routes: number[] = []
  // In numbers, which are sorted in a fraction of the time.
  table.forEach((_family, w0, _w1, _w2, _w3, length, value) => routes.push(((w0 >>> 0) * 64 + length) * 8192 + value))
  return Float64Array.from(routes).sort().join()
}

/** The routes that who takes the rows over would find. */
function rowsOf(store: FibStore): Pick<RouteTable, 'forEach'> {
  const { count, address, length, group } = store.batch()
  const rows = Array.from({ length: count }, (_, row) => row)
  return { forEach: (visit) => rows.forEach((row) => visit(4, address[row * 4], 0, 0, 0, length[row], group[row])) }
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
            const many = values4(
              Uint32Array.of(words[1], words[0], words[1]),
              Uint8Array.of(32, words[1] === 0 ? 0 : 32, 32),
              Uint32Array.of(1, 2, 3),
            )
            expect(toldOf(routes, many)).toEqual(toldOf(table, many))
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
          const columns = values4(
            Uint32Array.from(masked, (row) => row.address),
            Uint8Array.from(masked, (row) => row.length),
            new Uint32Array(masked.length).fill(group),
          )
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
          const goneColumns = values4(
            Uint32Array.from(gone, (row) => row.address),
            Uint8Array.from(gone, (row) => row.length),
            new Uint32Array(gone.length).fill(NO_GROUP),
          )
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
      .tuple(fc.array(prefix, { maxLength: 150, size: 'max' }), hosts, descendingDrawnOrAscending, fc.boolean())
      .map(([some, run, order, isRemoval]) => ({
        rows: [...some, ...run].sort((a, b) => order * (a.address - b.address || a.length - b.length)),
        isRemoval,
      }))
    const far = Array.from({ length: 4096 }, (_, index) => ({ address: 0x0b00_0000 + index, length: 32 }))
    const probes = [0x0a00_fe00, 0xcb00_fe00].flatMap((first) => Array.from({ length: 0x400 }, (_, below) => first + below))
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 4 }), fc.boolean(), (steps, isLarge) => {
        // One sets them singly; of those that set them at once, one has rows to write beside the trie.
        const [{ words, store, routes }, singly, atOnce] = [memories(4000, 16_384), new FibTable(), new FibTable()]
        const change = (rows: readonly Row[], first: number, isRemoval: boolean): void => {
          const columns = columnsOf(rows, first)
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

describe('the memory of routes', () => {
  const A = 0x0a00_0001
  /** A route for each of many VRFs, which take what memory there is. */
  const fill = (all: KernelRoutes, from: number): void => {
    for (let vrf = from; vrf < from + 20; vrf++) all.of(vrf).set(4, A, 0, 0, 0, 32, 9)
  }

  it('gave a root to another VRF, 50 ms after it had moved, while programs were not yet told of the new one', () => {
    const { words, store, all, routes } = memories(1024, 1024)
    routes.set(4, A, 0, 0, 0, 32, 7)
    fill(all, 2)
    const before = store.publish(VRF, ({ root4 }) => root4)
    for (let index = 1; index < 40; index++) routes.set(4, A + (index << 16), 0, 0, 0, 32, 7)
    expect(store.isMoved(VRF)).toBe(true)
    fill(all, 100) // the clock goes on by a second each time
    expect(lookup4(words, before, A)).toBe(7)
    // All routes go, and programs are told of neither.
    for (let index = 0; index < 40; index++) routes.delete(4, A + (index << 16), 0, 0, 0, 32)
    fill(all, 200)
    expect(lookup4(words, before, A)).toBe(7)
    expect(store.publish(VRF, ({ root4 }) => root4)).toBe(0)
    for (const first of [2, 100, 200]) for (let vrf = first; vrf < first + 20; vrf++) store.remove(vrf)
    expect(store.memory.grow(1024 * BLOCK)).toHaveLength(1024 * BLOCK)
  })

  it('was taken by the next process while programs still read what the one before had given back', () => {
    const { words, list, store, routes } = memories(1024, 1024)
    routes.set(4, A, 0, 0, 0, 32, 7)
    const root = store.publish(VRF, ({ root4 }) => root4)
    routes.delete(4, A, 0, 0, 0, 32)
    const roots = store.publish(VRF, (told) => told)
    /** What a program finds that had the root of before, as its last act. */
    let last: number | undefined
    const grace = new GracePeriods({ wait: () => void (last ??= lookup4(words, root, A)), passed: () => new Promise(() => undefined) })
    const before = lookup4(words, root, A)
    const next = new FibStore(words, list, grace)
    next.restore(new Map([[VRF, roots]]))()
    const all = new KernelRoutes(next)
    all.of(2).set(4, A, 0, 0, 0, 32, 9)
    expect(last).toBe(before)
    expect(lookup4(words, root, A)).not.toBe(before)
  })

  it('has the root of a VRF back that is removed', () => {
    const { store, routes } = memories(1024, 1024)
    routes.set(4, A, 0, 0, 0, 32, 7)
    store.publish(VRF, () => undefined)
    store.remove(VRF)
    expect(store.memory.grow(1024 * BLOCK)).toHaveLength(1024 * BLOCK)
  })

  it('lost routes beyond its last row, when a batch set new ones before it deleted as many', () => {
    const { words, store, all, routes } = memories(4000, 600)
    const table = new FibTable()
    for (let index = 0; index < 600; index++) {
      routes.set(4, A + index, 0, 0, 0, 32, 5)
      table.set(4, A + index, 0, 0, 0, 32, 5)
    }
    const many = Uint32Array.from({ length: 520 }, (_, index) => 0x0b00_0000 + (index << 8))
    const setMany = (length: number): void => {
      toldOf(routes, values4(many, new Uint8Array(520).fill(length), new Uint32Array(520).fill(6)))
    }
    for (const length of [24, 32]) {
      expect(all.failuresOf(() => setMany(length))).toHaveLength(520)
      const failures = all.failuresOf(() => expect(routes.set(4, 0x0c00_0000, 0, 0, 0, length, 6)).toBe(6))
      expect(failures).toMatchObject([{ object: { kind: 'route', key: `${VRF} 12.0.0.0/${length}` }, code: 'dataplane.limit' }])
    }
    for (let index = 0; index < 20; index++) {
      routes.delete(4, A + index, 0, 0, 0, 32)
      table.delete(4, A + index, 0, 0, 0, 32)
      table.set(4, many[index], 0, 0, 0, 32, 6)
    }
    expect(all.failuresOf(() => setMany(32))).toHaveLength(500)
    expect([routes.size, store.batch().count]).toEqual([600, 600])
    const root = store.publish(VRF, ({ root4 }) => root4)
    for (const address of [...many, ...Array.from({ length: 600 }, (_, index) => A + index)]) {
      expect(routes.get(4, address, 0, 0, 0, 32)).toBe(table.get(4, address, 0, 0, 0, 32))
      expect(lookup4(words, root, address)).toBe(table.lookup4(address))
    }
  })

  it('lost the blocks of a large root that had no room, with each route that asked for it', () => {
    // The compact form takes 23 blocks; the large one 256 and then 17, as it grows.
    const { words, store, all, routes } = memories(23 + 256 + 6, 8192)
    const set = (index: number): unknown => routes.set(4, A + index, 0, 0, 0, 32, 5)
    expect(all.failuresOf(() => Array.from({ length: 4095 }, (_, index) => set(index)))).toEqual([])
    const { used } = store.memory
    expect(used).toBe(23)
    for (const index of [4095, 4096]) expect(all.failuresOf(() => set(index))).toHaveLength(1)
    expect(store.memory.used).toBe(used)
    const root = store.publish(VRF, ({ root4 }) => root4)
    for (let index = 0; index < 4095; index++) expect(lookup4(words, root, A + index)).toBe(5)
  })

  it('built a large root that had no room anew, with each route that asked for it', () => {
    const { words, store, all, routes } = memories(23 + 20 + 256 + 6, 8192)
    const set = (index: number): unknown => routes.set(4, A + index, 0, 0, 0, 32, 5)
    for (let index = 0; index < 4095; index++) set(index)
    const others = store.memory.grow(20 * BLOCK)
    const grow = vi.spyOn(store.memory, 'grow')
    const built = (): number => grow.mock.calls.filter(([size, previous]) => size === 1 << 16 && previous === undefined).length
    expect(all.failuresOf(() => Array.from({ length: 50 }, (_, index) => set(4095 + index)))).toHaveLength(50)
    expect(built()).toBe(1)
    // With one route less it may have room; it has not.
    routes.delete(4, A + 4094, 0, 0, 0, 32)
    expect(all.failuresOf(() => [4094, 4095, 4096].forEach(set))).toHaveLength(2)
    expect(built()).toBe(2)
    store.memory.release(others)
    expect(all.failuresOf(() => [4095, 4096].forEach(set))).toEqual([])
    expect(built()).toBe(3)
    const root = store.publish(VRF, ({ root4 }) => root4)
    for (let index = 0; index < 4097; index++) expect(lookup4(words, root, A + index)).toBe(5)
  })

  it('stayed with a large root that no route fitted into', () => {
    const { words, store, all, routes } = memories(256, 8192)
    const addresses = Uint32Array.from({ length: 4096 }, (_, index) => A + index)
    const columns = values4(addresses, new Uint8Array(4096).fill(32), new Uint32Array(4096).fill(5))
    // What the first is refused for, those behind it have.
    expect(all.failuresOf(() => toldOf(routes, columns))).toHaveLength(1)
    const root = store.publish(VRF, ({ root4 }) => root4)
    expect(addresses.filter((address) => lookup4(words, root, address) === 5)).toHaveLength(4095)
  })
})
