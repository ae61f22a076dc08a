import type { CounterSnapshot, Dataplane, DeviceRequest, Encapsulation } from '@heddle/core'
import { PORT_COUNTERS } from '@heddle/core'
import type {
  BfdDatagram,
  BfdHarness,
  Harness,
  HarnessFeature,
  Output,
  UnderlayInput,
  WireEncapsulation,
} from '@heddle/dataplane-conformance'
import { tunDataplane, type TunDataplaneOptions } from '@heddle/dataplane-tun'
import { IpAddress } from '@heddle/wire'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { Arrivals } from './arrivals.js'
import { Capture } from './capture.js'
import { isErspan, readOuter, writeOuter } from './ip-packet.js'
import { NarrowPaths, Namespaces } from './namespaces.js'

/*
 *   pods: p1, p2, … ─ TUN ─ [virtual router] ─ router: up0 ══ veth ══ net: up0
 *
 * Nobody but the router speaks: pods have no addresses, and `net` is a wire whose far end is a packet socket. The other routers are static
 * neighbours at its MAC address.
 */

const LOCAL = { 4: IpAddress.parse('192.0.2.1'), 6: IpAddress.parse('2001:db8::1') } as const
const PEERS = {
  4: [11, 12, 13].map((host) => IpAddress.parse(`192.0.2.${host}`)),
  6: [11, 12, 13].map((host) => IpAddress.parse(`2001:db8::${host}`)),
} as const
const MAC = { router: '02:00:00:00:00:01', net: '02:00:00:00:00:02' } as const
const UNDERLAY_MTU = 1500
const UDP_PORTS: Readonly<Partial<Record<Encapsulation, number>>> = { 'mpls-udp': 6635, vxlan: 4789 }
const BFD_PORTS = { single: 3784, multiple: 4784 } as const
const GRE = 47
const UDP = 17

/** When a packet that nobody has accounted for is lost for good, milliseconds. */
const PATIENCE = 30_000

/** The namespaces that the harnesses of a test file have in common. */
export class HarnessWorld {
  readonly namespaces = new Namespaces()

  constructor() {
    const { namespaces } = this
    for (const name of ['pods', 'router', 'net']) namespaces.add(name)
    namespaces.in('pods', 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1')
    const net = namespaces.name('net')
    namespaces.in('router', ...`ip link add up0 address ${MAC.router} type veth peer name up0 address ${MAC.net} netns ${net}`.split(' '))
    namespaces.in('net', ...'ip link set up0 up'.split(' '))
    // A capture would show datagrams that go together as one packet, as they are before a real link cuts them apart.
    namespaces.in('router', ...`ip link set up0 mtu ${UNDERLAY_MTU} gso_max_segs 1 up`.split(' '))
    namespaces.in('router', ...`ip address add ${LOCAL[4]}/24 dev up0`.split(' '))
    namespaces.in('router', ...`ip address add ${LOCAL[6]}/64 dev up0 nodad`.split(' '))
    for (const peer of [...PEERS[4], ...PEERS[6]]) {
      namespaces.in('router', ...`ip neighbour add ${peer} lladdr ${MAC.net} nud permanent dev up0`.split(' '))
    }
  }

  close(): void {
    this.namespaces.close()
  }
}

/** A harness around a TUN dataplane in this process, used directly or through `wrap`. */
export async function tunHarness(
  world: HarnessWorld,
  wrap?: (dataplane: Dataplane) => Promise<Dataplane>,
  threads?: Pick<TunDataplaneOptions, 'workers' | 'forwarder'>,
): Promise<Harness> {
  const { namespaces } = world
  const options = { addresses: [LOCAL[4], LOCAL[6]], inProcess: true, underlayNetns: namespaces.path('router') }
  const inProcess = await tunDataplane({ ...options, ...threads })
  const dataplane = wrap === undefined ? inProcess : await wrap(inProcess)
  return new TunHarness(world, dataplane, await Capture.open(namespaces.path('net'), 'up0'))
}

class TunHarness implements Harness {
  readonly features: ReadonlySet<HarnessFeature> = new Set([
    'udp-port',
    'takes-all',
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
  /** Packets that were put in since the last `outputs`, and what was counted before. */
  #given = 0
  #before: number | undefined

  constructor(
    private readonly world: HarnessWorld,
    dataplane: Dataplane,
    private readonly net: Capture,
  ) {
    this.dataplane = this.#observed(dataplane)
    this.#narrow = new NarrowPaths(world.namespaces, 'router')
    this.#arrivals = new Arrivals(world.namespaces.path('net'), net)
  }

  local(family: 4 | 6): IpAddress {
    return LOCAL[family]
  }

  peers(family: 4 | 6): readonly IpAddress[] {
    return PEERS[family]
  }

  deviceFor(port: number, _addresses: readonly IpAddress[], mtu: number): DeviceRequest {
    return { netns: this.world.namespaces.path('pods'), ifname: `p${port}`, addresses: [], routes: [], mtu }
  }

  async narrow(peer: IpAddress, mtu: number): Promise<void> {
    this.#narrow.add(peer, mtu)
  }

  async inject(port: number, packet: Uint8Array): Promise<void> {
    await this.#begin()

    this.#devices.get(port)?.send(packet)
  }

  async receive({ encapsulation, source, packet, udpPort, trafficClass = 0 }: UnderlayInput): Promise<void> {
    await this.#begin()
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

  /**
   * Every packet is counted as dropped, as delivered, or is seen on the wire. Counters are told between turns of the forwarder: what else a packet caused has been
   * handed to the kernel then. A device has it at once; the wire may not have brought it yet.
   */
  async outputs(): Promise<readonly Output[]> {
    const deadline = performance.now() + PATIENCE
    // Who asks again waits for what comes on its own account.
    if (this.#given === 0) await sleep(1)
    for (; this.#given > 0; await turn()) {
      const accounted = (await this.#accounted()) - (this.#before ?? 0)
      this.#collect()
      const sent = this.#outputs.filter((output) => output.type === 'sent' && !isErspan(output)).length
      if (accounted + sent >= this.#given && (await this.#arrivals.areTaken())) break
      if (performance.now() > deadline) throw new RangeError(`${this.#given - accounted - sent} packets went nowhere in ${PATIENCE} ms`)
    }
    this.#collect()
    this.#given = 0
    this.#before = undefined
    return this.#outputs.splice(0)
  }

  async close(): Promise<void> {
    await this.dataplane.close()
    this.#narrow.remove()
    for (const device of this.#devices.values()) device[Symbol.dispose]()
    this.net[Symbol.dispose]()
  }

  async #begin(): Promise<void> {
    if (this.#before === undefined) {
      this.#before = await this.#accounted()
      await this.#arrivals.begin()
    }
    this.#given++
  }

  async #accounted(): Promise<number> {
    const { drops, ports }: CounterSnapshot = await this.dataplane.counters()
    const delivered = PORT_COUNTERS.indexOf('tx-packets')
    return (
      drops.reduce((sum, count) => sum + count, 0) +
      ports.reduce((sum, count, at) => sum + (at % PORT_COUNTERS.length === delivered ? count : 0), 0)
    )
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
      apply: (transaction, signal) => dataplane.apply(transaction, signal),
      dump: () => dataplane.dump(),
      counters: () => dataplane.counters(),
      close: (options) => dataplane.close(options),
      attachPort: async (port, device) => {
        const facts = await dataplane.attachPort(port, device)
        if (this.#indexes.get(port) === facts.ifindex) return facts
        this.#devices.get(port)?.[Symbol.dispose]()
        const frames = facts.mac !== undefined
        this.#devices.set(port, await Capture.open(this.world.namespaces.path('pods'), device.ifname, { frames }))
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
