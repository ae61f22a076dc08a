import { DROP_REASONS, ENCAPSULATIONS, type Encapsulation } from '@heddle/core'
import { arbitraryInput, arbitraryTables, EMPTY, transition, type PacketInput, type Tables } from '@heddle/dataplane-conformance'
import { DELIVER, DROP, ForwardingEngine, HEADROOM, PacketOut, SEND } from '@heddle/forwarding'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { OFFERED_FEATURES } from '../src/features.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs.js'
import { limitsOf } from '../src/limits.js'
import { wordBytes } from '../src/tables/kernel-maps.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'

const CARRIED: readonly Encapsulation[] = ENCAPSULATIONS.filter((encapsulation) => encapsulation !== 'mpls')
const around = {
  encapsulations: CARRIED,
  underlays: ([4, 6] as const).map((family) => ({ local: LOCAL[family], peers: PEERS[family] })),
  features: OFFERED_FEATURES,
  trafficClasses: [0, 1, 2, 3, 0xb8],
}
const UDP_PORTS: Readonly<Partial<Record<Encapsulation, number>>> = { 'mpls-udp': 6635, vxlan: 4789 }
const [VERDICT_DROP, VERDICT_REDIRECT] = [2, 7]
const ETHERNET = 14
const MTU = 1500

/** What a forwarder did with a packet. */
interface Result {
  readonly verdict: 'drop' | 'deliver' | 'send'
  /** Reason that was counted, if one was. */
  readonly reason: string | undefined
  readonly packet: string
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
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  /** The whole outer packet of an input from the underlay, the inner one of any other. */
  function bytesOf(input: PacketInput): Uint8Array {
    if (input.from === 'port') return input.packet
    const { source, encapsulation, packet, trafficClass = 0 } = input
    return writeOuter({
      source,
      destination: LOCAL[source.family],
      protocol: encapsulation === 'mpls-gre' ? 47 : 17,
      ttl: 64,
      trafficClass,
      sourcePort: 50_000,
      destinationPort: UDP_PORTS[encapsulation] ?? 0,
      payload: packet,
    })
  }

  function byEngine(engine: ForwardingEngine, input: PacketInput): Result {
    const packet = bytesOf(input)
    const bytes = new Uint8Array(HEADROOM + packet.length)
    bytes.set(packet, HEADROOM)
    const out = new PacketOut()
    const verdict =
      input.from === 'port'
        ? engine.fromPort(input.port, bytes, HEADROOM, packet.length, out)
        : engine.fromWire(bytes, HEADROOM, packet.length, out)
    const reason = out.reason >= 0 ? DROP_REASONS[out.reason] : undefined
    if (verdict === DROP) return { verdict: 'drop', reason, packet: '' }
    expect([DELIVER, SEND]).toContain(verdict)
    const given = bytes.slice(out.offset, out.offset + out.length)
    return { verdict: verdict === SEND ? 'send' : 'deliver', reason, packet: text(given, verdict === SEND) }
  }

  async function byProgram(input: PacketInput): Promise<Result> {
    const { maps, tables: kernel } = router.parts
    // Loopback, which test packets come from, is the device of the port; and errors are not limited.
    if (input.from === 'port') maps.set('devices', 1, wordBytes(input.port))
    maps.set('error_limits', 0, new Uint8Array(maps.valueSize('error_limits')))
    const packet = bytesOf(input)
    const frame = new Uint8Array(ETHERNET + packet.length)
    frame.set(packet[0] >> 4 === 6 ? [0x86, 0xdd] : [0x08, 0x00], 12)
    frame.set(packet, ETHERNET)
    const before = kernel.counters.snapshot()
    const { verdict, packet: given } = router.run(input.from === 'port' ? 'egress' : 'ingress', frame)
    const after = kernel.counters.snapshot()
    const reasons = DROP_REASONS.filter((_, slot) => after.drops[slot] !== before.drops[slot])
    expect(reasons.length).toBeLessThanOrEqual(1)
    if (verdict === VERDICT_DROP) return { verdict: 'drop', reason: reasons[0], packet: '' }
    expect(verdict).toBe(VERDICT_REDIRECT)
    const isSent = before.ports.every((count, at) => at % 5 !== 2 || after.ports[at] === count)
    return { verdict: isSent ? 'send' : 'deliver', reason: reasons[0], packet: text(given.subarray(ETHERNET), isSent) }
  }

  it('do the same with every packet, octet by octet', { timeout: 120_000 }, async () => {
    const seen = new Set<string>()
    let before: Tables = EMPTY
    let generation = 0
    await fc.assert(
      fc.asyncProperty(tables, fc.array(input, { minLength: 40, maxLength: 40 }), async (drawn, inputs) => {
        const engine = new ForwardingEngine({
          limits: limitsOf(4096, 4096),
          encapsulations: CARRIED,
          outer: 'full',
          underlayMtu: MTU,
          features: OFFERED_FEATURES,
        })
        expect(engine.apply(transition(1, EMPTY, drawn)).status).toBe('applied')
        // What the kernel remembers of flows goes with the ports: the engine is a new one.
        for (const next of [EMPTY, drawn]) {
          expect(await router.apply(transition(++generation, before, next))).toMatchObject({ status: 'applied', failures: [] })
          before = next
        }
        for (const { id } of drawn.ports) router.parts.maps.set('links', id, new View(LINK).set('ifindex', 1).bytes)
        for (const each of inputs) {
          const result = byEngine(engine, each)
          expect(await byProgram(each)).toEqual(result)
          seen.add(`${each.from} ${result.verdict} ${result.verdict !== 'drop' && result.reason !== undefined ? 'error' : ''}`.trim())
        }
      }),
      { numRuns: 100 },
    )
    const all = ['port', 'underlay'].flatMap((from) => ['drop', 'deliver', 'send'].map((verdict) => `${from} ${verdict}`))
    expect([...seen]).toEqual(expect.arrayContaining([...all, 'port deliver error', 'underlay send error']))
  })
})

/** Octets as text; of a packet on the underlay without its UDP checksum, which the programs leave at zero. */
function text(packet: Uint8Array, isOuter: boolean): string {
  const [protocol, header] = packet[0] >> 4 === 4 ? [packet[9], 20] : [packet[6], 40]
  const copy = packet.slice()
  if (isOuter && protocol === 17) copy.fill(0, header + 6, header + 8)
  return Buffer.from(copy).toString('hex')
}
