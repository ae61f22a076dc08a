import { EMPTY, labelled, testPacket, transition, type PacketInput, type Tables } from '@heddle/dataplane-conformance'
import { IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { examplesOf } from './support/examples.js'
import { findBy, type FoundBy } from './support/found-by.js'
import { chosen, EVERY_CHOICE, memberByBuckets, spread, tellEngine, tellPrograms, WATCHED } from './support/members.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { unlikeDump } from './support/unlike-dump.js'
import {
  byEngine,
  byProgram,
  comparedTables,
  cutToLoopback,
  expectedBy,
  limited,
  newEngine,
  packetInput,
  type Result,
} from './support/twins.js'

vi.mock('../../forwarding/src/member.js', async (original) => ({
  ...(await original()),
  chooseMember: (...asked: Parameters<typeof memberByBuckets>) => memberByBuckets(...asked),
}))

const drawn = fc.tuple(
  spread(limited(comparedTables)),
  fc.array(packetInput, { minLength: 40, maxLength: 40 }),
  fc.constantFrom<FoundBy>('number', 'search', 'either'),
)

/** What came of a packet: all of `WANTED` is to be among what is compared. */
function outcomesOf({ from, packet }: PacketInput, { verdict, reason }: Result): string[] {
  const outcome = `${from} ${verdict}${verdict !== 'drop' && reason !== undefined ? ' error' : ''}`
  const isNamed = reason?.endsWith('-rate') === true
  const isExtended = from === 'port' && packet[0] >> 4 === 6 && EXTENSIONS.includes(packet[6])
  return [outcome, ...(isNamed ? [`${from} ${reason}`] : []), ...(isExtended ? [`extended ${verdict === 'drop' ? reason : verdict}`] : [])]
}

/** Next headers of extensions that stand before what a packet carries: hop-by-hop options, routing, destination options. */
const EXTENSIONS = [0, 43, 60]

const WANTED = [
  ...['port', 'underlay'].flatMap((from) => ['drop', 'deliver', 'send'].map((verdict) => `${from} ${verdict}`)),
  'port egress-rate',
  'port deliver error',
  'underlay send error',
  'underlay pass',
  // What rules judge by its ports, and what has them behind too many headers.
  ...['deliver', 'send', 'policy', 'fragment'].map((outcome) => `extended ${outcome}`),
  ...EVERY_CHOICE,
]

describe.skipIf(missing() !== '')(titled('programs, against the forwarder in TypeScript'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter

  beforeAll(async () => {
    namespace = new RouterNamespace('differential')
    namespace.addAddresses()
    router = await namespace.open({ fibBlocks: 4096 })
    cutToLoopback(router)
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  it('hash a labelled packet by its payload, or by its label when that lies deeper than any stack that is made here', async () => {
    const action = {
      type: 'tunnel',
      encapsulation: 'mpls-udp',
      local: LOCAL[4],
      remote: PEERS[4][0],
      labels: [500],
      ttlModel: 'uniform',
      trafficClassModel: 'uniform',
    } as const
    const drawn: Tables = {
      ...EMPTY,
      nextHops: [{ id: 1, action }],
      tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][1])] }],
      labels: [{ label: 100, action: { type: 'swap', nextHop: 1 }, sources: 1 }],
    }
    const engine = newEngine()
    expect(engine.apply(transition(1, EMPTY, drawn)).status).toBe('applied')
    expect(await router.apply(transition(1, EMPTY, drawn))).toMatchObject({ status: 'applied', failures: [] })
    for (const below of [0, 1, 15, 16, 17, 40]) {
      const stack = Array.from({ length: below + 1 }, (_, depth) => ({ label: 100 + depth }))
      const packet = labelled(stack, testPacket({ source: '10.0.0.1', destination: '10.0.0.2' }))
      const each: PacketInput = { from: 'underlay', encapsulation: 'mpls-udp', source: PEERS[4][1], packet }
      expect([below, byProgram(router, each)]).toEqual([below, byEngine(engine, each)])
    }
    expect(await router.apply(transition(2, drawn, EMPTY))).toMatchObject({ status: 'applied', failures: [] })
  })

  it('do the same with every packet, octet by octet', { timeout: 600_000 * PACE }, async () => {
    const examples = examplesOf(
      drawn,
      ([{ tables, down }, inputs]) => {
        const engine = newEngine()
        engine.apply(transition(1, EMPTY, tables))
        tellEngine(engine, down)
        chosen.clear()
        return [...inputs.flatMap((each) => outcomesOf(each, expectedBy(engine, tables, each))), ...chosen]
      },
      WANTED,
    )
    const seen = new Set<string>()
    chosen.clear()
    let before: Tables = EMPTY
    let generation = 2
    await fc.assert(
      fc.asyncProperty(drawn, async ([{ tables, down }, inputs, way]) => {
        const engine = newEngine()
        expect(engine.apply(transition(1, EMPTY, tables)).status).toBe('applied')
        // What the kernel remembers of flows goes with the ports: the engine is a new one.
        for (const next of [{ ...EMPTY, ...WATCHED }, tables]) {
          expect(await router.apply(transition(++generation, before, next))).toMatchObject({ status: 'applied', failures: [] })
          before = next
        }
        for (const [key] of router.parts.maps.entries('affinities')) router.parts.maps.delete('affinities', key)
        for (const { id } of tables.ports) router.parts.maps.set('links', id, new View(LINK).set('ifindex', 1).bytes)
        expect(await unlikeDump(router)).toEqual([])
        tellEngine(engine, down)
        tellPrograms(router, down)
        const findAgain = findBy(router, way)
        try {
          for (const each of inputs) {
            const result = expectedBy(engine, tables, each)
            expect(byProgram(router, each)).toEqual(result)
            for (const outcome of outcomesOf(each, result)) seen.add(outcome)
          }
        } finally {
          findAgain()
        }
      }),
      { numRuns: 100 + examples.length, examples: examples.map((one) => [one] as const) },
    )
    expect([...seen, ...chosen]).toEqual(expect.arrayContaining(WANTED))
  })
})
