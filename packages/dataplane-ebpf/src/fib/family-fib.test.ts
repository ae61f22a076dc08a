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
