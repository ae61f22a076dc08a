import { countersOf, dropsOf, PORT_COUNTERS, type Encapsulation } from '@heddle/core'
import { ebpfFeatures, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { EMPTY, labelled, testSegment, transition, vxlanBefore, type Tables } from '@heddle/dataplane-conformance'
import { IpAddress, IpPrefix, MacAddress, updateChecksum32 } from '@heddle/wire'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import { SegmentMerger } from '../src/device/segment-merger.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { DROPPED_JOINED, DROPPED_JOINED_LABELS } from '../src/layout/structs/config.js'
import { hasEthtool } from './support/hairpin.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'

/*
 *   packet socket ─ up1 ══ veth, whose GRO waits ══ up0 [router] ── pod
 *
 * What a packet socket sends is in a buffer of its own, as what a network device gets is: between routers of one machine there is in it what the sender's
 * kernel knew of its tunnel, by which a joined frame can be cut again where otherwise it could not.
 */

const [SPACE, POD] = ['joined', 'joined-pod']
const MAC = { router: '02:00:00:00:00:01', net: '02:00:00:00:00:02' } as const
const ROUTER_MAC = MacAddress.parse('02:00:00:00:00:0a')
const ENDS = { 4: ['10.2.0.1', '10.1.0.1', '10.3.0.1'], 6: ['fd02::1', 'fd01::1', 'fd03::1'] } as const
const LABELS = { port: 101, lookup: 102, onward: 103, swap: 104 } as const
const FAMILIES = [4, 6] as const
const [PORT, TUNNEL, ONWARD] = [1, 2, 3]
const [SEGMENTS, SIZE] = [6, 1000]
/** How often segments are sent that do not come as one frame: a machine that is held up for a tick lets go what it has. */
const ATTEMPTS = 50
/** A port that no table has. */
const NOBODY = 999
/** A router to which the host sends on. */
const BEHIND = { 4: IpAddress.parse('198.51.100.1'), 6: IpAddress.parse('2001:db8:5::1') } as const
/** An address of the host, and no router's. */
const BESIDE = { 4: IpAddress.parse('192.0.2.99'), 6: IpAddress.parse('2001:db8::99') } as const
/** Octets before what TCP carries. */
const HEADERS = { 4: 40, 6: 60 } as const

interface Stream {
  readonly outer: 4 | 6
  readonly family: 4 | 6
  readonly label: number
  readonly by?: 'joint' | 'vxlan'
  readonly count?: number
  /** Whether it is for the endpoint, or for who is behind the next tunnel. */
  readonly isHere: boolean
  /** What it is for, in place of the router. */
  readonly to?: Readonly<Record<4 | 6, IpAddress>>
}

/** Segments in a row of a TCP stream. */
function segmentsOf({ family, count = SEGMENTS, isHere }: Stream): Uint8Array[] {
  const [source, near, far] = ENDS[family]
  return Array.from({ length: count }, (_, index) => {
    const segment = testSegment({ source, destination: isHere ? near : far, flags: 0x10, options: [], size: SIZE })
    const [view, tcp] = [new DataView(segment.buffer), HEADERS[family] - 20]
    const [before, after] = [view.getUint32(tcp + 4), view.getUint32(tcp + 4) + index * SIZE]
    view.setUint32(tcp + 4, after)
    view.setUint16(tcp + 16, updateChecksum32(view.getUint16(tcp + 16), before, after))
    return segment
  })
}

/** As a router sends them. */
function tunnelled(stream: Stream): Uint8Array[] {
  const { outer, family, label, by = 'joint', to = LOCAL } = stream
  return segmentsOf(stream).map((segment) => {
    const joint = Uint8Array.of(0x0c, 0, 0, family === 4 ? 1 : 2, ...labelled([{ label }], segment))
    return writeOuter({
      source: PEERS[outer][0],
      destination: to[outer],
      protocol: 17,
      ttl: 64,
      trafficClass: 0,
      sourcePort: 50_000,
      destinationPort: by === 'joint' ? 6635 : 4789,
      payload: by === 'joint' ? joint : vxlanBefore(label, ROUTER_MAC, ROUTER_MAC, segment),
    })
  })
}

/** @param go by what is sent on @param family of that tunnel */
function tables(go: Encapsulation, family: 4 | 6): Tables {
  const common = { type: 'tunnel', encapsulation: go, local: LOCAL[family], remote: PEERS[family][1] } as const
  const models = { ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
  const action =
    go === 'vxlan'
      ? { ...common, ...models, labels: [], vni: 9, routerMac: MacAddress.parse(MAC.net) }
      : { ...common, ...models, labels: [200] }
  return {
    ...EMPTY,
    vrfs: [PORT, ONWARD].map((id) => ({ id, name: `vrf ${id}` })),
    ports: [{ id: PORT, kind: 'endpoint', vrf: PORT, allowedSources: [], gateways: [], mtu: 1400 }],
    nextHops: [
      { id: PORT, action: { type: 'port', port: PORT } },
      { id: TUNNEL, action },
    ],
    groups: [PORT, TUNNEL].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })),
    tunnelSources: [{ id: 0, prefixes: FAMILIES.map((one) => IpPrefix.of(PEERS[one][0])) }],
    labels: [
      { label: LABELS.port, action: { type: 'pop-forward', port: PORT }, sources: 0 },
      { label: LABELS.lookup, action: { type: 'pop-lookup', vrf: PORT }, sources: 0 },
      { label: LABELS.onward, action: { type: 'pop-lookup', vrf: ONWARD }, sources: 0 },
      ...(go === 'vxlan' ? [] : [{ label: LABELS.swap, action: { type: 'swap', nextHop: TUNNEL }, sources: 0 } as const]),
    ],
    vnis: [{ vni: LABELS.onward, vrf: ONWARD, routerMac: ROUTER_MAC, sources: 0 }],
    routes: FAMILIES.flatMap((one) => [
      { vrf: PORT, prefix: String(IpPrefix.of(IpAddress.parse(ENDS[one][1]))), group: PORT },
      { vrf: ONWARD, prefix: String(IpPrefix.of(IpAddress.parse(ENDS[one][2]))), group: TUNNEL },
    ]),
  }
}

const hasDevices =
  missing() === '' && ebpfFeatures().every(({ name, available }) => available || (name !== 'vxlan' && name !== 'vxlan-gpe'))
const lacks = hasEthtool && hasDevices ? '' : ' (skipped: needs ethtool, vxlan and vxlan-gpe)'

describe.skipIf(missing() !== '' || lacks !== '')(titled(`frames of a network device that the kernel has joined${lacks}`), () => {
  let space: RouterNamespace
  let net: Capture
  let pod: Capture
  let router: EbpfRouter
  let before: Tables = EMPTY
  let generation = 0

  beforeAll(async () => {
    space = new RouterNamespace(SPACE)
    const inside = (line: string): string => space.namespaces.in(SPACE, ...line.split(' '))
    inside(`ip link set up0 address ${MAC.router}`)
    inside(`ip link set up1 address ${MAC.net}`)
    inside(`ip address add ${LOCAL[4]}/24 dev up0`)
    inside(`ip address add ${LOCAL[6]}/64 dev up0 nodad`)
    for (const family of FAMILIES) inside(`ip neighbour add ${PEERS[family][1]} lladdr ${MAC.net} nud permanent dev up0`)
    // A veth has its GRO look at what comes from a device that cuts nothing, and here it waits for more.
    inside('ethtool -K up0 tso off gso off gro on')
    inside('ethtool -K up1 tso off gso off gro off')
    const waits = ['gro_flush_timeout 20000000', 'napi_defer_hard_irqs 10'].map((line) => line.split(' '))
    for (const [name, value] of waits) space.namespaces.in(SPACE, 'sh', '-c', `echo ${value} > /sys/class/net/up0/${name}`)
    space.namespaces.add(POD)
    net = await Capture.open(space.namespaces.path(SPACE), 'up1')
  })
  afterAll(async () => {
    net?.[Symbol.dispose]()
    await router?.close()
    space?.close()
    vi.restoreAllMocks()
  })

  async function open(without: readonly EbpfFeatureName[]): Promise<void> {
    await router?.close()
    ;[before, generation] = [EMPTY, 0]
    // What is lost would end it; and by XDP nothing that is sent on would be joined.
    vi.spyOn(SegmentMerger.prototype, 'look').mockResolvedValue()
    router = await space.open({ fibBlocks: 1024, routes: 64, flows: 1024, xdp: 'off', without })
    await program('mpls-udp', 4)
    const addresses = FAMILIES.map((family) => IpAddress.parse(ENDS[family][1]))
    await router.attachPort(PORT, { netns: space.namespaces.path(POD), ifname: 'eth0', addresses, mtu: 1400 })
    pod = await Capture.open(space.namespaces.path(POD), 'eth0')
  }

  async function program(go: Encapsulation, family: 4 | 6): Promise<void> {
    const next = tables(go, family)
    expect(await router.apply(transition(++generation, before, next))).toMatchObject({ status: 'applied', failures: [] })
    before = next
  }

  const isOf = (stream: Stream) => (packet: Uint8Array) => packet.length > SIZE && packet[0] >> 4 === stream.family
  const lost = (): number[] =>
    [DROPPED_JOINED, DROPPED_JOINED_LABELS].map(
      (slot) => router.parts.maps.sums(router.parts.maps.get('drops', slot) ?? new Uint8Array(0), 1)[0],
    )

  /** Packets, and their octets, that went to the port. */
  async function delivered(): Promise<readonly number[]> {
    const { ports } = await router.counters()
    return (['tx-packets', 'tx-octets'] as const).map((name) => ports[PORT_COUNTERS.indexOf(name)])
  }

  /** Frames that came of a stream that is sent on, and what TCP carries in them, octets. */
  async function arrived({ family, label, by }: Stream): Promise<readonly [frames: number, octets: number]> {
    const { labels, vrfs } = await router.counters()
    const [frames, octets] = (by === 'vxlan' ? countersOf(vrfs, ONWARD) : countersOf(labels, label)) ?? [0, 0]
    return [frames, octets - frames * HEADERS[family]]
  }

  /** Sends a stream that is sent on, again while it does not come as one frame; what was lost before it came so, and what was dropped. */
  async function sendJoined(stream: Stream): Promise<{ readonly lost: readonly number[]; readonly dropped: number }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      net.take()
      const before = { lost: lost(), dropped: dropsOf(await router.counters(), 'encapsulation-unsupported') }
      const [frames, octets] = await arrived(stream)
      net.sendAll(tunnelled(stream), MAC.router)
      await expect.poll(async () => (await arrived(stream))[1] - octets, { timeout: 20_000 * PACE }).toBe(SEGMENTS * SIZE)
      if ((await arrived(stream))[0] === frames + 1) return before
      // What becomes of them is still to be counted.
      await sleep(50)
    }
    throw new Error(`in ${ATTEMPTS} attempts the kernel has not joined them into one frame`)
  }

  describe.each([
    { how: 'past the queues', without: [] },
    { how: 'without redirect-peer', without: ['redirect-peer'] },
  ] as const)('$how', ({ without }) => {
    beforeAll(() => open(without))
    afterAll(() => pod[Symbol.dispose]())

    it.each(
      FAMILIES.flatMap((outer) =>
        FAMILIES.flatMap((family) => (['port', 'lookup'] as const).map((way) => ({ outer, family, way }) as const)),
      ),
    )('come to an endpoint whole, and again (IPv$family over IPv$outer, $way)', async ({ outer, family, way }) => {
      const stream: Stream = { outer, family, label: LABELS[way], isHere: true }
      const whole = Buffer.concat(segmentsOf(stream).map((segment) => segment.subarray(HEADERS[family])))
      // The second time it is a flow that is known, if its headers are plain.
      for (let [turn, attempt] = [1, 1]; turn <= 2; attempt++) {
        pod.take()
        const [packets, octets] = await delivered()
        net.sendAll(tunnelled(stream), MAC.router)
        const taken: Uint8Array[] = []
        const data = (): Buffer => Buffer.concat(taken.map((packet) => packet.subarray(HEADERS[family])))
        await expect
          .poll(() => taken.push(...pod.take().filter(isOf(stream))) && data().length, { timeout: 20_000 * PACE })
          .toBeGreaterThanOrEqual(whole.length)
        expect([turn, data().equals(whole)]).toEqual([turn, true])
        for (const packet of taken) expect(packet[family === 4 ? 8 : 7]).toBe(63)
        const [morePackets, moreOctets] = await delivered()
        const frames = morePackets - packets
        expect([turn, moreOctets - octets]).toEqual([turn, frames * HEADERS[family] + SEGMENTS * SIZE])
        if (frames === 1) turn++
        else expect(attempt).toBeLessThan(ATTEMPTS)
      }
    })
  })

  describe.each(FAMILIES)('sent on, over IPv%i', (into) => {
    beforeAll(() => open([]))
    afterAll(() => pod[Symbol.dispose]())

    const streams = FAMILIES.flatMap((outer) => FAMILIES.map((family) => ({ outer, family, isHere: false }) as const))

    // The kernel dropped them, and nothing counted it.
    it.each(
      (['mpls-udp-joint', 'mpls-udp', 'mpls-gre', 'vxlan'] as const).flatMap((go) =>
        (go === 'vxlan' ? (['onward'] as const) : (['onward', 'swap'] as const)).map((way) => ({ go, way })),
      ),
    )('from behind a joint label into $go ($way): are lost, and counted where that has joining end', async ({ go, way }) => {
      await program(go, into)
      for (const each of streams) {
        const stream = { ...each, label: LABELS[way] }
        const {
          lost: [vxlan, joint],
          dropped,
        } = await sendJoined(stream)
        await expect.poll(lost, { timeout: 20_000 * PACE }).toEqual([vxlan, joint + 1])
        await expect
          .poll(async () => dropsOf(await router.counters(), 'encapsulation-unsupported'), { timeout: 20_000 * PACE })
          .toBe(dropped + 1)
        // One by one they go on.
        net.take()
        for (const packet of tunnelled({ ...stream, count: 1 })) net.send(packet, MAC.router)
        await expect.poll(() => net.take().filter((packet) => packet.length > SIZE).length, { timeout: 20_000 * PACE }).toBe(1)
        expect(lost()).toEqual([vxlan, joint + 1])
      }
    })

    // Where TCP was taken for that of the other family, the kernel dropped them, and nothing counted it.
    it('from VXLAN into VXLAN: are cut again, or counted where they would be cut as of another family', async () => {
      await program('vxlan', into)
      for (const stream of streams.map((each) => ({ ...each, label: LABELS.onward, by: 'vxlan' }) as const)) {
        const isCut = stream.outer === into || stream.family === into
        const [vxlan, joint] = (await sendJoined(stream)).lost
        let cut = 0
        const take = (): number => (cut += net.take().filter((packet) => packet.length > SIZE).length)
        await expect
          .poll(() => [take(), lost()], { timeout: 20_000 * PACE })
          .toEqual([isCut ? SEGMENTS : 0, [isCut ? vxlan : vxlan + 1, joint]])
      }
    })
  })

  describe.each(FAMILIES)('sent on by the host, to another router, over IPv%i', (outer) => {
    let behind: Capture
    beforeAll(async () => {
      const inside = (line: string): string => space.namespaces.in(SPACE, ...line.split(' '))
      inside('ip link add out0 type veth peer name out1')
      for (const link of ['out0', 'out1']) inside(`ip link set ${link} up`)
      inside('ethtool -K out0 tso off gso off tx off')
      inside('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
      inside(`ip route add ${IpPrefix.of(BEHIND[outer])} dev out0`)
      inside(`ip neighbour add ${BEHIND[outer]} lladdr ${MAC.net} nud permanent dev out0`)
      await open([])
      behind = await Capture.open(space.namespaces.path(SPACE), 'out1')
    })
    afterAll(() => {
      behind?.[Symbol.dispose]()
      pod[Symbol.dispose]()
      space.namespaces.in(SPACE, 'ip', 'link', 'delete', 'out0')
    })

    /** Has it join once more, whatever was lost before. */
    async function merge(): Promise<() => boolean> {
      const { maps, mergers } = router.parts
      maps.set('drops', DROPPED_JOINED_LABELS, new Uint8Array(maps.valueSize('drops')))
      // Behind it a look at the harm of before is over, which would have the device taken away again.
      await router.detachPort(NOBODY)
      await mergers.joint.ensure()
      const isMerging = (): boolean => / hd\w+joint: /.test(space.namespaces.in(SPACE, 'ip', '-o', 'link'))
      expect(isMerging()).toBe(true)
      return isMerging
    }

    // Two segments to any other address of the host had no router of its join any more.
    it('are joined as ever where those are for the host itself', async () => {
      vi.restoreAllMocks()
      const isMerging = await merge()
      space.namespaces.in(SPACE, ...`ip address add ${BESIDE[outer]} dev up0`.split(' '), ...(outer === 6 ? ['nodad'] : []))
      const { maps } = router.parts
      const lost = (): number => maps.sums(maps.get('drops', DROPPED_JOINED_LABELS) ?? new Uint8Array(), 1)[0]
      for (const family of FAMILIES) {
        for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
          net.sendAll(tunnelled({ outer, family, label: LABELS.onward, isHere: false, to: BESIDE }), MAC.router)
        }
        pod.take()
        // What is for the endpoint comes behind them. Where the processor is busy the device has no room for so many at once, and the last ones are lost.
        const comes = (): boolean => {
          net.sendAll(tunnelled({ outer, family, label: LABELS.port, isHere: true }), MAC.router)
          return pod.take().some((packet) => packet[0] >> 4 === family)
        }
        await expect.poll(comes, { timeout: 20_000 * PACE }).toBe(true)
        expect(lost()).toBe(0)
      }
      await router.detachPort(NOBODY)
      expect(isMerging()).toBe(true)
    })

    // The kernel dropped them, and nothing counted it: nothing that the router does is asked about them.
    it.each(FAMILIES)('are lost, until joining has ended (IPv%i)', async (family) => {
      vi.restoreAllMocks()
      const isMerging = await merge()
      const packets = tunnelled({ outer, family, label: LABELS.onward, isHere: false, to: BEHIND })
      const ends = (): boolean => {
        if (!isMerging()) return true
        net.sendAll(packets, MAC.router)
        return false
      }
      await expect.poll(ends, { timeout: 20_000 * PACE }).toBe(true)
      expect(dropsOf(await router.counters(), 'encapsulation-unsupported')).toBe(0)
      // Some of the last may have been sent when joining had just ended.
      for (let last = Infinity; last > 0; await sleep(100 * PACE)) last = behind.take().length
      net.sendAll(packets, MAC.router)
      let count = 0
      const come = (): number => (count += behind.take().filter((packet) => packet.length > SIZE).length)
      await expect.poll(come, { timeout: 20_000 * PACE }).toBe(SEGMENTS)
    })
  })
})
