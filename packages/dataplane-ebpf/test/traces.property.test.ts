import type { DataplaneEvent, TracedPacket } from '@heddle/core'
import { EMPTY, labelled, testSegment, transition, type PacketInput, type Tables } from '@heddle/dataplane-conformance'
import type { ForwardingEngine } from '@heddle/forwarding'
import { IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { examplesOf } from './support/examples.js'
import { memberByBuckets, spread, type Spread, tellEngine, tellPrograms, WATCHED } from './support/members.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { PEERS, RouterNamespace } from './support/router.js'
import { byProgram, comparedTables, cutToLoopback, expectedBy, limited, newEngine, packetInput } from './support/twins.js'

vi.mock('../../forwarding/src/member.js', async (original) => ({
  ...(await original()),
  chooseMember: (...asked: Parameters<typeof memberByBuckets>) => memberByBuckets(...asked),
}))

/** What two forwarders must tell alike: all but the time, their words, and steps that the one in TypeScript leaves out when nothing comes of them. */
function told(packet: TracedPacket): unknown {
  const { from } = packet
  const leftOut = from.type === 'underlay' && from.encapsulation === 'vxlan' ? ['service', 'label'] : ['service']
  const names = packet.steps.map(({ step }) => step).filter((step) => !leftOut.includes(step))
  return { ...packet, time: 0, steps: [...new Set(names)] }
}

interface Drawn extends Spread {
  readonly inputs: readonly PacketInput[]
}

const drawn = fc
  .tuple(spread(limited(comparedTables)), fc.array(packetInput, { minLength: 20, maxLength: 20 }))
  .map(([{ tables, down }, inputs]): Drawn => ({ tables: { ...tables, traces: [{ id: 5, filter: {} }] }, down, inputs }))

/** A SYN behind a label whose MSS is lowered: `forwarding` told that as a step of the next hop, though a label that leads to a port has none. */
const LOWERED: Drawn = {
  down: [],
  tables: {
    ...EMPTY,
    vrfs: [{ id: 1, name: 'red' }],
    ports: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1300, clampMss: true }],
    tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][0])] }],
    labels: [{ label: 18, action: { type: 'pop-forward', port: 1 }, sources: 1 }],
    traces: [{ id: 5, filter: {} }],
  },
  inputs: [
    {
      from: 'underlay',
      encapsulation: 'mpls-udp',
      source: PEERS[4][0],
      packet: labelled([{ label: 18 }], testSegment({ source: '10.0.0.2', destination: '10.0.0.1' })),
    },
  ],
}

/** An engine with the tables, and what it tells of packets. */
function tracing({ tables, down }: Spread): { engine: ForwardingEngine; traced: TracedPacket[] } {
  const traced: TracedPacket[] = []
  const engine = newEngine((event: DataplaneEvent) => {
    if (event.type === 'traced') traced.push(event)
  })
  expect(engine.apply(transition(1, EMPTY, tables)).status).toBe('applied')
  tellEngine(engine, down)
  return { engine, traced }
}

const kindOf = ({ from, outcome }: TracedPacket): string => `${from.type} ${outcome}`
const WANTED = ['port drop', 'port deliver', 'port send', 'underlay drop']

describe.skipIf(missing() !== '')(titled('traces of the programs, against those of the forwarder in TypeScript'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter
  const seen: TracedPacket[] = []

  beforeAll(async () => {
    namespace = new RouterNamespace('traces')
    namespace.addAddresses()
    router = await namespace.open({ fibBlocks: 4096 })
    cutToLoopback(router)
    void (async () => {
      for await (const event of router.events) if (event.type === 'traced') seen.push(event)
    })()
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  it('tell of every packet that fits, with the same steps and the same end', { timeout: 600_000 * PACE }, async () => {
    const examples = examplesOf(
      drawn,
      ({ inputs, ...spreadOver }) => {
        const { engine, traced } = tracing(spreadOver)
        for (const each of inputs) expectedBy(engine, spreadOver.tables, each)
        return traced.map(kindOf)
      },
      WANTED,
    )
    const kinds = new Set<string>()
    let before: Tables = EMPTY
    let generation = 0
    await fc.assert(
      fc.asyncProperty(drawn, async ({ tables, down, inputs }) => {
        const { engine, traced: wanted } = tracing({ tables, down })
        for (const next of [{ ...EMPTY, ...WATCHED }, tables]) {
          expect(await router.apply(transition(++generation, before, next))).toMatchObject({ status: 'applied', failures: [] })
          before = next
        }
        tellPrograms(router, down)
        const { maps } = router.parts
        for (const [key] of maps.entries('affinities')) maps.delete('affinities', key)
        for (const { id } of tables.ports) maps.set('links', id, new View(LINK).set('ifindex', 1).bytes)
        seen.length = 0
        maps.set('told_counts', 0, new Uint8Array(16))
        for (const each of inputs) expect(byProgram(router, each)).toEqual(expectedBy(engine, tables, each))
        await expect.poll(() => seen.length, { timeout: 20_000 * PACE }).toBeGreaterThanOrEqual(wanted.length)
        expect(seen.map(told)).toEqual(wanted.map(told))
        for (const packet of seen) kinds.add(kindOf(packet))
      }),
      { numRuns: 41 + examples.length, examples: [LOWERED, ...examples].map((one) => [one] as const) },
    )
    expect([...kinds]).toEqual(expect.arrayContaining(WANTED))
  })
})
