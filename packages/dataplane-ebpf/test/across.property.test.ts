import {
  EMPTY,
  greBefore,
  labelled,
  testPacket,
  testSegment,
  transition,
  vxlanBefore,
  type PacketInput,
  type Tables,
} from '@heddle/dataplane-conformance'
import type { CounterSnapshot } from '@heddle/core'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { examplesOf } from './support/examples.js'
import { chosen, memberByBuckets, spread, type Spread, tellEngine, tellPrograms, WATCHED } from './support/members.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { byEngine, bytesOf, CARRIED, comparedTables, newEngine, packetInput, text } from './support/twins.js'

vi.mock('../../forwarding/src/member.js', async (original) => ({
  ...(await original()),
  chooseMember: (...asked: Parameters<typeof memberByBuckets>) => memberByBuckets(...asked),
}))

const [XDP_DROP, XDP_PASS, XDP_TX, TC_REDIRECT] = [1, 2, 3, 7]
const ETHERNET = 14
const MAC = { own: '02:00:00:00:00:01', far: '02:00:00:00:00:02', other: '02:00:00:00:00:03' } as const
const SPACE = 'across'

/** Tables of a router that sends on: their ports become tunnels, sources are mostly known, every VRF has a way out, half of them have no services. */
const transitTables = comparedTables.map((drawn): Tables => {
  const tunnels = drawn.nextHops.filter(({ action }) => action.type === 'tunnel')
  const nextHops = drawn.nextHops.map((hop, index) =>
    hop.action.type === 'port' && tunnels.length > 0 ? { ...hop, action: tunnels[index % tunnels.length].action } : hop,
  )
  const everybody = ([4, 6] as const).flatMap((family) => PEERS[family].map((peer) => IpPrefix.of(peer)))
  const routes = drawn.routes.filter(({ prefix }) => !prefix.endsWith('/0'))
  const ways = drawn.vrfs.flatMap(({ id }) =>
    ['0.0.0.0/0', '::/0'].map((prefix, index) => ({ vrf: id, prefix, group: (id + index) % drawn.groups.length })),
  )
  return {
    ...drawn,
    nextHops,
    groups: drawn.groups.map((group) => ({
      ...group,
      members: group.members.length === 0 ? [{ nextHop: group.id, weight: 1 }] : group.members,
    })),
    tunnelSources: drawn.tunnelSources.map((sources) => (sources.id === 0 ? sources : { ...sources, prefixes: everybody })),
    labels: LABELS.map((label, index) => {
      const found = drawn.labels.find((one) => one.label === label) ?? { label, sources: 1, action: { type: 'pop-lookup', vrf: 1 } }
      return found.action.type === 'pop-forward' ? { ...found, action: { type: 'swap', nextHop: nextHops[index].id } } : found
    }),
    vnis: VNIS.map((vni, index) => ({ ...(drawn.vnis.at(index) ?? { vrf: 1, sources: 1 }), vni, routerMac: MAC_OF_ROUTER })),
    ...(drawn.routes.length % 2 === 0 ? { services: [], natPools: [] } : {}),
    routes: [...routes, ...ways],
  }
})

const TTL = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(64, 255, 3) }, { weight: 1, arbitrary: fc.constantFrom(0, 1, 2) })
const LABELS = [16, 17, 18, 19, 20]
const VNIS = [0, 1, 16_777_215]
const MAC_OF_ROUTER = MacAddress.of(0x020000, 1)

/** Packets of which most can be sent on: by a label or VNI that is there, of flows that are like those of hosts. */
const label = fc.record({ label: fc.constantFrom(...LABELS), ttl: TTL, trafficClass: fc.nat(7) })
const inner = fc
  .record({
    family: fc.constantFrom(4 as const, 6 as const),
    ttl: TTL,
    trafficClass: fc.constantFrom(0, 0xb8, 1, 2, 3),
    sourcePort: fc.nat(65_535),
    size: fc.constantFrom(0, 16, 1300, 1400),
    isSegment: fc.boolean(),
  })
  .map(({ family, isSegment, ...rest }) => {
    const ends = family === 4 ? { source: '10.0.0.1', destination: '10.1.0.1' } : { source: 'fd00::1', destination: 'fd00:0:0:1::1' }
    return isSegment ? testSegment({ ...ends, ...rest }) : testPacket({ ...ends, ...rest })
  })
const usual = fc
  .record({
    encapsulation: fc.constantFrom(...CARRIED),
    source: fc.constantFrom(...PEERS[4], ...PEERS[6]),
    trafficClass: fc.constantFrom(0, 1, 2, 3, 0xb8),
    stack: fc.oneof({ weight: 3, arbitrary: fc.tuple(label) }, { weight: 1, arbitrary: fc.array(label, { minLength: 2, maxLength: 5 }) }),
    joint: fc.constantFrom(undefined, undefined, 0, 1, 2),
    vni: fc.constantFrom(...VNIS),
    packet: inner,
  })
  .map(({ encapsulation, stack, joint, vni, packet, ...rest }): PacketInput => {
    const entries = labelled(stack, packet)
    const isJoint = encapsulation === 'mpls-udp' && joint !== undefined
    const behindUdp = isJoint ? Uint8Array.of(0x0c, 0, 0, joint, ...entries) : entries
    const inside = encapsulation === 'vxlan' ? vxlanBefore(vni, MAC_OF_ROUTER, MAC_OF_ROUTER, packet) : behindUdp
    return { from: 'underlay', encapsulation, ...rest, packet: encapsulation === 'mpls-gre' ? greBefore(inside) : inside }
  })
/** Far ends whose neighbours have the same two places in the table of `bpf/neighbour.h`. */
function inOnePlace(count: number): readonly IpAddress[] {
  const places = new Map<number, IpAddress[]>()
  for (let host = 0xc633_0001; ; host++) {
    const end = IpAddress.v4(host)
    // Words of IPv4 beyond the first are zero.
    const pair = Math.imul(end.w0 ^ LOCAL[4].w0, 0x9e3779b1) >>> 23
    const found = [...(places.get(pair) ?? []), end]
    if (found.length === count) return found
    places.set(pair, found)
  }
}

const TUNNEL = { type: 'tunnel', encapsulation: 'mpls-udp', local: LOCAL[4], ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
const fromUnderlay = fc.oneof(
  { weight: 3, arbitrary: usual },
  { weight: 1, arbitrary: packetInput.filter(({ from }) => from === 'underlay') },
)

const spreadInputs = fc.tuple(spread(transitTables), fc.array(fromUnderlay, { minLength: 60, maxLength: 60 }))
/** Ways in which members are chosen that are to be among what is compared. */
const CHOICES = ['of its bucket', 'of another bucket', 'without a bucket']

/** Ways in which members are chosen for several packets that are sent on: of one alone, the program may leave it to the kernel. */
function choicesOften([{ tables, down }, inputs]: readonly [Spread, readonly PacketInput[]]): string[] {
  const engine = newEngine()
  engine.apply(transition(1, EMPTY, tables))
  tellEngine(engine, down)
  const found = inputs.flatMap((each) => {
    chosen.clear()
    return byEngine(engine, each).verdict === 'send' ? [...chosen] : []
  })
  return CHOICES.filter((way) => found.filter((each) => each === way).length > 5)
}

/** Whether MPLS over UDP in a frame begins with a joint label. */
function isJoint(frame: Uint8Array): boolean {
  const ip = frame[12] === 0x86 ? 40 : 20
  const isMpls = frame[ETHERNET + (ip === 40 ? 6 : 9)] === 17 && frame[ETHERNET + ip + 2] * 256 + frame[ETHERNET + ip + 3] === 6635
  return isMpls && frame[ETHERNET + ip + 8] === 0x0c && frame[ETHERNET + ip + 9] + frame[ETHERNET + ip + 10] === 0
}

type Table = 'vrfs' | 'labels' | 'nextHops'

/** What was counted for objects of a table between two moments. */
function difference(before: CounterSnapshot, after: CounterSnapshot, table: Table): number[] {
  const [one, other] = [before[table], after[table]]
  expect(other?.ids).toEqual(one?.ids)
  return Array.from(other?.values ?? [], (count, index) => count - (one?.values[index] ?? 0))
}

describe.skipIf(missing() !== '')(titled('the program of XDP, against the forwarder in TypeScript'), () => {
  let space: RouterNamespace
  let router: EbpfRouter

  beforeAll(async () => {
    space = new RouterNamespace(SPACE)
    const inside = (line: string): string => space.namespaces.in(SPACE, ...line.split(' '))
    inside(`ip link set up0 address ${MAC.own}`)
    space.addAddresses()
    for (const peer of [...PEERS[4], ...PEERS[6]]) inside(`ip neighbour add ${peer} lladdr ${MAC.far} nud permanent dev up0`)
    forward(true)
    router = await space.open({ fibBlocks: 4096 })
  })
  afterAll(async () => {
    await router?.close()
    space?.close()
  })

  function forward(does: boolean): void {
    for (const family of [4, 6]) space.namespaces.in(SPACE, 'sysctl', '-qw', `net.ipv${family}.conf.up0.forwarding=${does ? 1 : 0}`)
  }

  function frameOf(input: PacketInput): Uint8Array {
    const packet = bytesOf(input)
    const frame = new Uint8Array(ETHERNET + packet.length).fill(0xee, 0, 12)
    frame.set(packet[0] >> 4 === 6 ? [0x86, 0xdd] : [0x08, 0x00], 12)
    frame.set(packet, ETHERNET)
    return frame
  }

  const runOnce = (frame: Uint8Array): ReturnType<EbpfRouter['run']> => router.run('across', frame, 0, 1, space.namespaces.path(SPACE))

  /** As five seconds without a packet. */
  function forgetNeighbours(): void {
    const { maps } = router.parts
    const nothing = new Uint8Array(maps.valueSize('neighbours'))
    for (let place = 0; place < maps.capacity('neighbours'); place++) maps.set('neighbours', place, nothing)
  }

  /** The first packet of a CPU to a neighbour goes by the kernel, and one in a while. */
  function run(frame: Uint8Array, attempts: number): ReturnType<EbpfRouter['run']> {
    const outcome = runOnce(frame)
    return outcome.verdict === XDP_PASS && attempts > 1 ? run(frame, attempts - 1) : outcome
  }

  it('sends on what that sends on, octet by octet, or leaves a packet as it was', async () => {
    let before: Tables = EMPTY
    let generation = 0
    const seen = { sent: 0, across: 0, ways: new Set<string>(), choices: new Map<string, number>() }
    const examples = examplesOf(spreadInputs, choicesOften, CHOICES)
    await fc.assert(
      fc.asyncProperty(spreadInputs, async ([{ tables: drawn, down }, inputs]) => {
        const engine = newEngine()
        expect(engine.apply(transition(1, EMPTY, drawn)).status).toBe('applied')
        for (const next of [{ ...EMPTY, ...WATCHED }, drawn]) {
          expect(await router.apply(transition(++generation, before, next))).toMatchObject({ status: 'applied', failures: [] })
          before = next
        }
        tellEngine(engine, down)
        tellPrograms(router, down)
        for (const each of inputs) {
          chosen.clear()
          const expected = byEngine(engine, each)
          const frame = frameOf(each)
          const { verdict, packet } = run(frame, 3)
          if (expected.verdict === 'send' && expected.reason === undefined) seen.sent++
          if (verdict === XDP_PASS) {
            expect(Buffer.from(packet).equals(frame)).toBe(true)
            continue
          }
          expect(verdict).not.toBe(XDP_DROP)
          expect(verdict).toBe(XDP_TX)
          expect({ verdict: 'send', reason: undefined, packet: text(packet.subarray(ETHERNET), true) }).toEqual(expected)
          expect(Buffer.from(packet.subarray(0, 12)).toString('hex')).toBe(`${MAC.far}${MAC.own}`.replaceAll(':', ''))
          seen.across++
          for (const way of chosen) seen.choices.set(way, (seen.choices.get(way) ?? 0) + 1)
          seen.ways.add(`${frame[12]} ${packet[12]}`)
          if (each.from === 'underlay') seen.ways.add(each.encapsulation)
          for (const [way, octets] of Object.entries({ from: frame, into: packet })) if (isJoint(octets)) seen.ways.add(`${way} joint`)
        }
      }),
      { numRuns: 60 + examples.length, examples: examples.map((one) => [one] as const) },
    )
    expect(await router.apply(transition(++generation, before, EMPTY))).toMatchObject({ status: 'applied', failures: [] })
    const choices = [...seen.choices].map(([way, count]) => `${count} to a member ${way}`)
    process.stdout.write(`across: ${seen.across} of ${seen.sent} packets that are sent on, ${choices.join(', ')}\n`)
    expect(seen.across).toBeGreaterThan(seen.sent / 8)
    expect([...seen.ways].sort()).toEqual([...CARRIED, '134 134', '134 8', '8 134', '8 8', 'from joint', 'into joint'].sort())
    expect([...seen.choices.keys()]).toEqual(expect.arrayContaining(CHOICES))
  })

  it('counts what the general way counts', async () => {
    const remote = PEERS[4][0]
    const common = {
      type: 'tunnel',
      encapsulation: 'mpls-udp',
      local: LOCAL[4],
      remote,
      ttlModel: 'pipe',
      trafficClassModel: 'pipe',
    } as const
    const drawn: Tables = {
      ...EMPTY,
      vrfs: [{ id: 1, name: 'red' }],
      nextHops: [100, 200].map((one, id) => ({ id, action: { ...common, labels: [one] } })),
      groups: [{ id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 1 }],
      tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][1])] }],
      labels: [
        { label: 16, action: { type: 'swap', nextHop: 0 }, sources: 1 },
        { label: 17, action: { type: 'pop-lookup', vrf: 1 }, sources: 1 },
      ],
      routes: [{ vrf: 1, prefix: '10.1.0.0/16', group: 1 }],
    }
    const { generation } = await router.dump()
    expect(await router.apply(transition(generation + 1, EMPTY, drawn))).toMatchObject({ status: 'applied', failures: [] })
    const inside = testPacket({ source: '10.0.0.1', destination: '10.1.0.1' })
    for (const one of [16, 17, 16, 17, 17]) {
      const packet = labelled([{ label: one }], inside)
      const frame = frameOf({ from: 'underlay', encapsulation: 'mpls-udp', source: PEERS[4][1], packet })
      const start = await router.counters()
      expect(run(frame, 1000).verdict).toBe(XDP_TX)
      const middle = await router.counters()
      expect(router.run('ingress', frame).verdict).toBe(TC_REDIRECT)
      const end = await router.counters()
      for (const table of ['vrfs', 'labels', 'nextHops'] as const) {
        expect([table, difference(start, middle, table)]).toEqual([table, difference(middle, end, table)])
      }
      expect(difference(start, middle, 'nextHops').some((count) => count > 0)).toBe(true)
    }
  })

  it('leaves everything to the kernel where the host does not forward', async () => {
    const packet = labelled([{ label: 16 }], testPacket({ source: '10.0.0.1', destination: '10.1.0.1' }))
    const frame = frameOf({ from: 'underlay', encapsulation: 'mpls-udp', source: PEERS[4][1], packet })
    expect(run(frame, 1000).verdict).toBe(XDP_TX)
    forward(false)
    // As soon as no CPU believes what it was told of the neighbour any more.
    await expect.poll(() => new Set(Array.from({ length: 20 }, () => runOnce(frame).verdict))).toEqual(new Set([XDP_PASS]))
    forward(true)
    await expect.poll(() => runOnce(frame).verdict).toBe(XDP_TX)
  })

  // Of two far ends at one place each took the other's, and all of both went by tc.
  it('sends on to two of any far ends that have a place in common', async () => {
    space.namespaces.in(SPACE, ...`ip route add 198.51.0.0/16 via ${PEERS[4][0]}`.split(' '))
    const ends = inOnePlace(3)
    const nextHops = ends.map((remote, id) => ({ id, action: { ...TUNNEL, remote, labels: [100] } }))
    const labels = ends.map((_, id) => ({ label: 16 + id, action: { type: 'swap', nextHop: id }, sources: 1 }) as const)
    const sources = { id: 1, prefixes: [IpPrefix.of(PEERS[4][1])] }
    const drawn: Tables = { ...EMPTY, nextHops, tunnelSources: [sources], labels }
    const { generation } = await router.dump()
    expect(await router.apply(transition(generation + 1, EMPTY, drawn))).toMatchObject({ status: 'applied', failures: [] })
    const inside = testPacket({ source: '10.0.0.1', destination: '10.1.0.1' })
    const frames = labels.map(({ label: one }) =>
      frameOf({ from: 'underlay', encapsulation: 'mpls-udp', source: PEERS[4][1], packet: labelled([{ label: one }], inside) }),
    )
    const rounds = Array.from({ length: 40 }, () => frames.map((frame) => runOnce(frame).verdict))
    // The first of each CPU goes by tc, and one in five seconds.
    expect(rounds.flat().filter((verdict) => verdict === XDP_TX).length).toBeGreaterThan(rounds.length * 1.5)
  })
  // Packets of all classes went where those without one go.
  it.each([4, 6] as const)('sends on by rules of the host for the traffic class, of two that go by turns (IPv%i)', async (family) => {
    const ip = (line: string): string => space.namespaces.in(SPACE, 'ip', `-${family}`, ...line.split(' '))
    const [remote, gateway] = [IpAddress.parse(family === 4 ? '198.51.100.1' : '2001:db8:ffff::1'), PEERS[family][2]]
    ip(`neighbour replace ${gateway} lladdr ${MAC.other} nud permanent dev up0`)
    ip(`route add ${remote} via ${PEERS[family][0]}`)
    ip(`route add ${remote} via ${gateway} table 100`)
    ip('rule add tos 0x10 lookup 100')
    const action = { ...TUNNEL, local: LOCAL[family], remote, labels: [100], trafficClassModel: 'uniform' } as const
    const drawn: Tables = {
      ...EMPTY,
      vrfs: [{ id: 1, name: 'red' }],
      nextHops: [{ id: 1, action }],
      groups: [{ id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 1 }],
      tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][1])] }],
      labels: [{ label: 16, action: { type: 'pop-lookup', vrf: 1 }, sources: 1 }],
      routes: [{ vrf: 1, prefix: '10.1.0.0/16', group: 1 }],
    }
    const { generation } = await router.dump()
    expect(await router.apply(transition(generation + 1, EMPTY, drawn))).toMatchObject({ status: 'applied', failures: [] })
    const frameWith = (trafficClass: number): Uint8Array => {
      const inside = testPacket({ source: '10.0.0.1', destination: '10.1.0.1', trafficClass })
      return frameOf({ from: 'underlay', encapsulation: 'mpls-udp', source: PEERS[4][1], packet: labelled([{ label: 16 }], inside) })
    }
    const frames = [0x10, 0].map(frameWith)
    for (let turn = 0; turn < 20; turn++) {
      const ends = frames.map((frame) => {
        const { verdict, packet } = run(frame, 1000)
        expect(verdict).toBe(XDP_TX)
        return Buffer.from(packet.subarray(0, 6)).toString('hex')
      })
      expect(ends).toEqual([MAC.other, MAC.far].map((mac) => mac.replaceAll(':', '')))
    }
    // One was confirmed for all: that of a rare class hardly ever, so that what moved to another address was lost for hours.
    for (let turn = 0; turn < 5; turn++) {
      forgetNeighbours()
      expect(frames.map((frame) => runOnce(frame).verdict)).toEqual([XDP_PASS, XDP_PASS])
    }
    ip('rule del tos 0x10 lookup 100')
    ip(`neighbour replace ${gateway} lladdr ${MAC.far} nud permanent dev up0`)
  })
})
