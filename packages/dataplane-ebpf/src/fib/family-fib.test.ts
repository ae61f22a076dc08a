import { values4 } from '@heddle/core'
import { expect, it } from 'vitest'
import { BLOCK } from '../layout/structs/next-hop.js'
import { FibFullError } from './block-memory.js'
import { FibStore } from './fib-store.js'
import { GracePeriods } from './grace-periods.js'

const ROUTE_WORDS = 8

// The large root, 256 blocks, stayed with a VRF that had no routes.
it('many routes for which there is no memory leave nothing behind in a VRF without routes', () => {
  const grace = new GracePeriods({ wait: () => undefined, passed: () => Promise.resolve() })
  const store = new FibStore(new Uint32Array(300 * BLOCK), new Uint32Array(8192 * ROUTE_WORDS), grace)
  const count = 4096
  // Each behind a block of its own.
  const addresses = Uint32Array.from({ length: count }, (_, net) => (net << 16) >>> 0)
  const lengths = new Uint8Array(count).fill(24)
  const fib = store.of(1, 4)
  expect(() => fib.setAll4(values4(addresses, lengths, new Uint32Array(count)), () => undefined)).toThrow(FibFullError)
  expect([fib.size, store.memory.used]).toEqual([0, 0])
})

it('many hosts are counted as far as they got, when whoever is told of them fails', () => {
  const grace = new GracePeriods({ wait: () => undefined, passed: () => Promise.resolve() })
  const store = new FibStore(new Uint32Array(2048 * BLOCK), new Uint32Array(20_000 * ROUTE_WORDS), grace)
  const count = 9000 // more than a part
  const addresses = Uint32Array.from({ length: count }, (_, host) => 0x0a00_0000 + host)
  const fib = store.of(1, 4)
  let parts = 0
  const told = (): void => {
    if (++parts === 2) throw new TypeError('of somebody else')
  }
  const hosts = values4(addresses, new Uint8Array(count).fill(32), new Uint32Array(count))
  expect(() => fib.setAll4(hosts, told)).toThrow(TypeError)
  expect([parts, fib.size, store.batch().count]).toEqual([2, count, count])
})

// What the kernel had refused to tell of was given back by nobody, for as long as the process ran.
it('roots that programs could not be told of leave nothing behind, and those that they know rest until nobody reads them', () => {
  const refused = new Error('Cannot allocate memory')
  const grace = new GracePeriods({ wait: () => undefined, passed: () => new Promise(() => undefined) })
  const store = new FibStore(new Uint32Array(2048 * BLOCK), new Uint32Array(20_000 * ROUTE_WORDS), grace)
  const { memory } = store
  const tell = (): void => undefined
  const refuse = (): never => {
    throw refused
  }
  const used = (isAfterReaders: boolean): number => {
    if (isAfterReaders) grace.wait()
    void memory.given
    return memory.used
  }
  const set = (first: number, count: number): void => {
    for (const family of [4, 6] as const) {
      for (let index = first; index < first + count; index++) {
        if (family === 4) store.of(1, 4).set(0x0a00_0000 + index, 0, 0, 0, 32, 1)
        else store.of(1, 6).set(0x2001_0db8, 0, 0, index, 128, 1)
      }
    }
  }
  // Of a VRF that programs know nothing of.
  set(0, 1)
  expect(() => store.publish(1, refuse)).toThrow(refused)
  store.remove(1)
  expect(used(false)).toBe(0)

  // Of one that they know.
  set(0, 1)
  store.publish(1, tell)
  set(1, 4095)
  expect(store.isMoved(1)).toBe(true)
  expect(() => store.publish(1, refuse)).toThrow(refused)
  expect(store.isMoved(1)).toBe(true)
  store.remove(1)
  expect(used(false)).toBeGreaterThan(0)
  expect(used(true)).toBe(0)

  // Told again of those that they know, and of others at last.
  set(0, 1)
  store.publish(1, tell)
  expect(() => store.publish(1, refuse)).toThrow(refused)
  const before = used(false)
  set(1, 4095)
  expect(() => store.publish(1, refuse)).toThrow(refused)
  store.publish(1, tell)
  const after = used(false)
  expect(used(true)).toBe(after - before)
  store.remove(1)
  expect(used(false)).toBe(after - before)
  expect(used(true)).toBe(0)
})
