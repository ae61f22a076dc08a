import { FibTable, values4 } from '@heddle/core'
import { describe, expect, it, vi } from 'vitest'
import { lookup4, memories, toldOf, VRF } from '../../test/support/kernel-routes.js'
import { FibStore } from '../fib/fib-store.js'
import { GracePeriods } from '../fib/grace-periods.js'
import { BLOCK } from '../layout/structs/next-hop.js'
import { KernelRoutes } from './kernel-routes.js'

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

  it('is told of routes that the next process has no room for, and they go', () => {
    const { words, list, store, routes } = memories(1024, 1024)
    for (let index = 0; index < 40; index++) routes.set(4, A + (index << 16), 0, 0, 0, 32, 7)
    expect(store.memory.used).toBeGreaterThan(64)
    const smaller = (): FibStore =>
      new FibStore(words.subarray(0, 64 * BLOCK), list, new GracePeriods({ wait: () => undefined, passed: () => Promise.resolve() }))
    const none = new Map([[VRF, { root4: 0, root6: 0 }]])
    // Nothing is lost that nobody is told of.
    expect(() => smaller().restore(none)).toThrow('blocks in a row left')
    expect([...smaller().rows.restore()]).toHaveLength(40)
    const next = smaller()
    let lost = 0
    next.restore(none, () => lost++)()
    expect(lost).toBeGreaterThan(0)
    const after = next.publish(VRF, ({ root4 }) => root4)
    const found = Array.from({ length: 40 }, (_, index) => lookup4(words, after, A + (index << 16)) === 7)
    expect([found.filter(Boolean).length, next.batch().count]).toEqual([40 - lost, 40 - lost])
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
