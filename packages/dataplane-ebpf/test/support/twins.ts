import { DROP_REASONS, type DataplaneEvent, type Encapsulation, type PortObject, type RateLimits } from '@heddle/core'
import { arbitraryInput, arbitraryTables, type PacketInput, type Tables, type WireEncapsulation } from '@heddle/dataplane-conformance'
import { DELIVER, DROP, ForwardingEngine, FRAGMENT, HEADROOM, PacketOut, SEND } from '@heddle/forwarding'
import fc from 'fast-check'
import { expect } from 'vitest'
import { writeOuter } from '../../../dataplane-tun/test/support/ip-packet.js'
import type { EbpfRouter } from '../../src/ebpf-router.js'
import { OFFERED_FEATURES } from '../../src/features.js'
import { View } from '../../src/layout/struct.js'
import { LOCAL_KEY } from '../../src/layout/structs/objects.js'
import { limitsOf } from '../../src/limits.js'
import { wordAt, wordBytes } from '../../src/layout/word.js'
import { LOCAL, PEERS } from './router.js'

/* The forwarder in TypeScript and the programs, asked about the same packets. */

export const CARRIED: readonly WireEncapsulation[] = ['mpls-udp', 'mpls-gre', 'vxlan']
const UDP_PORTS: Readonly<Partial<Record<WireEncapsulation, number>>> = { 'mpls-udp': 6635, vxlan: 4789 }
const [VERDICT_DROP, VERDICT_REDIRECT, VERDICT_NEXT] = [2, 7, 0xffff_ffff]
const ETHERNET = 14
const MTU = 1500

const SENT: readonly Encapsulation[] = [...CARRIED, 'mpls-udp-joint']

const around = {
  encapsulations: SENT,
  underlays: ([4, 6] as const).map((family) => ({ local: LOCAL[family], peers: PEERS[family] })),
  features: OFFERED_FEATURES,
  trafficClasses: [0, 1, 2, 3, 0xb8],
}
/* The kernel takes no test packet that ends within its IP header; the conformance suite sends such ones through devices. */
export const packetInput = arbitraryInput(around).filter(
  ({ from, packet }) => from === 'underlay' || packet.length >= (packet[0] >> 4 === 6 ? 40 : 20),
)

export const comparedTables = arbitraryTables(around)

/** A limit that brings an octet back in eight seconds: only its burst counts. */
const burst = (most: number) => fc.integer({ min: 1, max: most }).map((burstOctets) => ({ bitsPerSecond: 1, burstOctets }))
/* Most packets come from ports. */
export const rateLimits: fc.Arbitrary<RateLimits> = fc.record({ egress: burst(4000), ingress: burst(100) }, { requiredKeys: [] })

/** The same tables, with limits at some of the ports. */
export function limited(tables: fc.Arbitrary<Tables>): fc.Arbitrary<Tables> {
  const limits = fc.array(fc.option(rateLimits, { nil: undefined, freq: 2 }), { minLength: 4, maxLength: 4 })
  return fc.tuple(tables, limits).map(([drawn, drawnLimits]): Tables => {
    const rateOf = (index: number): Pick<PortObject, 'rateLimits'> => {
      const found = drawnLimits[index % drawnLimits.length]
      return found === undefined ? {} : { rateLimits: found }
    }
    return { ...drawn, ports: drawn.ports.map((port, index) => ({ ...port, ...rateOf(index) })) }
  })
}

/**
 * Time of the forwarder in TypeScript, milliseconds: it goes with that of the kernel, whose limits get an octet back in eight seconds, and by enough that no
 * packet of a burst comes at the same moment as the one before, as none does in the kernel.
 */
let now = 1_000_000
let last = performance.now()

function passTime(): void {
  const time = performance.now()
  now += Math.max(1, Math.ceil(time - last))
  last = time
}

/** Index of the loopback device, in every namespace. */
const LOOPBACK = 1

/** Places of the limits of errors: of what is of no port, and of the ports that tests have (`bpf/icmp_error.h`). */
const ERROR_BUDGETS = [1023, ...Array.from({ length: 16 }, (_, port) => port)].map(wordBytes)

const NO_PORT = Uint8Array.of(255, 255, 255, 255)

/** Keys of the router's addresses. */
const LOCALS = ([4, 6] as const).map((family) => new View(LOCAL_KEY).set('family', family).setAddress('address', LOCAL[family]).bytes)

/** What a forwarder did with a packet. */
export interface Result {
  readonly verdict: 'drop' | 'deliver' | 'send' | 'cut' | 'pass'
  /** Reason that was counted, if one was. */
  readonly reason: string | undefined
  /** Octets in hexadecimal; of what is sent with the outer header, its UDP checksum zero. */
  readonly packet: string
}

/** A forwarder like the router of `RouterNamespace`, with no packet behind it. @param observe gets what mirrors and traces ask for */
export function newEngine(observe?: (event: DataplaneEvent) => void): ForwardingEngine {
  return new ForwardingEngine({
    ...(observe === undefined ? {} : { observe }),
    limits: limitsOf(4096, 4096, 16_384, 32_768),
    encapsulations: SENT,
    outer: 'full',
    underlayMtu: MTU,
    features: OFFERED_FEATURES,
    clock: { now: () => now },
  })
}

/** The whole outer packet of an input from the underlay, the inner one of any other. */
export function bytesOf(input: PacketInput): Uint8Array {
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

/** What the forwarder in TypeScript does. */
export function byEngine(engine: ForwardingEngine, input: PacketInput): Result {
  const packet = bytesOf(input)
  const bytes = new Uint8Array(HEADROOM + packet.length)
  bytes.set(packet, HEADROOM)
  passTime()
  const out = new PacketOut()
  const verdict =
    input.from === 'port'
      ? engine.fromPort(input.port, bytes, HEADROOM, packet.length, out)
      : engine.fromWire(bytes, HEADROOM, packet.length, out)
  const reason = out.reason >= 0 ? DROP_REASONS[out.reason] : undefined
  if (verdict === DROP) return { verdict: 'drop', reason, packet: '' }
  if (verdict === FRAGMENT) return { verdict: 'cut', reason, packet: '' }
  expect([DELIVER, SEND]).toContain(verdict)
  const given = bytes.slice(out.offset, out.offset + out.length)
  return { verdict: verdict === SEND ? 'send' : 'deliver', reason, packet: text(given, verdict === SEND) }
}

/** What is expected of programs, whose tables those of the forwarder in TypeScript are: that they do the same, but leave VXLAN to the host while there is no VNI. */
export function expectedBy(engine: ForwardingEngine, { vnis }: Pick<Tables, 'vnis'>, input: PacketInput): Result {
  const isLeft = input.from === 'underlay' && input.encapsulation === 'vxlan' && vnis.length === 0
  return isLeft ? { verdict: 'pass', reason: undefined, packet: '' } : byEngine(engine, input)
}

/** Addresses of a frame that goes in. One that is delivered comes out with those of the port's link, which tests leave at zero. */
const MAC = 0xee

/** Has the programs send parts of packets to where test packets come from. */
export function cutToLoopback(router: EbpfRouter): void {
  router.parts.tables.config.set('uplink', LOOPBACK)
}

/** What the programs do, of a router that was `cutToLoopback`. A port's link must be there, with addresses of zero; the neighbour's are not filled in by a test run. */
export function byProgram(router: EbpfRouter, input: PacketInput): Result {
  const { maps } = router.parts
  // Loopback, which test packets come from, is the device of the port; and errors are not limited.
  if (input.from === 'port' && wordAt(maps.get('devices', 1) ?? NO_PORT) !== input.port) maps.set('devices', 1, wordBytes(input.port))
  const unlimited = new Uint8Array(maps.valueSize('error_budgets'))
  for (const place of ERROR_BUDGETS) maps.object.update('error_budgets', place, unlimited)
  return run(router, input)
}

/** Keys of what the general way of a packet needs: the port of loopback, the router's own addresses. */
const NEEDED: Readonly<Record<PacketInput['from'], readonly { readonly map: string; readonly key: Uint8Array }[]>> = {
  port: [{ map: 'devices', key: wordBytes(1) }],
  underlay: LOCALS.map((key) => ({ map: 'locals', key })),
}

/** What the programs do with a packet when they have nothing but what they remember of its flow; none when they remember nothing. */
export function byMemory(router: EbpfRouter, input: PacketInput): Result | undefined {
  const { object } = router.parts.maps
  // Behind the back of the maps, which would have programs forget.
  const taken = NEEDED[input.from].map((one) => ({ ...one, value: object.lookup(one.map, one.key) }))
  for (const { map, key } of taken) object.remove(map, key)
  try {
    const result = run(router, input)
    return result.verdict === 'pass' || result.reason === 'port-down' ? undefined : result
  } finally {
    for (const { map, key, value } of taken) if (value !== null) object.update(map, key, value)
  }
}

function run(router: EbpfRouter, input: PacketInput): Result {
  const packet = bytesOf(input)
  const frame = new Uint8Array(ETHERNET + packet.length)
  frame.fill(MAC, 0, 12)
  frame.set(packet[0] >> 4 === 6 ? [0x86, 0xdd] : [0x08, 0x00], 12)
  frame.set(packet, ETHERNET)
  const before = drops(router)
  const { verdict, packet: given } = router.run(input.from === 'port' ? 'egress' : 'ingress', frame)
  const after = drops(router)
  const reasons = DROP_REASONS.filter((_, slot) => after[slot] !== before[slot])
  expect(reasons.length).toBeLessThanOrEqual(1)
  // The parts of a packet that was cut are clones, which went to loopback, whose addresses they do not have.
  if (verdict === VERDICT_DROP) return { verdict: reasons.length === 0 ? 'cut' : 'drop', reason: reasons[0], packet: '' }
  if (verdict === VERDICT_NEXT) return { verdict: 'pass', reason: undefined, packet: '' }
  expect(verdict).toBe(VERDICT_REDIRECT)
  const isSent = given[0] === MAC
  return { verdict: isSent ? 'send' : 'deliver', reason: reasons[0], packet: text(given.subarray(ETHERNET), isSent) }
}

/** Counts of the drop reasons: all counters would be a thousand times as many. */
function drops({ parts: { maps } }: EbpfRouter): number[] {
  return DROP_REASONS.map((_, slot) => maps.sums(maps.get('drops', slot) ?? new Uint8Array(0), 1)[0])
}

/** Octets as text; of a packet on the underlay without its UDP checksum. */
export function text(packet: Uint8Array, isOuter: boolean): string {
  return Buffer.from(isOuter ? withoutUdpChecksum(packet) : packet).toString('hex')
}

/** A packet on the underlay without its UDP checksum, which the programs leave at zero. */
export function withoutUdpChecksum(packet: Uint8Array): Uint8Array {
  const [protocol, header] = packet[0] >> 4 === 4 ? [packet[9], 20] : [packet[6], 40]
  const copy = packet.slice()
  if (protocol === 17) copy.fill(0, header + 6, header + 8)
  return copy
}
