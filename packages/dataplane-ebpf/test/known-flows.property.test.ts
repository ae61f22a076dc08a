import {
  RouteBatch,
  type CounterRows,
  type CounterSnapshot,
  type Encapsulation,
  type FibTransaction,
  type PolicyObject,
  type ServiceObject,
} from '@heddle/core'
import { labelled, testPacket, testSegment, vxlanBefore, type PacketInput } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { chosen, memberByBuckets, tellEngine, tellPrograms, WATCHED } from './support/members.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { byEngine, byMemory, byProgram, newEngine, rateLimits } from './support/twins.js'

vi.mock('../../forwarding/src/member.js', async (original) => ({
  ...(await original()),
  chooseMember: (...asked: Parameters<typeof memberByBuckets>) => memberByBuckets(...asked),
}))

/** The own one is like the address that the entry of a label has: none. */
const MAC = { own: MacAddress.parse('00:00:00:00:00:00'), far: MacAddress.parse('02:00:00:00:00:0b') } as const
const POD = { 4: '10.1.0.1', 6: 'fd01::1' } as const
const FAR = { 4: ['10.2.0.1', '10.2.0.2'], 6: ['fd02::1', 'fd02::2'] } as const
/** What services of TCP and UDP are asked for at port 80; the first far end is their backend, at another port. */
const VIRTUAL = { 4: '10.96.0.1', 6: 'fd60::1' } as const
const BACKEND_PORT = 8080
/** A label that names the port, one that is looked up in the VRF, and one whose traffic class is the packet's. */
const LABELS = { port: 1001, lookup: 1002, uniform: 1003 } as const
/** Like the entry of a label, the last of its stack: one is not to be taken for the other. */
const VNI = (LABELS.port << 12) | 0x100

const model = fc.constantFrom('pipe' as const, 'uniform' as const)
const world = fc.record({
  encapsulation: fc.constantFrom<Encapsulation>('mpls-udp', 'mpls-udp-joint', 'mpls-gre', 'vxlan'),
  outer: fc.constantFrom(4 as const, 6 as const),
  labels: fc.array(fc.integer({ min: 16, max: 1_048_575 }), { minLength: 1, maxLength: 4 }),
  ttlModel: model,
  trafficClassModel: model,
  ecn: fc.constantFrom('normal' as const, 'compatibility' as const),
  mtu: fc.constantFrom(1400, 1280),
  clampMss: fc.boolean(),
  isPoliced: fc.boolean(),
  /** Where it is policed: a rule names a mirror. */
  isCopied: fc.constantFrom(false, false, true),
  hasService: fc.boolean(),
  /** Where there are services: backends see the virtual address in place of the client's. */
  hidesClients: fc.boolean(),
  limits: fc.option(rateLimits, { nil: undefined, freq: 2 }),
  /** Weights of the tunnels that far ends lie behind, each to another router, and whose paths are down. */
  weights: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
  down: fc.constantFrom<number[][]>([], [], [0], [1], [0, 2]),
})
type World = typeof world extends fc.Arbitrary<infer Of> ? Of : never

/** What may differ from a packet of a flow to the next one. */
const varied = fc.record({
  ttl: fc.constantFrom(1, 2, 3, 63, 64, 65, 255),
  trafficClass: fc.constantFrom(0, 1, 2, 3, 0x28, 0xb9),
  outerClass: fc.constantFrom(0, 1, 2, 3, 0, 2, 0xb8),
  labelTtl: fc.constantFrom(1, 2, 3, 62, 64, 65, 255),
  labelClass: fc.integer({ min: 0, max: 7 }),
  /** TTL of a joint label before it. */
  joint: fc.constantFrom(undefined, undefined, 0, 1, 2),
  size: fc.constantFrom(0, 1, 8, 40, 200, 1200, 1300, 1372, 1400),
  flags: fc.constantFrom(0x10, 0x10, 0x18, 0x02, 0x11, 0x04),
})
const flow = fc.record({
  from: fc.constantFrom('port' as const, 'underlay' as const),
  family: fc.constantFrom(4 as const, 6 as const),
  isTcp: fc.boolean(),
  port: fc.integer({ min: 0, max: 65_535 }),
  far: fc.constantFrom(0, 1),
  by: fc.constantFrom(
    'port' as const,
    'lookup' as const,
    'vni' as const,
    'port' as const,
    'lookup' as const,
    'vni' as const,
    'uniform' as const,
  ),
  isMixed: fc.constantFrom(false, false, false, false, true),
  /** To a virtual address where there is one, and back. */
  isServed: fc.constantFrom(false, true),
  packets: fc.array(varied, { minLength: 3, maxLength: 3 }),
})
const RUNS = 30
/** The first packet of a flow, which can be carried in every world. */
const FIRST = { ttl: 64, trafficClass: 0, outerClass: 0, labelTtl: 64, labelClass: 0, joint: undefined, size: 8, flags: 0x10 } as const

type Flow = typeof flow extends fc.Arbitrary<infer Of> ? Of : never

/** Kinds of flows of which packets are to go by memory; left to chance, an encapsulation is missing in one run of some thousand. */
const WANTED = ['port mpls-udp', 'port mpls-udp-joint', 'port mpls-gre', 'port vxlan', 'underlay port', 'underlay lookup', 'underlay vni']
  .flatMap((kind) => [kind, `${kind}, translated`, `${kind}, hidden`])
  .concat('of its bucket', 'of another bucket')
/** Kinds of flows that are drawn, without the examples. */
const DRAWN = (['port', 'underlay'] as const).flatMap((from) =>
  (['port', 'lookup', 'vni', 'uniform'] as const).map((by) => `${from} ${by}`),
)
const plainFlows = (isServed: boolean): Flow[] =>
  (['port', 'lookup', 'vni'] as const).flatMap((by) =>
    (['port', 'underlay'] as const).map((from): Flow => ({
      from,
      by,
      family: 4,
      isTcp: false,
      port: 1000,
      far: 0,
      isMixed: false,
      isServed,
      packets: [FIRST, FIRST, FIRST],
    })),
  )
const EXAMPLES = (['mpls-udp', 'mpls-udp-joint', 'mpls-gre', 'vxlan'] as const).flatMap((encapsulation) =>
  [undefined, false, true].map((hidesClients): [World, Flow[]] => {
    const hasService = hidesClients !== undefined
    const models = { ttlModel: 'pipe', trafficClassModel: 'pipe', ecn: 'normal' } as const
    const steps = {
      clampMss: false,
      isPoliced: false,
      isCopied: false,
      hasService,
      hidesClients: hidesClients === true,
      limits: undefined,
      weights: hasService ? [1, 3, 1] : [1],
      down: hasService ? [1] : [],
    }
    return [{ encapsulation, outer: 4, labels: [16], mtu: 1400, ...models, ...steps }, plainFlows(hasService)]
  }),
)

/** @param asked address that the flow's replies go to */
function inputOf(
  { from, family, isTcp, port, far, by, isMixed, isServed }: Flow,
  packet: Flow['packets'][number],
  asked: string = POD[family],
): PacketInput {
  const server = isServed ? FAR[family][0] : FAR[family][far]
  const ends =
    from === 'port' ? { source: POD[family], destination: isServed ? VIRTUAL[family] : server } : { source: server, destination: asked }
  const { ttl, trafficClass, size, flags } = packet
  const ports =
    from === 'port' ? { sourcePort: port, destinationPort: 80 } : { sourcePort: isServed ? BACKEND_PORT : 80, destinationPort: port }
  const inner = isTcp
    ? testSegment({ ...ends, ...ports, ttl, trafficClass, size, flags })
    : testPacket({ ...ends, ...ports, ttl, trafficClass, size })
  if (from === 'port') return { from, port: 1, packet: inner }
  const source = PEERS[isMixed ? (family === 4 ? 6 : 4) : family][0]
  const common = { from, source, trafficClass: packet.outerClass }
  if (by === 'vni') return { ...common, encapsulation: 'vxlan', packet: vxlanBefore(VNI, MAC.own, MAC.far, inner) }
  const top = { label: LABELS[by], ttl: packet.labelTtl, trafficClass: packet.labelClass }
  const stack = labelled([top], inner)
  const { joint } = packet
  return { ...common, encapsulation: 'mpls-udp', packet: joint === undefined ? stack : Uint8Array.of(0x0c, 0, 0, joint, ...stack) }
}

/** @param before what the tables were, `undefined` when there were none */
function tablesOf(generation: number, drawn: World, before?: World): FibTransaction {
  const {
    encapsulation,
    outer,
    labels,
    ttlModel,
    trafficClassModel,
    ecn,
    mtu,
    clampMss,
    isPoliced,
    isCopied,
    hasService,
    limits,
    weights,
  } = drawn
  const services = ([4, 6] as const).flatMap((family) =>
    (['tcp', 'udp'] as const).map((protocol, index): ServiceObject => ({
      id: family * 2 + index,
      vrf: 1,
      address: IpAddress.parse(VIRTUAL[family]),
      protocol,
      port: 80,
      backends: [{ address: IpAddress.parse(FAR[family][0]), port: BACKEND_PORT, weight: 1 }],
      seed: 1,
      natSide: drawn.hidesClients ? 'both' : 'destination',
    })),
  )
  const routes = new RouteBatch()
  for (const pod of [POD[4], POD[6]]) routes.push(1, IpPrefix.of(IpAddress.parse(pod)), 1)
  for (const far of ['10.2.0.0/16', 'fd02::/64']) routes.push(1, IpPrefix.parse(far), 2)
  const isVxlan = encapsulation === 'vxlan'
  const tunnelTo = (remote: IpAddress) => ({
    type: 'tunnel' as const,
    encapsulation,
    local: LOCAL[outer],
    remote,
    labels: isVxlan ? [] : labels,
    ...(isVxlan ? { vni: VNI, routerMac: MAC.far } : {}),
    ttlModel,
    trafficClassModel,
    ecn,
  })
  const tunnels = weights.map((_, index) => ({ id: 2 + index, action: tunnelTo(PEERS[outer][index]), liveness: index }))
  const policies = (['ingress', 'egress'] as const).map((direction, id): PolicyObject => ({
    id,
    port: 1,
    direction,
    rules: [{ verdict: 'allow', ...(isCopied ? { mirror: 7 } : {}) }],
    defaultVerdict: 'deny',
  }))
  return {
    ...emptyTransaction(generation),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: {
      set: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu, clampMss, ...(limits && { rateLimits: limits }) }],
      remove: [],
    },
    nextHops: {
      set: [{ id: 1, action: { type: 'port', port: 1 } }, ...tunnels],
      remove: (before?.weights ?? []).slice(weights.length).map((_, index) => 2 + weights.length + index),
    },
    groups: {
      set: [
        { id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 1 },
        { id: 2, members: weights.map((weight, index) => ({ nextHop: 2 + index, weight })), seed: 1 },
      ],
      remove: [],
    },
    liveness: { set: WATCHED.liveness, remove: [] },
    tunnelSources: { set: [{ id: 1, prefixes: [...PEERS[4], ...PEERS[6]].map((peer) => IpPrefix.of(peer)) }], remove: [] },
    labels: {
      set: [
        { label: LABELS.port, action: { type: 'pop-forward', port: 1 }, sources: 1 },
        { label: LABELS.lookup, action: { type: 'pop-lookup', vrf: 1 }, sources: 1 },
        { label: LABELS.uniform, action: { type: 'pop-lookup', vrf: 1 }, sources: 1, trafficClassModel: 'uniform' },
      ],
      remove: [],
    },
    vnis: { set: [{ vni: VNI, vrf: 1, routerMac: MAC.own, sources: 1 }], remove: [] },
    mirrors: { set: [{ id: 7, ports: [], sink: { type: 'stream' } }], remove: [] },
    policies: isPoliced ? { set: policies, remove: [] } : { set: [], remove: before?.isPoliced === true ? [0, 1] : [] },
    services: hasService
      ? { set: services, remove: [] }
      : { set: [], remove: before?.hasService === true ? services.map(({ id }) => id) : [] },
    routes,
  }
}

/** What was counted, by kind and object. */
function valuesOf({ portIds, ports, vrfs, labels, nextHops }: CounterSnapshot): ReadonlyMap<string, number> {
  const kinds = { port: { ids: portIds, values: ports }, vrf: vrfs, label: labels, hop: nextHops }
  const rows = Object.entries(kinds).flatMap(([kind, counters]) => {
    const { ids, values } = counters as CounterRows
    const width = values.length / ids.length
    return Array.from(values, (value, at) => [`${kind} ${ids[Math.floor(at / width)]} ${at % width}`, value] as const)
  })
  return new Map(rows.filter(([, value]) => value !== 0))
}

function since(before: CounterSnapshot, after: CounterSnapshot): ReadonlyMap<string, number> {
  const old = valuesOf(before)
  return new Map(
    [...valuesOf(after)].map(([name, value]) => [name, value - (old.get(name) ?? 0)] as const).filter(([, value]) => value !== 0),
  )
}

describe.skipIf(missing() !== '')(titled('programs, of flows that they know'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter

  beforeAll(async () => {
    namespace = new RouterNamespace('known')
    namespace.addAddresses()
    router = await namespace.open({ fibBlocks: 1024, routes: 64, flows: 1024 })
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  it(
    'do with the next packet what the forwarder in TypeScript does, and forget with every change of a table',
    { timeout: 600_000 * PACE },
    async () => {
      const known = new Map<string, number>()
      let runs = 0
      const drawnFlows = new Set<string>()
      let before: World | undefined
      let generation = 0
      await fc.assert(
        fc.asyncProperty(world, fc.array(flow, { minLength: 16, maxLength: 16 }), async (drawn, flows) => {
          const engine = newEngine()
          // A limit that is set again as it was goes on; the forwarder in TypeScript is a new one.
          for (const [key] of router.parts.maps.entries('rates')) router.parts.maps.delete('rates', key)
          expect(engine.apply(tablesOf(1, drawn))).toMatchObject({ status: 'applied', failures: [] })
          expect(await router.apply(tablesOf(++generation, drawn, before))).toMatchObject({ status: 'applied', failures: [] })
          before = drawn
          tellEngine(engine, drawn.down)
          tellPrograms(router, drawn.down)
          for (const map of ['flows', 'nat_flows']) for (const [key] of router.parts.maps.entries(map)) router.parts.maps.delete(map, key)
          const counted = await router.counters()
          router.parts.maps.set('links', 1, new View(LINK).set('ifindex', 1).bytes)
          const isDrawn = runs++ >= EXAMPLES.length
          for (const drawnFlow of flows) {
            const one = { ...drawnFlow, isServed: drawnFlow.isServed && drawn.hasService }
            if (isDrawn) drawnFlows.add(`${one.from} ${one.by}`)
            const asked = one.isServed && drawn.hidesClients ? VIRTUAL[one.family] : POD[one.family]
            const [first, ...others] = [FIRST, ...one.packets].map((packet) => inputOf(one, packet, asked))
            const opening = inputOf({ ...one, from: 'port' }, FIRST)
            for (const general of one.isServed && one.from === 'underlay' ? [opening, first] : [first])
              expect(byProgram(router, general)).toEqual(byEngine(engine, general))
            const like = one.by === 'port' ? 'vni' : 'port'
            if (one.from === 'underlay') expect(byMemory(router, inputOf({ ...one, by: like }, FIRST))).toBeUndefined()
            for (const each of others) {
              chosen.clear()
              const expected = byEngine(engine, each)
              const remembered = byMemory(router, each)
              // Nothing that is to be copied may go past the step that copies.
              if (drawn.isPoliced && drawn.isCopied) expect(remembered).toBeUndefined()
              expect(remembered ?? byProgram(router, each)).toEqual(expected)
              const what = !one.isServed ? '' : drawn.hidesClients ? ', hidden' : ', translated'
              const kind = `${one.from === 'port' ? drawn.encapsulation : one.by}${what}`
              if (remembered?.reason?.endsWith('-rate') === true) known.set(remembered.reason, (known.get(remembered.reason) ?? 0) + 1)
              else if (remembered !== undefined) {
                for (const name of [`${one.from} ${kind}`, ...chosen]) known.set(name, (known.get(name) ?? 0) + 1)
              }
            }
            router.parts.maps.forgetDecisions()
            expect(byMemory(router, first)).toBeUndefined()
          }
          expect(since(counted, await router.counters())).toEqual(valuesOf(engine.counters()))
        }),
        { numRuns: RUNS + EXAMPLES.length, examples: EXAMPLES },
      )
      process.stdout.write(`packets by memory: ${[...known].map(([kind, count]) => `${count} ${kind}`).join(', ')}\n`)
      // A slow guest makes fewer runs. In all of them, one of these is missing by chance once in 10^14.
      if (runs >= RUNS + EXAMPLES.length) expect([...drawnFlows]).toEqual(expect.arrayContaining(DRAWN))
      for (const kind of WANTED) expect([kind, known.get(kind) ?? 0]).toEqual([kind, expect.toSatisfy((count: number) => count > 0)])
    },
  )
})
