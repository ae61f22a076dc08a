import { arbitraryInput, arbitraryTables, EMPTY, transition, type Tables } from '@heddle/dataplane-conformance'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { OFFERED_FEATURES } from '../src/features.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { byEngine, byProgram, CARRIED, cutToLoopback, newEngine } from './support/twins.js'

const around = {
  encapsulations: CARRIED,
  underlays: ([4, 6] as const).map((family) => ({ local: LOCAL[family], peers: PEERS[family] })),
  features: OFFERED_FEATURES,
  trafficClasses: [0, 1, 2, 3, 0xb8],
}
/* The kernel takes no test packet that ends within its IP header; the conformance suite sends such ones through devices. */
const input = arbitraryInput(around).filter(({ from, packet }) => from === 'underlay' || packet.length >= (packet[0] >> 4 === 6 ? 40 : 20))

/* Groups of several members are spread by another table here; which member a flow takes is compared by `buckets.test.ts`. */
const tables = arbitraryTables(around).map((drawn): Tables => ({
  ...drawn,
  groups: drawn.groups.map((group) => ({ ...group, members: group.members.slice(0, 1) })),
}))

describe.skipIf(missing() !== '')(titled('programs, against the forwarder in TypeScript'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter

  beforeAll(async () => {
    namespace = new RouterNamespace('differential')
    router = await namespace.open({ fibBlocks: 4096 })
    cutToLoopback(router)
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  it('do the same with every packet, octet by octet', async () => {
    const seen = new Set<string>()
    let before: Tables = EMPTY
    let generation = 0
    await fc.assert(
      fc.asyncProperty(tables, fc.array(input, { minLength: 40, maxLength: 40 }), async (drawn, inputs) => {
        const engine = newEngine()
        expect(engine.apply(transition(1, EMPTY, drawn)).status).toBe('applied')
        // What the kernel remembers of flows goes with the ports: the engine is a new one.
        for (const next of [EMPTY, drawn]) {
          expect(await router.apply(transition(++generation, before, next))).toMatchObject({ status: 'applied', failures: [] })
          before = next
        }
        for (const [key] of router.parts.maps.entries('affinities')) router.parts.maps.delete('affinities', key)
        for (const { id } of drawn.ports) router.parts.maps.set('links', id, new View(LINK).set('ifindex', 1).bytes)
        for (const each of inputs) {
          const result = byEngine(engine, each)
          expect(byProgram(router, each)).toEqual(result)
          seen.add(`${each.from} ${result.verdict} ${result.verdict !== 'drop' && result.reason !== undefined ? 'error' : ''}`.trim())
        }
      }),
      { numRuns: 100 },
    )
    const all = ['port', 'underlay'].flatMap((from) => ['drop', 'deliver', 'send'].map((verdict) => `${from} ${verdict}`))
    expect([...seen]).toEqual(expect.arrayContaining([...all, 'port deliver error', 'underlay send error']))
  })
})
