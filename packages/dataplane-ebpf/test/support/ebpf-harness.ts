import type { CounterSnapshot, Dataplane, DeviceRequest, Encapsulation } from '@heddle/core'
import { dropReasonIndex, PORT_COUNTERS } from '@heddle/core'
import type {
  BfdDatagram,
  BfdHarness,
  Harness,
  HarnessFeature,
  Output,
  UnderlayInput,
  WireEncapsulation,
} from '@heddle/dataplane-conformance'
import { ebpfDataplane, type EbpfDeviceKind, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import type { IpAddress } from '@heddle/wire'
import { existsSync } from 'node:fs'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { Arrivals } from '../../../dataplane-tun/test/support/arrivals.js'
import { Capture } from '../../../dataplane-tun/test/support/capture.js'
import { isErspan, readOuter, writeOuter } from '../../../dataplane-tun/test/support/ip-packet.js'
import { NarrowPaths, Namespaces } from '../../../dataplane-tun/test/support/namespaces.js'
import { PACE } from './pace.js'
import { LOCAL, PEERS } from './router.js'

/*
 *   ebpf-pods: p1, p2, … ══ veth ══ ebpf-router: [programs] up0 ══ veth ══ ebpf-net: up0
 *
 * Nobody but the router speaks: pods have no addresses, and `ebpf-net` is a wire whose far end is a packet socket. The other routers are static
 * neighbours at its MAC address.
 */

const MAC = { router: '02:00:00:00:00:01', net: '02:00:00:00:00:02' } as const
const UNDERLAY_MTU = 1500
const UDP_PORTS: Readonly<Partial<Record<Encapsulation, number>>> = { 'mpls-udp': 6635, vxlan: 4789 }
const BFD_PORTS = { single: 3784, multiple: 4784 } as const
const GRE = 47
const UDP = 17

/** Whether packets go from tunnel to tunnel by XDP, unless it is done without. */
export const hasXdp = existsSync('/usr/sbin/ethtool')

/** When a packet that nobody has accounted for is lost for good, milliseconds. */
const PATIENCE = 30_000 * PACE
const DELIVERED = PORT_COUNTERS.indexOf('tx-packets')
/** Of packets that were dropped so the sender may be told, by what the program sends behind the count. */
const TOLD = [dropReasonIndex('ttl-expired'), dropReasonIndex('mtu-exceeded')]

/** The namespaces that the harnesses of a test file have in common. */
export class EbpfHarnessWorld {
  readonly namespaces = new Namespaces()

  constructor() {
    const { namespaces } = this
    for (const name of ['ebpf-pods', 'ebpf-router', 'ebpf-net']) namespaces.add(name)
    namespaces.in('ebpf-pods', 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1')
    const net = namespaces.name('ebpf-net')
    namespaces.in(
      'ebpf-router',
      ...`ip link add up0 address ${MAC.router} type veth peer name up0 address ${MAC.net} netns ${net}`.split(' '),
    )
    namespaces.in('ebpf-net', ...'ip link set up0 up'.split(' '))
    namespaces.in('ebpf-router', ...`ip link set up0 mtu ${UNDERLAY_MTU} up`.split(' '))
    namespaces.in('ebpf-router', ...`ip address add ${LOCAL[4]}/24 dev up0`.split(' '))
    namespaces.in('ebpf-router', ...`ip address add ${LOCAL[6]}/64 dev up0 nodad`.split(' '))
    // For XDP: what the kernel knows of neighbours it tells where it forwards, and what a veth is sent by XDP it takes by the ring of its GRO.
    for (const family of [4, 6]) namespaces.in('ebpf-router', 'sysctl', '-qw', `net.ipv${family}.conf.up0.forwarding=1`)
    if (hasXdp) namespaces.in('ebpf-net', ...'ethtool -K up0 gro on'.split(' '))
    for (const peer of [...PEERS[4], ...PEERS[6]]) {
      namespaces.in('ebpf-router', ...`ip neighbour add ${peer} lladdr ${MAC.net} nud permanent dev up0`.split(' '))
    }
  }

  close(): void {
    this.namespaces.close()
  }
}

/** A harness around a dataplane on real devices. @param without features of the kernel to do without @param devices of endpoints; what is chosen if left out */
export async function ebpfHarness(
  world: EbpfHarnessWorld,
  without: readonly EbpfFeatureName[] = [],
  devices?: EbpfDeviceKind,
): Promise<Harness> {
  const { namespaces } = world
  const underlayNetns = namespaces.path('ebpf-router')
  const addresses = [LOCAL[4], LOCAL[6]]
  const dataplane = await ebpfDataplane({
    addresses,
    uplink: 'up0',
    underlayNetns,
    fibBlocks: 2048,
    routes: 4096,
    flows: 4096,
    without,
    ...(devices !== undefined && { devices }),
    xdp: hasXdp ? 'native' : 'off',
  })
  return new EbpfHarness(world, dataplane, await Capture.open(namespaces.path('ebpf-net'), 'up0'))
}

/** What became of packets, as far as it is counted. */
interface Accounts {
  readonly dropped: number
  /** Of them those whose sender may be told. */
  readonly told: number
  readonly delivered: number
}

const NOTHING: Accounts = { dropped: 0, told: 0, delivered: 0 }

class EbpfHarness implements Harness {
  readonly features: ReadonlySet<HarnessFeature> = new Set([
    'udp-port',
    'any-source',
    'outer-header',
    'outer-traffic-class',
    'bfd',
    'path-mtu',
  ])
  readonly underlayMtu = UNDERLAY_MTU
  readonly dataplane: Dataplane
  readonly #devices = new Map<number, Capture>()
  readonly #indexes = new Map<number, number>()
  /** Whether a port's device is looked at by frames, by port. */
  readonly #onEthernet = new Map<number, boolean>()
  readonly #outputs: Output[] = []
  readonly #arrivals: Arrivals
  readonly #sessions: BfdDatagram[] = []
  readonly #narrow: NarrowPaths
  readonly bfd: BfdHarness = {
    send: async ({ peer, hops, ttl, packet }) => {
      const ends = { source: peer, destination: LOCAL[peer.family], sourcePort: 50_001, destinationPort: BFD_PORTS[hops] }
      this.net.send(writeOuter({ ...ends, protocol: UDP, ttl, trafficClass: 0, payload: packet }), MAC.router)
    },
    take: async () => {
      await sleep(2)
      this.#collect()
      return this.#sessions.splice(0)
    },
  }
  /** IP packets that were put in since the last `outputs`, and what was counted before. */
  readonly #given: Uint8Array[] = []
  #before: Accounts | undefined

  constructor(
    private readonly world: EbpfHarnessWorld,
    dataplane: Dataplane,
    private readonly net: Capture,
  ) {
    this.dataplane = this.#observed(dataplane)
    this.#narrow = new NarrowPaths(world.namespaces, 'ebpf-router')
    this.#arrivals = new Arrivals(world.namespaces.path('ebpf-net'), net)
  }

  local(family: 4 | 6): IpAddress {
    return LOCAL[family]
  }

  peers(family: 4 | 6): readonly IpAddress[] {
    return PEERS[family]
  }

  deviceFor(port: number, _addresses: readonly IpAddress[], mtu: number): DeviceRequest {
    return { netns: this.world.namespaces.path('ebpf-pods'), ifname: `p${port}`, addresses: [], routes: [], mtu }
  }

  async narrow(peer: IpAddress, mtu: number): Promise<void> {
    this.#narrow.add(peer, mtu)
    const deadline = performance.now() + PATIENCE
    while ((await this.dataplane.dump()).pathMtus?.some(({ remote }) => remote.equals(peer)) !== true) {
      if (performance.now() > deadline) throw new RangeError(`the path to ${peer} was not learnt in ${PATIENCE} ms`)
      await sleep(20)
    }
  }

  async inject(port: number, packet: Uint8Array): Promise<void> {
    await this.#begin(packet)

    this.#devices.get(port)?.send(packet)
  }

  async receive({ encapsulation, source, packet, udpPort, trafficClass = 0 }: UnderlayInput): Promise<void> {
    await this.#begin(behindLabels(packet))
    const destinationPort = udpPort ?? UDP_PORTS[encapsulation] ?? 0
    const outer = {
      source,
      destination: LOCAL[source.family],
      protocol: encapsulation === 'mpls-gre' ? GRE : UDP,
      ttl: 64,
      trafficClass,
      sourcePort: 50_000,
      destinationPort,
      payload: packet,
    }

    this.net.send(writeOuter(outer), MAC.router)
  }

  /** Every packet is counted as dropped, as delivered, or is seen on the wire. What is counted as delivered, or has arrived at the wire, is still to be captured. */
  async outputs(): Promise<readonly Output[]> {
    const deadline = performance.now() + PATIENCE
    // Who asks again waits for what comes on its own account.
    if (this.#given.length === 0) await sleep(1)
    let isSettled = false
    for (; this.#given.length > 0; await turn()) {
      const { dropped, told, delivered } = await this.#accounts(this.#before)
      this.#collect()
      const sent = this.#outputs.filter((output) => output.type === 'sent' && !isErspan(output)).length
      const captured = this.#outputs.filter(({ type }) => type === 'delivered').length
      const isAccounted = dropped + delivered + sent >= this.#given.length && captured >= delivered && !this.#awaitsParts()
      if (isAccounted && (await this.#arrivals.areTaken())) {
        if (told === 0 || isSettled) break
        await this.#settle()
        isSettled = true
      }
      if (performance.now() > deadline)
        throw new RangeError(`after ${PATIENCE} ms packets are still under way: ${this.#outputs.length} came out`)
    }
    this.#collect()
    this.#given.length = 0
    this.#before = undefined
    return this.#outputs.splice(0)
  }

  async close(): Promise<void> {
    await this.dataplane.close()
    this.#narrow.remove()
    for (const device of this.#devices.values()) device[Symbol.dispose]()
    this.net[Symbol.dispose]()
  }

  async #begin(inner: Uint8Array): Promise<void> {
    if (this.#before === undefined) {
      this.#before = await this.#accounts()
      await this.#arrivals.begin()
    }
    this.#given.push(inner)
  }

  /** Of a packet that was cut the parts come one after the other, and together carry what it did. */
  #awaitsParts(): boolean {
    const [packet] = this.#given
    if (this.#given.length > 1 || packet[0] >> 4 !== 4) return false
    const parts = this.#outputs
      .map((output) => (output.type === 'sent' ? behindLabels(output.packet) : output.packet))
      .filter((part) => isPart(part) && part[4] === packet[4] && part[5] === packet[5])
    return parts.length > 0 && parts.reduce((sum, part) => sum + payloadOf(part), 0) < payloadOf(packet)
  }

  /** Waits for the programs that run: the kernel lets no packet socket go before its receivers are done. */
  async #settle(): Promise<void> {
    const socket = await Capture.open(this.world.namespaces.path('ebpf-net'), 'up0')
    socket[Symbol.dispose]()
  }

  async #accounts(before: Accounts = NOTHING): Promise<Accounts> {
    const { drops, ports }: CounterSnapshot = await this.dataplane.counters()
    return {
      dropped: drops.reduce((sum, count) => sum + count, 0) - before.dropped,
      told: TOLD.reduce((sum, reason) => sum + drops[reason], 0) - before.told,
      delivered: ports.reduce((sum, count, at) => sum + (at % PORT_COUNTERS.length === DELIVERED ? count : 0), 0) - before.delivered,
    }
  }

  #collect(): void {
    for (const [port, device] of this.#devices) {
      for (const packet of device.take()) this.#outputs.push({ type: 'delivered', port, packet })
    }
    for (const bytes of this.net.take()) {
      const outer = readOuter(bytes)
      const hops = outer.protocol === UDP && (['single', 'multiple'] as const).find((one) => BFD_PORTS[one] === outer.destinationPort)
      if (hops) this.#sessions.push({ peer: outer.destination, hops, ttl: outer.ttl, packet: outer.payload })
      const encapsulation = encapsulationOf(outer.protocol, outer.destinationPort)
      if (encapsulation === undefined) continue
      const { source, destination, ttl, trafficClass, sourcePort, payload: packet } = outer
      this.#outputs.push({
        type: 'sent',
        encapsulation,
        source,
        destination,
        ttl,
        trafficClass,
        packet,
        ...(sourcePort === undefined ? {} : { sourcePort }),
      })
    }
  }

  /** The dataplane, with an eye on its devices. */
  #observed(dataplane: Dataplane): Dataplane {
    return {
      capabilities: dataplane.capabilities,
      events: dataplane.events,
      apply: (transaction, signal) => {
        for (const { id, link } of transaction.ports.set) this.#onEthernet.set(id, link !== undefined)
        return dataplane.apply(transaction, signal)
      },
      dump: () => dataplane.dump(),
      counters: () => dataplane.counters(),
      close: (options) => dataplane.close(options),
      attachPort: async (port, device) => {
        const facts = await dataplane.attachPort(port, device)
        if (this.#indexes.get(port) === facts.ifindex) return facts
        this.#devices.get(port)?.[Symbol.dispose]()
        this.#devices.set(
          port,
          await Capture.open(this.world.namespaces.path('ebpf-pods'), device.ifname, { frames: this.#onEthernet.get(port) === true }),
        )
        this.#indexes.set(port, facts.ifindex)
        return facts
      },
      detachPort: async (port) => {
        await dataplane.detachPort(port)
        this.#devices.get(port)?.[Symbol.dispose]()
        this.#devices.delete(port)
        this.#indexes.delete(port)
      },
    }
  }
}

function encapsulationOf(protocol: number, destinationPort: number | undefined): WireEncapsulation | undefined {
  if (protocol === GRE) return 'mpls-gre'
  if (protocol !== UDP) return undefined
  return destinationPort === UDP_PORTS['mpls-udp'] ? 'mpls-udp' : destinationPort === UDP_PORTS.vxlan ? 'vxlan' : undefined
}

/** What is behind a label stack; nothing of use where there is none. */
function behindLabels(packet: Uint8Array): Uint8Array {
  let at = 0
  while (at + 4 < packet.length && (packet[at + 2] & 1) === 0) at += 4
  return packet.subarray(at + 4)
}

/** Whether an IPv4 packet is a part of a datagram. */
function isPart(packet: Uint8Array): boolean {
  return packet[0] >> 4 === 4 && (packet[6] & 0x3f) + packet[7] > 0
}

/** Octets behind the header of an IPv4 packet. */
function payloadOf(packet: Uint8Array): number {
  return packet[2] * 256 + packet[3] - (packet[0] & 15) * 4
}
