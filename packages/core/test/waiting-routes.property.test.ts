import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FibCompiler, type DataplaneState } from '../src/index.js'
import { applyToState, emptyState } from '../src/testing/index.js'

const LIMITS = { routes: 100, nextHops: 3, groups: 4 }
const VRF = 1
const prefixOf = (route: number): IpPrefix => IpPrefix.of(IpAddress.v4(0x0a000000 + route))
const hopsOf = (ports: readonly number[]) => ports.map((port) => ({ action: { type: 'port' as const, port } }))

/** Ports that the packets of a route go to. */
function waysOf({ routes, groups, nextHops }: DataplaneState): Map<string, number[]> {
  const portOf = new Map(nextHops.map(({ id, action }) => [id, action.type === 'port' ? action.port : -1]))
  const members = new Map(groups.map((group) => [group.id, group.members.map(({ nextHop }) => portOf.get(nextHop) ?? -1)]))
  return new Map(
    Array.from({ length: routes.count }, (_, row) => [
      String(routes.prefixAt(row)),
      (members.get(routes.group[row]) ?? [-1]).toSorted((a, b) => a - b),
    ]),
  )
}

const step = fc.record({ route: fc.nat(7), ports: fc.uniqueArray(fc.nat(4), { maxLength: 2 }), isTaken: fc.boolean() })

// A transaction over a limit is refused whole, and each one behind it.
test('routes go as they shall or not at all where there is no room for all ways, never beyond the limits, and all of them once there is', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const fib = new FibCompiler(0, LIMITS)
      fib.objects.vrfs.want(VRF, { id: VRF, name: 'red' })
      const wanted = new Map<string, number[]>()
      let state = emptyState()
      const take = (): void => {
        const transaction = fib.take()
        if (transaction === undefined) return
        state = applyToState(state, transaction)
        expect(fib.commit({ status: 'applied', generation: transaction.generation, failures: [] })).toBe(true)
        expect(state.nextHops.length).toBeLessThanOrEqual(LIMITS.nextHops)
        expect(state.groups.length).toBeLessThanOrEqual(LIMITS.groups)
        for (const [prefix, way] of waysOf(state)) expect([prefix, way]).toEqual([prefix, wanted.get(prefix)])
      }
      const want = (route: number, ports: readonly number[]): void => {
        const prefix = prefixOf(route)
        fib.setRoute(VRF, prefix, hopsOf(ports))
        if (ports.length === 0) wanted.delete(String(prefix))
        else
          wanted.set(
            String(prefix),
            ports.toSorted((a, b) => a - b),
          )
      }
      for (const { route, ports, isTaken } of steps) {
        want(route, ports)
        if (isTaken) take()
      }
      take()
      const isFull = state.nextHops.length >= LIMITS.nextHops || state.groups.length >= LIMITS.groups
      if (!isFull) {
        const waiting = [...wanted].filter(([prefix]) => !waysOf(state).has(prefix))
        for (const [, ports] of waiting) expect(ports).toHaveLength(2) // there is room for one next hop
      }
      // Ways end until there is room for those that are left.
      for (const [route, ports] of Array.from({ length: 8 }, (_, index) => [index, wanted.get(String(prefixOf(index))) ?? []] as const))
        if (ports.some((port) => port > 2) || ports.length > 1) want(route, [])
      take()
      expect(waysOf(state)).toEqual(wanted)
      expect(fib.take()).toBeUndefined()
    }),
    { numRuns: 1000, endOnFailure: true },
  )
})
