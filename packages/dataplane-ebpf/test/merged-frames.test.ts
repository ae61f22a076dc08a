import { dropsOf } from '@heddle/core'
import { labelled } from '@heddle/dataplane-conformance'
import { ebpfDataplane, ebpfFeatures, type EbpfDataplane, type EbpfDeviceKind } from '@heddle/dataplane-ebpf'
import { PACKET_DESCRIPTOR, PacketSocket } from '@heddle/linux'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import fc from 'fast-check'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withOptions } from '../../dataplane-conformance/src/packets-of-flows.js'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { readOuter, writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import { POD, siteTransaction, UNDERLAY } from '../../dataplane-tun/test/support/two-sites.js'
import { missingNetkit } from '../src/probe.js'
import { examplesOf } from './support/examples.js'
import { hasEthtool } from './support/hairpin.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

/*
 *   frames, one by one ─ up0 ══ veth ══ up0, whose GRO waits for more ─ [router b] ─ red pod
 */

/** Labels whose first octets are flags of VXLAN-GPE in all ways that matter: next protocol, instance, version, OAM. */
const LABELS = [0x01, 0x04, 0x05, 0x06, 0x08, 0x0c, 0x0d, 0x0e, 0x0f, 0x14, 0x1c, 0x44, 0x4c, 0xcc].map((octet) => (octet << 12) | 0x23)
/** TTLs of label entries, which read as what is behind VXLAN-GPE's header: IPv4, IPv6, Ethernet, NSH, MPLS, nothing that is known. */
const TTLS = [1, 2, 3, 4, 5, 64, 255]
/** The first word of a stack, by what it says is behind the next one. */
const JOINT = { other: 0x0c00_0000, 4: 0x0c00_0001, 6: 0x0c00_0002 } as const
const FAMILIES = [4, 6] as const
const FLOW_PORT = 40_000
/** Octets of what fills a frame. */
const SIZE = 1200

/** The pod's. */
const MTU = 1400
/** Octets of TCP that would fit behind IPv6 alone, or behind its options if TCP's header had no more octets than UDP's. */
const TOO_LONG = MTU - 40 - 8 - 20 + 4

/** What stays the same in all packets of a flow. */
interface Flow {
  readonly family: 4 | 6
  readonly outer: 4 | 6
  readonly protocol: 'tcp' | 'udp'
  readonly label: number
  readonly ttl: number
  /** What is on top of its label: nothing, or a joint label, which may say anything of what is behind. */
  readonly joint: keyof typeof JOINT | undefined
  /** It has destination options, by which each of its packets of `TOO_LONG` octets is longer than the pod takes. */
  readonly isTooLong?: boolean
}

/** One of a flow's packets. */
interface Piece {
  readonly flow: number
  /** Octets of the flow before it, of which those of UDP are not counted. */
  readonly position: number
  readonly payload: Uint8Array
}

const arbitraryFlow: fc.Arbitrary<Flow> = fc.record({
  family: fc.constantFrom(...FAMILIES),
  outer: fc.constantFrom(...FAMILIES),
  protocol: fc.constantFrom('tcp', 'tcp', 'udp'),
  label: fc.constantFrom(...LABELS),
  ttl: fc.constantFrom(...TTLS),
  joint: fc.constantFrom<Flow['joint'][]>(undefined, undefined, 4, 6, 'other'),
})
/** Of which flow, octets of payload, and whether TCP pushes. */
const arbitraryPacket = fc.tuple(fc.nat({ max: 3 }), fc.constantFrom<number[]>(0, 1, 700, SIZE, SIZE, SIZE), fc.boolean())
const arbitraryTraffic = fc.record({
  flows: fc.array(arbitraryFlow, { minLength: 4, maxLength: 4 }),
  packets: fc.array(arbitraryPacket, { minLength: 1, maxLength: 40 }),
})
type Traffic = typeof arbitraryTraffic extends fc.Arbitrary<infer T> ? T : never

/** Flows that have packets, by what GRO makes of them. */
function* kindsOf({ flows, packets }: Traffic): Iterable<string> {
  for (const [index] of packets) {
    const { joint, label, ttl, family, outer, protocol } = flows[index]
    if (protocol === 'udp') yield `udp, ${joint ?? 'no'} joint label`
    else if (joint === undefined) yield `label of 0x${(label >> 12).toString(16)} with TTL ${ttl}`
    else yield joint === family ? `joint label, IPv${family} in IPv${outer}` : `joint label, not of IPv${family}`
  }
}
const WANTED = [
  ...FAMILIES.flatMap((family) => [
    ...FAMILIES.map((outer) => `joint label, IPv${family} in IPv${outer}`),
    `joint label, not of IPv${family}`,
  ]),
  ...['4', '6', 'c', 'e', '4c', 'cc'].flatMap((octet) => [2, 3, 4].map((ttl) => `label of 0x${octet} with TTL ${ttl}`)),
  'label of 0xc with TTL 1',
  ...['no', 'other', '4', '6'].map((joint) => `udp, ${joint} joint label`),
]

const lacks =
  missing() !== ''
    ? ''
    : ebpfFeatures().some(({ name, available }) => name === 'vxlan-gpe' && available) && hasEthtool
      ? ''
      : 'needs vxlan-gpe and ethtool'
const lack = lacks === '' ? '' : ` (skipped: ${lacks})`
const netkit = missing() === '' ? missingNetkit() : ''

describe.skipIf(missing() !== '' || lacks !== '')(titled(`frames of MPLS over UDP where the kernel merges them${lack}`), () => {
  let sites: TwoEbpfSites
  let mac: MacAddress
  beforeAll(() => {
    sites = new TwoEbpfSites('frames')
    const [near, far] = [sites.short('site', 'a'), sites.short('site', 'b')]
    sites.in(near, ...'ethtool -K up0 tso off gso off'.split(' '))
    sites.in(far, ...'ethtool -K up0 gro on'.split(' '))
    sites.in(far, 'sh', '-c', 'echo 2000000 > /sys/class/net/up0/gro_flush_timeout')
    mac = MacAddress.parse(sites.in(far, 'cat', '/sys/class/net/up0/address').trim())
  })
  afterAll(() => sites?.close())

  it.each<EbpfDeviceKind>(netkit === '' ? ['veth', 'netkit'] : ['veth'])(
    'behind a joint label come as one packet, with %s',
    async (devices) => {
      await using site = await Site.open(sites, mac, devices)
      for (const family of FAMILIES) {
        for (const outer of FAMILIES) {
          const flow: Flow = { family, outer, protocol: 'tcp', label: LABELS[0], ttl: 64, joint: family }
          const packets = Array.from({ length: 20 }, (): Traffic['packets'][number] => [0, SIZE, false])
          // Whether they come soon enough one behind the other is for the machine to say.
          const summaries: unknown[][] = []
          const isMerged = async (): Promise<boolean> => {
            const { sent, received } = await site.exchange({ flows: [flow], packets })
            summaries.push([summaryOf([flow], received), summaryOf([flow], sent)])
            return received.some(({ payload }) => payload.length >= 10 * SIZE)
          }
          await expect.poll(isMerged, { timeout: 20_000 * PACE }).toBe(true)
          // Each time they are what was sent, joined or not.
          for (const [received, sent] of summaries) expect(received).toEqual(sent)
        }
      }
    },
  )

  it('come not if each of them is too long by its extension headers', async () => {
    await using site = await Site.open(sites, mac)
    const common = { family: 6, outer: 4, protocol: 'tcp', label: LABELS[0], ttl: 64, joint: 6 } as const
    const flows: Flow[] = [{ ...common, isTooLong: true }, common]
    const packets = Array.from({ length: 20 }, (): Traffic['packets'][number] => [0, TOO_LONG, false])
    for (let tries = 0; tries < 10; tries++) {
      const before = dropsOf(await site.router.counters(), 'mtu-exceeded')
      const { sent, received } = await site.exchange({ flows, packets: [...packets, [1, 1, true]] })
      expect(summaryOf(flows, received)).toEqual(summaryOf(flows, sent))
      // GRO may wait for more of them when the others have come.
      await expect
        .poll(async () => dropsOf(await site.router.counters(), 'mtu-exceeded'), { timeout: 20_000 * PACE })
        .toBeGreaterThan(before)
    }
  })

  it('come as they were sent, in the order of their flows, whatever their labels look like', async () => {
    await using site = await Site.open(sites, mac)
    const property = fc.asyncProperty(arbitraryTraffic, async (traffic) => {
      const { sent, received } = await site.exchange(traffic)
      expect(summaryOf(traffic.flows, received)).toEqual(summaryOf(traffic.flows, sent))
    })
    const examples = examplesOf(arbitraryTraffic, kindsOf, WANTED).map((traffic): [Traffic] => [traffic])
    await fc.assert(property, { examples, numRuns: examples.length + 50 })
  })
})

/** A router, what sends frames to it, and its red pod. */
class Site implements AsyncDisposable {
  private constructor(
    readonly router: EbpfDataplane,
    readonly wire: PacketSocket,
    readonly pod: Capture,
    readonly mac: MacAddress,
  ) {}

  static async open(sites: TwoEbpfSites, mac: MacAddress, devices: EbpfDeviceKind = 'veth'): Promise<Site> {
    const router = await ebpfDataplane({
      addresses: UNDERLAY.b.map((address) => IpAddress.parse(address)),
      uplink: 'up0',
      underlayNetns: sites.path(sites.short('site', 'b')),
      fibBlocks: 2048,
      routes: 4096,
      devices,
    })
    const tunnelSources = { set: [{ id: 0, prefixes: UNDERLAY.a.map((address) => IpPrefix.parse(address)) }], remove: [] }
    const labels = { set: LABELS.map((label) => ({ label, action: { type: 'pop-forward' as const, port: 0 }, sources: 0 })), remove: [] }
    expect(await router.apply({ ...siteTransaction('b'), tunnelSources, labels })).toMatchObject({ status: 'applied', failures: [] })
    const netns = sites.path(sites.short('red', 'b'))
    await router.attachPort(0, { netns, ifname: 'eth0', addresses: POD.b.map((address) => IpAddress.parse(address)), mtu: MTU })
    const { choices } = await router.inspectKernel()
    expect(choices.find(({ what }) => what === 'segments that come in behind joint labels')).toMatchObject({ chosen: 'merged' })
    const namespace = sites.path(sites.short('site', 'a'))
    const wire = await PacketSocket.open({ namespace, link: 'up0', etherType: 0, frames: true })
    return new Site(router, wire, await Capture.open(netns, 'eth0'), mac)
  }

  /** Sends packets as fast as they go; what was sent that a label has not the last hop of, and what came to the pod. */
  async exchange({ flows, packets }: Traffic): Promise<{ readonly sent: readonly Piece[]; readonly received: readonly Piece[] }> {
    const positions = flows.map(() => 0)
    const pieces = packets.map(([flow, size, isPushed]) => {
      const position = positions[flow]
      positions[flow] += flows[flow].protocol === 'udp' ? 1 : size
      return { flow, position, payload: octetsOf(flow, position, size), isPushed }
    })
    const sent = pieces.filter(({ flow }) => flows[flow].ttl > 1 && flows[flow].isTooLong !== true)
    const wanted = octetsIn(sent)
    this.#take()
    this.#send(pieces.map((piece) => tunnelled(flows[piece.flow], piece)))
    const received = this.#take()
    for (const end = performance.now() + 5000 * PACE; octetsIn(received) < wanted && performance.now() < end;) {
      await sleep(1)
      received.push(...this.#take())
    }
    // What comes twice, or should not come.
    await sleep(5)
    received.push(...this.#take())
    return { sent, received }
  }

  #take(): Piece[] {
    return this.pod
      .take()
      .map(read)
      .filter(({ flow }) => flow >= 0 && flow < 4)
  }

  #send(packets: readonly Uint8Array[]): void {
    const { words, offset, length } = PACKET_DESCRIPTOR
    const descriptors = new Uint32Array(packets.length * words)
    const octets: number[] = []
    for (const [index, packet] of packets.entries()) {
      descriptors[index * words + offset] = octets.length
      octets.push(...this.mac.toBytes(), 2, 0, 0, 0, 0, 1, ...(packet[0] >> 4 === 6 ? [0x86, 0xdd] : [8, 0]), ...packet)
      descriptors[index * words + length] = octets.length - descriptors[index * words + offset]
    }
    expect(this.wire.sendBatch(Uint8Array.from(octets), descriptors, packets.length)).toBe(packets.length)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.wire.close()
    this.pod[Symbol.dispose]()
    await this.router.close()
  }
}

/** Counts an empty packet as one octet. */
const octetsIn = (pieces: readonly Piece[]): number => pieces.reduce((sum, { payload }) => sum + Math.max(1, payload.length), 0)

/**
 * What the packets of each flow come to: of UDP which ones they are, of TCP how long the stream is and where the empty segments stand in it. Only merging makes
 * no difference.
 */
function summaryOf(flows: readonly Flow[], pieces: readonly Piece[]): string[][] {
  return flows.map(({ protocol }, index) => {
    let end = 0
    const told: string[] = []
    for (const { flow, position, payload } of pieces) {
      if (flow !== index) continue
      const isRight = octetsOf(flow, position, payload.length).every((octet, at) => octet === payload[at])
      if (protocol === 'tcp' && isRight && position === end && payload.length > 0) end += payload.length
      else told.push(`${payload.length} ${isRight ? 'right' : 'wrong'} octets at ${position} behind ${end}`)
    }
    return [...told, `${end} octets`]
  })
}

function tunnelled(
  { family, outer, protocol, label, ttl, joint, isTooLong = false }: Flow,
  { flow, position, payload, isPushed }: Piece & { isPushed: boolean },
): Uint8Array {
  const ends = { source: IpAddress.parse(POD.a[family === 4 ? 0 : 1]), destination: IpAddress.parse(POD.b[family === 4 ? 0 : 1]) }
  const header = { ...ends, ttl: 64, trafficClass: 0 }
  const ports = { sourcePort: FLOW_PORT + flow, destinationPort: 80 }
  const inside =
    protocol === 'udp'
      ? writeOuter({ ...header, ...ports, protocol: 17, payload: Uint8Array.from([...word(position), ...payload]) })
      : writeOuter({
          ...header,
          protocol: 6,
          payload: segment(header, [...half(ports.sourcePort), ...half(80)], position, isPushed, payload),
        })
  const stack = labelled([{ label, ttl }], isTooLong ? withOptions(inside) : inside)
  return writeOuter({
    source: IpAddress.parse(UNDERLAY.a[outer === 4 ? 0 : 1]),
    destination: IpAddress.parse(UNDERLAY.b[outer === 4 ? 0 : 1]),
    protocol: 17,
    ttl: 64,
    trafficClass: 0,
    // Two flows have the same outer headers.
    sourcePort: 50_000 + (flow >> 1),
    destinationPort: 6635,
    payload: joint === undefined ? stack : Uint8Array.from([...word(JOINT[joint]), ...stack]),
  })
}

/** A segment of TCP with its checksum. */
function segment(
  { source, destination }: { readonly source: IpAddress; readonly destination: IpAddress },
  ports: readonly number[],
  position: number,
  isPushed: boolean,
  payload: Uint8Array,
): Uint8Array {
  const tcp = Uint8Array.from([...ports, ...word(position), ...word(1), 0x50, isPushed ? 0x18 : 0x10, 0xff, 0xff, 0, 0, 0, 0, ...payload])
  const pseudo = [...source.toBytes(), ...destination.toBytes(), ...half(tcp.length), 0, 6]
  tcp.set(half(0xffff - sumOf([...pseudo, ...tcp])), 16)
  return tcp
}

/** What a packet carries, whose headers say how long it is. */
function read(packet: Uint8Array): Piece {
  const { protocol, payload, sourcePort = 0 } = readOuter(packet)
  if (protocol === 60) return { flow: 0, position: 0, payload: payload.subarray(28) }
  const view = new DataView(packet.buffer, packet.byteOffset)
  const length = packet[0] >> 4 === 4 ? view.getUint16(2) : 40 + view.getUint16(4)
  if (protocol === 17)
    return { flow: sourcePort - FLOW_PORT, position: new DataView(payload.buffer).getUint32(0), payload: payload.subarray(4) }
  if (protocol !== 6) return { flow: -1, position: 0, payload }
  expect(length).toBe(packet.length)
  const inside = new DataView(payload.buffer)
  return { flow: inside.getUint16(0) - FLOW_PORT, position: inside.getUint32(4), payload: payload.subarray((payload[12] >> 4) * 4) }
}

const half = (value: number): readonly number[] => [(value >> 8) & 0xff, value & 0xff]
const word = (value: number): readonly number[] => [...half(value >>> 16), ...half(value)]
/** Octets of a flow's stream: those of no other flow, and of no other place in it. */
const octetsOf = (flow: number, position: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => ((position + index) * 7 + ((position + index) >> 8) + flow * 31) & 0xff)

function sumOf(octets: readonly number[]): number {
  let sum = 0
  for (let at = 0; at < octets.length; at += 2) sum += octets[at] * 256 + (octets[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}
