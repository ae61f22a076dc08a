import type { NatPoolObject, ServiceObject } from '@heddle/core'
import { EMPTY, labelled, transition, type PacketInput, type Tables } from '@heddle/dataplane-conformance'
import type { ForwardingEngine } from '@heddle/forwarding'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import {
  answerTo,
  arbitraryPools,
  arbitrarySending,
  arbitraryServices,
  errorAbout,
  natTables,
  type Place,
  type Sending,
} from './support/nat-world.js'
import { examplesOf } from './support/examples.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { PEERS, RouterNamespace } from './support/router.js'
import { byEngine, byProgram, cutToLoopback, newEngine, type Result } from './support/twins.js'

/** What happens next: a packet, an answer to or an error about one that came out, or other services and pools. */
type Step =
  | { readonly type: 'send'; readonly sending: Sending }
  | { readonly type: 'answer'; readonly to: number }
  | { readonly type: 'error'; readonly about: number; readonly isFromEnd: boolean }
  | { readonly type: 'change'; readonly services: readonly ServiceObject[]; readonly pools: readonly NatPoolObject[] }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: arbitrarySending.map((sending): Step => ({ type: 'send', sending })) },
  { weight: 8, arbitrary: fc.nat(3).map((to): Step => ({ type: 'answer', to })) },
  { weight: 5, arbitrary: fc.tuple(fc.nat(3), fc.boolean()).map(([about, isFromEnd]): Step => ({ type: 'error', about, isFromEnd })) },
  {
    weight: 1,
    arbitrary: fc.tuple(arbitraryServices, arbitraryPools).map(([services, pools]): Step => ({ type: 'change', services, pools })),
  },
)

const course = fc.tuple(arbitraryServices, arbitraryPools, fc.array(step, { minLength: 60, maxLength: 60 }))

/** What is to come about: packets, answers and errors with other ends, to ports and to the underlay; and the reasons that are of translation alone. */
const WANTED = [
  ...['send', 'answer', 'error'].flatMap((type) => ['deliver', 'send'].map((verdict) => `${type} ${verdict}  with other ends`)),
  'error of a hidden router send  with other ends',
  ...['no-backend', 'nat-exhausted', 'fragment'].map((reason) => `send drop ${reason}`),
]

/** Octets before the inner packet of what is sent: IPv4, UDP, one label. */
const TUNNEL = 32

describe.skipIf(missing() !== '')(titled('translation of addresses by the programs, against the forwarder in TypeScript'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter
  let generation = 0
  let tables: Tables = EMPTY

  beforeAll(async () => {
    namespace = new RouterNamespace('nat')
    router = await namespace.open({ fibBlocks: 4096 })
    cutToLoopback(router)
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  async function program(next: Tables): Promise<void> {
    expect(await router.apply(transition(++generation, tables, next))).toMatchObject({ status: 'applied', failures: [] })
    tables = next
  }

  /** Nothing is remembered of earlier packets: as in a new engine. */
  async function begin(): Promise<void> {
    const { maps } = router.parts
    await program(EMPTY)
    for (const map of ['nat_flows', 'affinities']) for (const [key] of maps.entries(map)) maps.delete(map, key)
  }

  it('gives every packet the same ends, whatever came before it', { timeout: 600_000 * PACE }, async () => {
    const examples = examplesOf(
      course,
      (drawn) => Array.from(follow(newEngine(), drawn), (each) => ('input' in each ? each.name : '')),
      WANTED,
    )
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(course, async (drawn) => {
        await begin()
        for (const each of follow(newEngine(), drawn)) {
          if ('input' in each) {
            expect(byProgram(router, each.input)).toEqual(each.result)
            seen.add(each.name)
          } else {
            await program(each.tables)
            for (const { id } of each.tables.ports) router.parts.maps.set('links', id, new View(LINK).set('ifindex', 1).bytes)
          }
        }
      }),
      { numRuns: 40 + examples.length, examples: examples.map((one) => [one] as const) },
    )
    expect([...seen]).toEqual(expect.arrayContaining(WANTED))
  })
})

/** What the engine makes of what is drawn: tables that it got, or a packet that it decided, named by what came of it. */
function* follow(
  engine: ForwardingEngine,
  [services, pools, steps]: readonly [readonly ServiceObject[], readonly NatPoolObject[], readonly Step[]],
): Generator<{ readonly tables: Tables } | { readonly input: PacketInput; readonly result: Result; readonly name: string }> {
  let tables: Tables = EMPTY
  let generation = 0
  const change = (next: Tables): { readonly tables: Tables } => {
    expect(engine.apply(transition(++generation, tables, next)).status).toBe('applied')
    tables = next
    return { tables }
  }
  yield change(natTables(services, pools))
  const out: Sending[] = []
  for (const each of steps) {
    if (each.type === 'change') yield change(natTables(each.services, each.pools))
    const sending = sendingOf(each, out)
    if (sending === undefined) continue
    const input = inputOf(sending)
    const result = byEngine(engine, input)
    const came = comeOut(result, sending.place)
    if (came !== undefined && result.reason === undefined) out.unshift(came)
    const isTranslated = came !== undefined && isOther(came.packet, sending.packet)
    const isHidden = each.type === 'error' && !each.isFromEnd && came !== undefined && hasOtherSource(came.packet, sending.packet)
    const what = isHidden ? 'error of a hidden router' : each.type
    yield { input, result, name: `${what} ${result.verdict} ${result.reason ?? ''} ${isTranslated ? 'with other ends' : ''}`.trim() }
  }
}

/** The packet of a step; undefined when there is none. @param out packets that came out, the latest first, with the place that answers them */
function sendingOf(step: Step, out: readonly Sending[]): Sending | undefined {
  if (step.type === 'send') return step.sending
  if (step.type === 'change') return undefined
  const found = out[step.type === 'answer' ? step.to : step.about]
  if (found === undefined) return undefined
  return { place: found.place, packet: step.type === 'answer' ? answerTo(found.packet) : errorAbout(found.packet, step.isFromEnd) }
}

function inputOf({ place, packet }: Sending): PacketInput {
  if ('port' in place) return { from: 'port', port: place.port, packet }
  return { from: 'underlay', encapsulation: 'mpls-udp', source: PEERS[4][0], packet: labelled([{ label: place.label }], packet) }
}

/** What came out, and whence an answer to it comes. */
function comeOut({ verdict, packet }: Result, from: Place): Sending | undefined {
  if (verdict === 'drop' || verdict === 'cut') return undefined
  const bytes = new Uint8Array(Buffer.from(packet, 'hex'))
  if (verdict === 'send')
    return { place: { label: bytes[TUNNEL - 3] * 16 + (bytes[TUNNEL - 2] >> 4) === 2001 ? 110 : 120 }, packet: bytes.slice(TUNNEL) }
  const isV4 = bytes[0] >> 4 === 4
  const host = bytes[isV4 ? 19 : 39]
  return { place: { port: host === 2 ? 2 : 'port' in from && from.port === 3 ? 3 : 1 }, packet: bytes }
}

/** Whether a packet has other addresses or ports than another one. */
function isOther(a: Uint8Array, b: Uint8Array): boolean {
  const [from, to] = a[0] >> 4 === 4 ? [12, 24] : [8, 44]
  return Buffer.compare(a.subarray(from, to), b.subarray(from, to)) !== 0
}

function hasOtherSource(a: Uint8Array, b: Uint8Array): boolean {
  const [from, to] = a[0] >> 4 === 4 ? [12, 16] : [8, 24]
  return Buffer.compare(a.subarray(from, to), b.subarray(from, to)) !== 0
}
