import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DataplaneState, OverlayModel } from '../src/index.js'
import { applyToState, describeState, emptyState } from '../src/testing/index.js'
import { steps } from './support/steps.js'
import { World } from './support/world.js'

function apply(model: OverlayModel, state: DataplaneState): DataplaneState {
  const transaction = model.takeTransaction()
  if (transaction === undefined) return state
  expect(transaction.generation).toBeGreaterThan(state.generation)
  model.programmed({ status: 'applied', generation: transaction.generation, failures: [] })
  return applyToState(state, transaction)
}

/**
 * A state in words that do not depend on the order of its objects.
 *
 * @param shared whether next hops and groups count, whose ids are given out anew when the last route to them goes and comes back
 */
function contentOf(state: DataplaneState, shared: boolean): unknown {
  const sorted = (list: readonly unknown[]): readonly string[] => list.map((object) => JSON.stringify(object)).sort()
  const { vrfs, ports, nextHops, groups, tunnelSources, labels } = state
  const { policies = [], services = [], natPools = [], liveness = [], mirrors = [] } = state
  return {
    objects: [
      vrfs,
      ports,
      ...(shared ? [nextHops, groups] : []),
      tunnelSources,
      labels,
      policies,
      services,
      natPools,
      liveness,
      mirrors,
    ].map(sorted),
    routes: new Map(describeState(state)),
  }
}

test('a dataplane that replaces another one, whatever it holds, comes to hold exactly the same', () => {
  fc.assert(
    fc.property(steps, steps, fc.boolean(), (mine, others, empty) => {
      const world = new World()
      for (const action of mine) world.run(action)
      world.settle()
      const other = new World()
      for (const action of others) other.run(action)
      other.settle()
      const { downIds } = world
      const before = contentOf(world.state, downIds.length === 0)
      world.replaced(empty ? emptyState() : other.state)
      world.settle()
      // The new one has to find out for itself whom it does not hear.
      for (const id of downIds) world.hear(id, false)
      world.settle()
      expect(contentOf(world.state, downIds.length === 0)).toEqual(before)
    }),
    { numRuns: 400 },
  )
})

test('what is not wanted stays in a replaced dataplane until the adoption ends, and endpoints keep their labels', () => {
  fc.assert(
    fc.property(steps, fc.boolean(), (list, empty) => {
      const world = new World()
      for (const action of list) world.run(action)
      world.settle()
      const devices = world.model
        .endpoints()
        .map(({ port, netns, ifname, addresses, mtu }) => ({ port, netns, ifname, addresses, mtu, ifindex: 1 }))
      const labels = world.model.endpoints().map(({ netns, ifname, label }) => [netns, ifname, label])
      const next = world.newModel()
      const adopted = next.adopt({ ...world.state, devices, down: world.downIds })
      next.setIntents(world.vrfs, world.traffic)
      const [first, ...others] = adopted
      if (first !== undefined) next.addEndpoint(first)
      next.takeTransaction() // is void
      // One that is empty has heard of nobody yet, but will say so.
      next.replaced(empty ? emptyState() : { ...world.state, down: world.downIds })
      for (const intent of others) next.addEndpoint(intent)
      expect(next.endpoints().map(({ netns, ifname, label }) => [netns, ifname, label])).toEqual(labels)
      const early = apply(next, empty ? emptyState() : world.state)
      if (!empty) expect(early.routes.count).toBe(world.state.routes.count)
      next.applyRoutes([...world.routes.values()].map((route) => ({ kind: 'announce' as const, route })))
      next.endAdoption()
      const told = apply(next, early)
      for (const { id, remote } of told.liveness ?? []) if (world.down.has(String(remote))) next.watchedPaths.heard(id, false)
      const after = apply(next, told)
      expect(next.takeTransaction()).toBeUndefined()
      expect(new Map(describeState(after))).toEqual(new Map(describeState(world.state)))
    }),
    { numRuns: 200 },
  )
})
