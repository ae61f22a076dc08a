import { FibTable, inParts4, NO_GROUP, NO_MATCH, RouteBatch, runsOf, type Prefixes4, type Values4 } from '@heddle/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { programRoutes, RouteUses, type RouteTable } from './routes.js'

/** Few groups, so that routes come in runs. */
const group = fc.constantFrom(NO_GROUP, 1, 2, 0x7fff_fffe)

/** A table that takes many removals at once, too, and knows of parts whose routes are alike. */
function taking(table: FibTable): RouteTable {
  const setAll4 = (routes: Values4, told: (part: Prefixes4) => void): void =>
    table.setAll4(routes, (part) => {
      part.areAlike = new Set(part.before).size === 1 && new Set(part.values).size === 1
      told(part)
    })
  const deleteAll4 = (routes: Values4, told: (part: Prefixes4) => void): void =>
    inParts4(routes, (part) => {
      for (const [row, address] of part.addresses.entries()) {
        part.before[row] = table.get(4, address, 0, 0, 0, part.lengths[row])
        table.delete(4, address, 0, 0, 0, part.lengths[row])
      }
      told(part)
    })
  return {
    get size() {
      return table.size
    },
    get: (...key) => table.get(...key),
    set: (...route) => table.set(...route),
    delete: (...key) => table.delete(...key),
    forEach: (visit) => table.forEach(visit),
    lookup4: (w0) => table.lookup4(w0),
    lookup6: (...words) => table.lookup6(...words),
    setAll4,
    deleteAll4,
  }
}

test('how many routes lead to a group is told of many at once as of each by itself', () => {
  const run = fc.record({ group, first: fc.nat(700), count: fc.constantFrom(1, 3, 511, 512, 700) })
  fc.assert(
    fc.property(fc.array(run, { minLength: 1, maxLength: 8 }), (runs) => {
      const [uses, oracle] = [new RouteUses(), new RouteUses()]
      const [table, truth] = [new FibTable(), new FibTable()]
      const routes = new RouteBatch()
      for (const { group: to, first, count } of runs)
        for (let host = first; host < first + count; host++) {
          routes.pushWords(1, 4, 0x0a00_0000 + host, 0, 0, 0, 32, to)
          const had = truth.get(4, 0x0a00_0000 + host, 0, 0, 0, 32)
          if (to === NO_GROUP) truth.delete(4, 0x0a00_0000 + host, 0, 0, 0, 32)
          else truth.set(4, 0x0a00_0000 + host, 0, 0, 0, 32, to)
          oracle.move(had, to === NO_GROUP ? NO_MATCH : to)
        }
      const many = taking(table)
      programRoutes(routes, runsOf(routes), () => many, uses)
      const tallies = (of: RouteUses): number[] => [of.count, ...[1, 2, 0x7fff_fffe].map((id) => of.of(id))]
      expect([...tallies(uses), table.size]).toEqual([...tallies(oracle), truth.size])
    }),
    { numRuns: 100 },
  )
})
