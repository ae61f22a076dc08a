import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DataplaneState } from '../src/index.js'
import { applyToState, describeState } from '../src/testing/index.js'
import { steps } from './support/steps.js'
import { World } from './support/world.js'

test('after any sequence of events the dataplane and the peers hold what the definitions say, and nothing dangles on the way', () => {
  fc.assert(
    fc.property(steps, fc.boolean(), (actions, dual) => {
      const world = new World({ dual })
      for (const action of actions) world.run(action)
      world.settle()
    }),
    { numRuns: 500 },
  )
})

/** The same state with the members of its objects in another order, as a codec may leave them. */
function rewritten(state: DataplaneState): DataplaneState {
  const turned = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(turned)
    if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, member]) => [key, turned(member)]),
    )
  }
  return { ...(turned({ ...state, routes: undefined }) as DataplaneState), routes: state.routes }
}

test('a model that adopts the dataplane changes nothing once it was told the same', () => {
  fc.assert(
    fc.property(steps, (actions) => {
      const world = new World()
      for (const action of actions) world.run(action)
      world.settle()
      const rows = world.model.endpoints()
      const devices = rows.map(({ port, netns, ifname, addresses, mtu }) => ({ port, netns, ifname, addresses, mtu, ifindex: 1 }))

      const next = world.newModel()
      const adopted = next.adopt(rewritten({ ...world.state, devices, down: world.downIds }))
      expect(adopted.map(({ netns, ifname }) => `${netns} ${ifname}`).sort()).toEqual([...world.endpoints.keys()].sort())
      next.setIntents(world.vrfs, world.traffic)
      for (const [index, intent] of adopted.entries()) expect(next.addEndpoint(intent).label).toBe(rows[index]?.label)
      const early = next.takeTransaction()
      if (early !== undefined) {
        expect(early.routes.count).toBe(0) // routes of others are not known again, and stay
        expect([early.vrfs, early.ports, early.labels, early.nextHops, early.groups].flatMap(({ remove }) => remove)).toEqual([])
        next.programmed({ status: 'applied', generation: early.generation, failures: [] })
      }
      next.applyRoutes([...world.routes.values()].map((value) => ({ kind: 'announce' as const, route: value })))
      next.endAdoption()
      const rest = next.takeTransaction()
      const state = [early, rest].reduce(
        (before, transaction) => (transaction === undefined ? before : applyToState(before, transaction)),
        world.state,
      )
      expect(new Map(describeState(state))).toEqual(new Map(describeState(world.state)))
      for (const transaction of [early, rest]) {
        if (transaction === undefined) continue
        const { vrfs, ports, nextHops, groups, tunnelSources, labels, routes } = transaction
        const { policies, services, natPools, liveness, mirrors } = transaction
        expect([policies, services, natPools, liveness, mirrors].filter((changes) => changes !== undefined)).toEqual([])
        expect(routes.count).toBe(0)
        for (const { set, remove } of [vrfs, ports, nextHops, groups, tunnelSources, labels]) expect([set, remove]).toEqual([[], []])
      }
    }),
    { numRuns: 300 },
  )
})
