import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NO_GROUP, RouteBatch } from '../../dataplane/route-batch.js'
import { runsOf, values4, type RouteRun } from './route-runs.js'

interface Route {
  readonly vrf: number
  readonly family: 4 | 6
  readonly address: number
  readonly length: number
  readonly group: number
}

function batchOf(routes: readonly Route[]): RouteBatch {
  const batch = new RouteBatch()
  for (const { vrf, family, address, length, group } of routes) batch.pushWords(vrf, family, address, 1, 2, 3, length, group)
  return batch
}

/** That many routes to hosts one beside the other. */
function hosts(count: number, more: Partial<Route> = {}): Route[] {
  return Array.from({ length: count }, (_, host) => ({ vrf: 1, family: 4, address: 0x0a00_0000 + host, length: 32, group: 2, ...more }))
}

/** What a run is of; of `routes` only what is known of all of them. */
function factsOf({ routes: { words: _words, lengths: _lengths, values: _values, ...known }, ...run }: RouteRun): unknown {
  return { ...run, groups: [...new Set(run.groups)], ...known }
}

/** The same by looking at each route, with whoever came before it. */
function oracle(routes: readonly Route[]): unknown[] {
  const runs: unknown[] = []
  for (let first = 0; first < routes.length;) {
    const of = routes[first]
    const isOther = ({ vrf, family, group }: Route): boolean =>
      family !== 4 || vrf !== of.vrf || (group === NO_GROUP) !== (of.group === NO_GROUP)
    const next = routes.findIndex((route, row) => row >= first && isOther(route))
    const end = Math.max(next < 0 ? routes.length : next, first + 1)
    const run = routes.slice(first, end)
    if (run.length >= 512) {
      const steps = run.map(({ address }, row) => row > 0 && address < run[row - 1].address)
      runs.push({
        first,
        end,
        vrf: of.vrf,
        isRemoval: of.group === NO_GROUP,
        isSound: run.every(({ address, length }) => length <= 32 && (length === 32 || address % 2 ** (32 - length) === 0)),
        groups: [...new Set(run.map(({ group }) => group))].filter((group) => group !== NO_GROUP),
        stride: 4,
        stepsBack: steps.filter(Boolean).length,
        hosts: run.filter(({ length }) => length === 32).length,
      })
    }
    first = end
  }
  return runs
}

const address = fc.constantFrom(0, 1, 0x0a00_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff)
const stretch = fc.record({
  vrf: fc.constantFrom(1, 2, 0xffff_fffe),
  family: fc.constantFrom(4 as const, 4 as const, 4 as const, 6 as const),
  first: address,
  isAscending: fc.boolean(),
  length: fc.constantFrom(0, 24, 32, 32, 32, 33),
  // Two of them are at the same place where few are at hand.
  group: fc.constantFrom(NO_GROUP, 0, 1, 257, 0x7fff_fffe, 0x8000_0000),
  count: fc.constantFrom(1, 3, 511, 512, 513, 1500),
})

test('runs are those that one finds by looking at each route', () => {
  fc.assert(
    fc.property(fc.array(stretch, { maxLength: 6 }), (stretches) => {
      const routes = stretches.flatMap(({ vrf, family, first, isAscending, length, group, count }) =>
        Array.from({ length: count }, (_, row): Route => ({
          vrf,
          family,
          address: (first + (isAscending ? row : -row * 7)) >>> 0,
          length,
          group,
        })),
      )
      const found = runsOf(batchOf(routes))
      for (const { first, end, routes: many } of found) {
        const run = routes.slice(first, end)
        expect(run.map((_, row) => many.words[row * many.stride]).join()).toBe(run.map((route) => route.address).join())
        expect([...many.lengths].join()).toBe(run.map(({ length }) => length).join())
        expect([...many.values].join()).toBe(run.map(({ group }) => group).join())
        // At least so many ascend as are said to, and all where none comes behind a greater one.
        const upTo = run.findIndex((route, row) => row > 0 && route.address < run[row - 1].address)
        expect(many.ascending).toBeLessThanOrEqual(upTo < 0 ? run.length : upTo)
        if (upTo < 0) expect(many.ascending).toBe(run.length)
      }
      const facts = found.map((run) => {
        const { ascending: _ascending, ...others } = factsOf(run) as { ascending: number }
        return others
      })
      expect(facts).toEqual(oracle(routes))
    }),
    { numRuns: 100 },
  )
})

test('fewer than 512 rows are no run, and rows of a batch behind its count are none of its', () => {
  const batch = batchOf(hosts(512))
  expect(runsOf(batch).map(({ first, end }) => [first, end])).toEqual([[0, 512]])
  batch.count = 511
  expect(runsOf(batch)).toEqual([])
  expect(runsOf(new RouteBatch())).toEqual([])
})

test.each([
  { by: 'another VRF', other: { vrf: 2 } },
  { by: 'an IPv6 route', other: { family: 6 as const } },
  { by: 'a removal', other: { group: NO_GROUP } },
])('a run ends before $by', ({ other }) => {
  const runs = runsOf(batchOf([...hosts(600), ...hosts(1, other), ...hosts(600)]))
  expect(runs.map(({ first, end }) => [first, end])).toEqual([
    [0, 600],
    [601, 1201],
  ])
})

test('a run that leads to very many groups has each of its routes looked at, and names no group that is not theirs', () => {
  const leadingTo = (groups: number): Route[] => hosts(5000).map((route, row) => ({ ...route, group: row % groups }))
  const [few] = runsOf(batchOf(leadingTo(300)))
  expect([few.isSound, new Set(few.groups).size]).toEqual([true, 300])
  const [many] = runsOf(batchOf(leadingTo(5000)))
  expect(many.isSound).toBe(false)
  expect(many.groups.length).toBeLessThanOrEqual(4096)
})

test('columns that are given know of themselves what a run does', () => {
  const columns = values4(Uint32Array.of(1, 5, 5, 2, 9), Uint8Array.of(32, 32, 24, 32, 0), new Uint32Array(5))
  expect(columns).toMatchObject({ stride: 1, stepsBack: 1, ascending: 3, hosts: 3 })
})
