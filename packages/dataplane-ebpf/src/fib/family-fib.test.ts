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
