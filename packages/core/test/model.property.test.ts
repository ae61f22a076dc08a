import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OverlayModel } from '../src/index.js'
import { applyToState, describeState, expectedTables } from '../src/testing/index.js'
import { LIMITS, LOCAL, step, World } from './support/world.js'

/** The oracle speaks of endpoints, the dataplane of ports. */
function withPorts(tables: ReadonlyMap<string, string>, model: OverlayModel): ReadonlyMap<string, string> {
  const portOf = (text: string): string => {
    const name = text.replace('port of ', '')
    return `port ${model.endpoints().find(({ netns, ifname }) => `${netns} ${ifname}` === name)?.port}`
  }
  return new Map([...tables].map(([key, text]) => [key, text.startsWith('port of') ? portOf(text) : text]))
}

test('after any sequence of events the dataplane holds what the definitions say, and nothing dangles on the way', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const world = new World()
      for (const action of steps) world.run(action)
      world.settle()
      const expected = withPorts(
        expectedTables({
          localAddress: LOCAL,
          vrfs: world.vrfs,
          endpoints: [...world.endpoints.values()],
          routes: [...world.routes.values()],
        }),
        world.model,
      )
      const actual = describeState(world.state)
      expect(new Map(actual)).toEqual(new Map(expected))
    }),
    { numRuns: 2000 },
  )
})

test('a model that adopts the dataplane changes nothing once it was told the same', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const world = new World()
      for (const action of steps) world.run(action)
      world.settle()
      const devices = world.model
        .endpoints()
        .map(({ port, netns, ifname, addresses, mtu }) => ({ port, netns, ifname, addresses, mtu, ifindex: 1 }))
      const labels = new Map(world.model.endpoints().map(({ netns, label }) => [netns, label]))

      const next = new OverlayModel({
        clock: world.clock,
        localAddresses: [LOCAL],
        capabilities: { encapsulations: ['mpls-udp'], limits: LIMITS },
      })
      const adopted = next.adopt({ ...world.state, devices })
      expect(adopted.map(({ netns }) => netns).sort()).toEqual([...world.endpoints.keys()].sort())
      next.setVrfs(world.vrfs)
      for (const intent of adopted) expect(next.addEndpoint(intent).label).toBe(labels.get(intent.netns))
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
      expect(rest?.routes.count ?? 0).toBe(0)
    }),
    { numRuns: 200 },
  )
})
