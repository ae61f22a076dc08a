import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FibTable } from './fib-table.js'
import { NO_MATCH } from './stride-trie.js'

/** Longest match by looking at every prefix. */
class Oracle {
  readonly routes = new Map<string, { prefix: IpPrefix; value: number }>()

  lookup(address: IpAddress): number {
    let best: { prefix: IpPrefix; value: number } | undefined
    for (const route of this.routes.values()) {
      if (route.prefix.contains(address) && (best === undefined || route.prefix.length > best.prefix.length)) best = route
    }
    return best?.value ?? NO_MATCH
  }
}

// Few bits vary, at the places where levels of the trie meet, so that prefixes cover each other often.
const word = fc.constantFrom(0x0a00_0000, 0x0a00_0001, 0x0a00_00ff, 0x0a00_0100, 0x0a01_0000, 0x0aff_ffff, 0x0b00_0000, 0xffff_ffff, 0)
const v4 = word.map((value) => IpAddress.v4(value))
const v6 = fc.tuple(word, word, word, word).map(([a, b, c, d]) => IpAddress.v6(a, b, c, d))
const address = fc.oneof(v4, v6)
const prefix = fc.oneof(
  fc.tuple(v4, fc.nat(32)).map(([value, length]) => IpPrefix.of(value, length)),
  fc.tuple(v6, fc.nat(128)).map(([value, length]) => IpPrefix.of(value, length)),
)
const command = fc.oneof(
  fc.record({ type: fc.constant('set' as const), prefix, value: fc.nat(0x7fff_fffd) }),
  fc.record({ type: fc.constant('delete' as const), prefix }),
)

test('any sequence of changes leaves what a list of the prefixes says', () => {
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 60, size: 'max' }),
      fc.array(address, { minLength: 1, maxLength: 20, size: 'max' }),
      (commands, probes) => {
        const table = new FibTable()
        const oracle = new Oracle()
        for (const step of commands) {
          const name = String(step.prefix)
          if (step.type === 'set') {
            table.setPrefix(step.prefix, step.value)
            oracle.routes.set(name, step)
          } else expect(table.deletePrefix(step.prefix)).toBe(oracle.routes.delete(name))
          for (const probe of [...probes, step.prefix.address]) expect(table.lookup(probe)).toBe(oracle.lookup(probe))
        }
        expect(table.size).toBe(oracle.routes.size)
        for (const { prefix: one } of commands) {
          const { w0, w1, w2, w3, family } = one.address
          expect(table.get(family, w0, w1, w2, w3, one.length)).toBe(oracle.routes.get(String(one))?.value ?? NO_MATCH)
        }
        const seen = new Map<string, number>()
        table.forEach((family, w0, w1, w2, w3, length, value) => {
          seen.set(String(IpPrefix.of(family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3), length)), value)
        })
        expect(seen).toEqual(new Map([...oracle.routes].map(([name, { value }]) => [name, value])))
      },
    ),
    { numRuns: 200 },
  )
})

test('a large table answers as the list does, and after most of it went', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      let state = seed | 1
      const next = (): number => {
        state = Math.imul(state ^ (state >>> 13), 0x5bd1_e995) + 0x9e37
        return (state ^ (state >>> 15)) >>> 0
      }
      const table = new FibTable()
      const oracle = new Oracle()
      for (let index = 0; index < 5000; index++) {
        const route = { prefix: IpPrefix.of(IpAddress.v4(0x0a00_0000 | (next() & 0x3_ffff)), 14 + (next() % 19)), value: index }
        table.setPrefix(route.prefix, route.value)
        oracle.routes.set(String(route.prefix), route)
      }
      const probes = Array.from({ length: 40 }, () => IpAddress.v4(0x0a00_0000 | (next() & 0x3_ffff)))
      for (const probe of probes) expect(table.lookup(probe)).toBe(oracle.lookup(probe))
      for (const [name, { prefix: gone }] of [...oracle.routes].slice(0, 4000)) {
        table.deletePrefix(gone)
        oracle.routes.delete(name)
      }
      for (const probe of probes) expect(table.lookup(probe)).toBe(oracle.lookup(probe))
    }),
    { numRuns: 4 },
  )
})

test('ten thousand small VRFs fit into 256 MiB', () => {
  const table = new FibTable()
  for (let host = 0; host < 100; host++) table.set(4, Math.imul(host, 0x9e37_79b1) >>> 0, 0, 0, 0, 32, host)
  table.set(4, 0, 0, 0, 0, 0, 1)
  expect(table.byteLength * 10_000).toBeLessThan(256 * 2 ** 20)
})
