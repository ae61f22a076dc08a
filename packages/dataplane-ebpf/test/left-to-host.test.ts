import { DROP_REASONS, type FibTransaction } from '@heddle/core'
import { greBefore, labelled, testPacket, vxlanBefore } from '@heddle/dataplane-conformance'
import { ebpfFeatures, type EbpfDataplaneOptions } from '@heddle/dataplane-ebpf'
import { silentLogger, type Logger } from '@heddle/io'
import { DATAGRAM_DESCRIPTOR, LinuxError, RawSocket, UdpBatchSocket, type Netlink } from '@heddle/linux'
import { IpPrefix, MacAddress } from '@heddle/wire'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { warnOfVxlanPort } from '../src/device/vxlan-port.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS } from './support/router.js'
import { PODS, podTransaction, RouterLab } from './support/router-lab.js'

/*
 * Ports and protocols of tunnels may be somebody else's at the same address of the node:
 *
 *   [a packet socket] up1 ══ up0 [router, sockets of the host]
 */

const [UDP, GRE] = [17, 47]
const [MPLS, FORMER, VXLAN] = [6635, 51_234, 4789]
const LABEL = 101
const VNI = 7
const OWN_MAC = MacAddress.parse('02:00:00:00:00:01')
const PORT_TAKEN = 'Another program has the port of VXLAN'

const inside = testPacket({ source: '10.2.0.1', destination: PODS[0].toString(), ttl: 60 })
const stack = (...labels: readonly number[]): Uint8Array =>
  labelled(
    labels.map((label) => ({ label })),
    inside,
  )
const jointBefore = (labels: Uint8Array): Uint8Array => Uint8Array.of(12, 0, 0, 1, ...labels)
/** As a resolver answers. */
const ANSWER = Uint8Array.from([0x65, 0x0d, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, ...new TextEncoder().encode('an answer')])

const hasVxlan = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'vxlan' && available)

describe.skipIf(missing() !== '')(titled('what is left to the host'), () => {
  const lab = new RouterLab('left', { fibBlocks: 1024, routes: 1024, flows: 1024 })
  const sockets: { close(): void }[] = []
  let mac: string
  let wire: Capture

  beforeAll(async () => {
    lab.space.addAddresses()
    mac = lab.inHost('cat', '/sys/class/net/up0/address').trim()
  })
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.close()
  })

  const tables = (generation: number): FibTransaction => ({
    ...podTransaction(generation),
    tunnelSources: { set: [{ id: 1, prefixes: [PEERS[4][0], PEERS[6][0]].map((peer) => IpPrefix.of(peer)) }], remove: [] },
    labels: { set: [{ label: LABEL, action: { type: 'pop-forward', port: 0 }, sources: 1 }], remove: [] },
  })
  const withVni = (generation: number): FibTransaction => ({
    ...emptyTransaction(generation),
    vnis: { set: [{ vni: VNI, vrf: 1, routerMac: OWN_MAC, sources: 1 }], remove: [] },
  })
  const withoutVni = (generation: number): FibTransaction => ({ ...emptyTransaction(generation), vnis: { set: [], remove: [VNI] } })

  async function open(options: Partial<EbpfDataplaneOptions> = {}): Promise<EbpfRouter> {
    const router = await lab.open(options)
    expect(await router.apply(tables((await router.dump()).generation + 1))).toMatchObject({ status: 'applied', failures: [] })
    await lab.attach(router, 0)
    wire = await Capture.open(lab.netns, 'up1')
    sockets.push({ close: () => wire[Symbol.dispose]() })
    return router
  }

  const buffer = new Uint8Array(1 << 16)
  const descriptors = new Uint32Array(DATAGRAM_DESCRIPTOR.words)
  /** What waits at a socket, in hexadecimal. */
  function taken(socket: UdpBatchSocket | RawSocket): string[] {
    const all: string[] = []
    while (socket.receiveBatch(buffer, buffer.length, 0, descriptors) > 0) {
      const { offset, length } = DATAGRAM_DESCRIPTOR
      all.push(hex(buffer.subarray(descriptors[offset], descriptors[offset] + descriptors[length])))
    }
    return all
  }

  async function udpSocket(port: number, family: 4 | 6 = 4): Promise<UdpBatchSocket> {
    const bind = { address: LOCAL[family].toString(), port }
    const socket = await UdpBatchSocket.open({ namespace: lab.netns, bind, zeroChecksumRx: family === 6 })
    sockets.push(socket)
    return socket
  }

  /** Sends to the node. @param port of UDP; GRE when left out */
  function send(payload: Uint8Array, port?: number, source = PEERS[4][0]): void {
    const ends = { source, destination: LOCAL[source.family], ttl: 64, trafficClass: 0, payload }
    wire.send(
      writeOuter(port === undefined ? { ...ends, protocol: GRE } : { ...ends, protocol: UDP, sourcePort: 53, destinationPort: port }),
      mac,
    )
  }

  /** What was dropped, but for answers of the pod, which has no way back. */
  async function dropped(router: EbpfRouter): Promise<Record<string, number>> {
    const { drops } = await router.counters()
    const counted = DROP_REASONS.map((reason, slot) => [reason, drops[slot]] as const)
    return Object.fromEntries(counted.filter(([reason, count]) => count > 0 && reason !== 'no-route'))
  }

  // It was dropped, as no label: whoever had been given that port by the kernel heard nothing.
  it.each([4, 6] as const)(
    'is what comes to the former port of MPLS over UDP and has no label that its sender may send (IPv%i)',
    async (family) => {
      const router = await open()
      const socket = await udpSocket(FORMER, family)
      using pod = await Capture.open(lab.podNetns(0), 'eth0')
      const peer = PEERS[family][0]
      const bottom = (label: number): Uint8Array => labelled([{ label }], new Uint8Array())
      const ofHost: readonly Uint8Array[] = [
        ANSWER,
        stack(999),
        jointBefore(stack(999)),
        stack(0, 999),
        stack(14, LABEL),
        bottom(0),
        new Uint8Array(100),
        Uint8Array.of(0, 1, 2),
        Uint8Array.of(),
        jointBefore(new Uint8Array()),
      ]
      for (const payload of ofHost) send(payload, FORMER, peer)
      send(stack(LABEL), FORMER, PEERS[family][1])
      const expected = [...ofHost, stack(LABEL)].map(hex)
      const arrived: string[] = []
      await expect.poll(() => arrived.push(...taken(socket))).toBe(expected.length)
      expect(arrived).toEqual(expected)

      const ofTunnels = [stack(LABEL), jointBefore(stack(LABEL)), stack(0, 2, LABEL), stack(...Array<number>(15).fill(0), LABEL)]
      for (const payload of ofTunnels) send(payload, FORMER, peer)
      // A stack of a tunnel is judged whole.
      send(stack(LABEL, 999), FORMER, peer)
      await expect.poll(() => dropped(router)).toEqual({ 'label-stack': 1 })
      expect(pod.take().filter((packet) => packet[0] >> 4 === 4)).toHaveLength(ofTunnels.length)
      expect(taken(socket)).toEqual([])
      // The port that MPLS over UDP has now is nobody else's.
      send(stack(999), MPLS, peer)
      await expect.poll(() => dropped(router)).toEqual({ 'label-stack': 1, 'label-unknown': 1 })
    },
  )

  // A `gre` device of the host lost all that came for it, and a collector that was another router's address its copies.
  it('is GRE of anything but MPLS', async () => {
    const router = await open()
    const socket = await RawSocket.open({ namespace: lab.netns, family: 4, protocol: GRE, bind: LOCAL[4].toString() })
    sockets.push(socket)
    const ofHost = [
      [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 1, 2, 3, 4],
      [0, 0, 0x65, 0x58, 1, 2, 3, 4],
      [0, 0, 8, 0, ...inside],
      // PPTP, of another version.
      [0x30, 1, 0x88, 0x0b, 0, 4, 0, 1, 0, 0, 0, 1],
    ].map((octets) => Uint8Array.from(octets))
    for (const payload of ofHost) send(payload)
    const arrived: string[] = []
    await expect.poll(() => arrived.push(...taken(socket))).toBe(ofHost.length)
    expect(arrived).toEqual(ofHost.map(hex))
    const wrong = greBefore(stack(LABEL))
    wrong[1] = 1
    send(wrong)
    await expect.poll(() => dropped(router)).toEqual({ 'outer-malformed': 1 })
    expect(taken(socket)).toEqual([])
  })

  // VXLAN of the host's own stopped as soon as the router was there, which had no use for any.
  it('is VXLAN while there is no VNI, of which whoever opens the router is warned', async () => {
    const pinDirectory = lab.path('vnis')
    const warn = vi.fn<Logger['warn']>()
    const logger = { ...silentLogger, warn }
    const warnings = (): unknown[] => warn.mock.calls.filter(([message]) => message.startsWith(PORT_TAKEN)).map(([, fields]) => fields)
    const frame = vxlanBefore(9, OWN_MAC, OWN_MAC, inside)
    const socket = await udpSocket(VXLAN)
    let router = await open({ pinDirectory, logger })
    let generation = (await router.dump()).generation
    expect(warnings()).toEqual([{ address: LOCAL[4].toString(), port: VXLAN, remedy: expect.stringContaining('`encapsulations`') }])

    const isLeft = async (): Promise<void> => {
      const before = await dropped(router)
      send(frame, VXLAN)
      const arrived: string[] = []
      await expect.poll(() => arrived.push(...taken(socket))).toBe(1)
      expect(arrived).toEqual([hex(frame)])
      expect(await dropped(router)).toEqual(before)
    }
    const isOurs = async (): Promise<void> => {
      const count = async (): Promise<number> => (await dropped(router))['vni-unknown'] ?? 0
      const before = await count()
      send(frame, VXLAN)
      await expect.poll(count).toBe(before + 1)
      expect(taken(socket)).toEqual([])
    }
    await isLeft()
    expect(await router.apply(withVni(++generation))).toMatchObject({ status: 'applied', failures: [] })
    await isOurs()
    await router.close({ keep: true })
    router = await lab.open({ pinDirectory, logger })
    await isOurs()
    expect(await router.apply(withoutVni(++generation))).toMatchObject({ status: 'applied', failures: [] })
    await isLeft()
    await router.close({ keep: true })
    router = await lab.open({ pinDirectory, logger })
    await isLeft()
  })

  it.each<[string, Partial<EbpfDataplaneOptions>, number | undefined]>([
    ['nobody has its port', {}, undefined],
    ['another port is taken', {}, VXLAN + 1],
    ['the router carries none', { encapsulations: ['mpls-udp', 'mpls-gre'] }, VXLAN],
  ])('is warned of no VXLAN where %s', async (_, options, port) => {
    const warn = vi.fn<Logger['warn']>()
    if (port !== undefined) await udpSocket(port)
    await lab.open({ ...options, logger: { ...silentLogger, warn } })
    expect(warn.mock.calls.filter(([message]) => message.startsWith(PORT_TAKEN))).toEqual([])
  })

  it('is warned of nothing where links cannot be listed, which ends nothing', async () => {
    const warn = vi.fn<Logger['warn']>()
    const links = { list: () => Promise.reject(new LinuxError('EINTR', 4, 'list links', 'broken off')) }
    const place = { addresses: [LOCAL[4]], netns: lab.netns, vrf: undefined, logger: { ...silentLogger, warn } }
    await udpSocket(VXLAN)
    await warnOfVxlanPort({ ...place, netlink: { links } as unknown as Netlink })
    expect(warn).not.toHaveBeenCalled()
    await warnOfVxlanPort({ ...place, netlink: { links: { list: () => Promise.resolve([]) } } as unknown as Netlink })
    expect(warn).toHaveBeenCalledOnce()
  })

  it.skipIf(!hasVxlan)(
    `is warned of VXLAN that a device of the host carries, but of no device that routers have${hasVxlan ? '' : ' (skipped: needs vxlan)'}`,
    async () => {
      const pinDirectory = lab.path('devices')
      const warn = vi.fn<Logger['warn']>()
      const logger = { ...silentLogger, warn }
      const count = (): number => warn.mock.calls.filter(([message]) => message.startsWith(PORT_TAKEN)).length
      let router = await open({ pinDirectory, logger })
      const { generation } = await router.dump()
      expect(await router.apply(withVni(generation + 1))).toMatchObject({ status: 'applied', failures: [] })
      await router.close({ keep: true })
      router = await lab.open({ pinDirectory, logger })
      expect(count()).toBe(0)
      await lab.close(router)
      lab.inHost(...`ip link add cni0 type vxlan id 1 local ${LOCAL[4]} dstport ${VXLAN}`.split(' '))
      lab.inHost(...'ip link set cni0 up'.split(' '))
      try {
        await lab.open({ logger })
        // Its socket is of IPv4.
        expect(count()).toBe(1)
      } finally {
        lab.inHost(...'ip link delete cni0'.split(' '))
      }
    },
  )
})

function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex')
}
