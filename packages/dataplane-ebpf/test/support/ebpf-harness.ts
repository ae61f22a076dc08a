import type { CounterSnapshot, Dataplane, DeviceRequest, Encapsulation } from '@heddle/core'
import { PORT_COUNTERS } from '@heddle/core'
import type { Harness, HarnessFeature, Output, UnderlayInput } from '@heddle/dataplane-conformance'
import { ebpfDataplane, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import type { IpAddress } from '@heddle/wire'
import { setTimeout as sleep } from 'node:timers/promises'
import { Capture } from '../../../dataplane-tun/test/support/capture.js'
import { isErspan, readOuter, writeOuter } from '../../../dataplane-tun/test/support/ip-packet.js'
import { Namespaces } from '../../../dataplane-tun/test/support/namespaces.js'
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
const GRE = 47
const UDP = 17

/** How long a packet may take through the kernel, milliseconds. */
const PATIENCE = 300

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
    for (const peer of [...PEERS[4], ...PEERS[6]]) {
      namespaces.in('ebpf-router', ...`ip neighbour add ${peer} lladdr ${MAC.net} nud permanent dev up0`.split(' '))
    }
  }

  close(): void {
    this.namespaces.close()
  }
}

/** A harness around a dataplane on real devices. @param without features of the kernel to do without */
export async function ebpfHarness(world: EbpfHarnessWorld, without: readonly EbpfFeatureName[] = []): Promise<Harness> {
  const { namespaces } = world
  const underlayNetns = namespaces.path('ebpf-router')
  const addresses = [LOCAL[4], LOCAL[6]]
  const dataplane = await ebpfDataplane({ addresses, uplink: 'up0', underlayNetns, fibBlocks: 2048, routes: 4096, flows: 4096, without })
  return new EbpfHarness(world, dataplane, await Capture.open(namespaces.path('ebpf-net'), 'up0'))
}

class EbpfHarness implements Harness {
  readonly features: ReadonlySet<HarnessFeature> = new Set(['udp-port', 'any-source', 'outer-header', 'outer-traffic-class'])
  readonly underlayMtu = UNDERLAY_MTU
  readonly dataplane: Dataplane
  readonly #devices = new Map<number, Capture>()
  readonly #indexes = new Map<number, number>()
  readonly #outputs: Output[] = []
  /** Packets that were put in since the last `outputs`, and what was counted before. */
  #given = 0
  /** Parts of datagrams, others than the last, among them. */
  #firstParts = 0
  #before: number | undefined

  constructor(
    private readonly world: EbpfHarnessWorld,
    dataplane: Dataplane,
    private readonly net: Capture,
  ) {
    this.dataplane = this.#observed(dataplane)
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

  /** Every packet is counted as dropped, as delivered, or is seen on the wire. */
  async outputs(): Promise<readonly Output[]> {
    const deadline = performance.now() + PATIENCE
    for (;;) {
      this.#collect()
      const sent = this.#outputs.filter((output) => output.type === 'sent' && !isErspan(output)).length
      const isAccounted = this.#given === 0 || (await this.#accounted()) + sent >= (this.#before ?? 0) + this.#given
      if ((isAccounted && !this.#awaitsParts()) || performance.now() > deadline) break
      await sleep(1)
    }
    // What one packet causes is handed to the kernel in one turn, but arrives on its own account.
    await sleep(this.#given === 0 ? 0 : 4)
    this.#collect()
    this.#given = 0
    this.#before = undefined
    this.#firstParts = 0
    return this.#outputs.splice(0)
  }

  async close(): Promise<void> {
    await this.dataplane.close()
    for (const device of this.#devices.values()) device[Symbol.dispose]()
    this.net[Symbol.dispose]()
  }

  async #begin(inner: Uint8Array): Promise<void> {
    this.#before ??= await this.#accounted()
    this.#given++
    if (isFirstPart(inner)) this.#firstParts++
  }

  /** Of a packet that was cut the parts come one after the other: the last one ends the datagram. */
  #awaitsParts(): boolean {
    const inner = this.#outputs.map((output) => (output.type === 'sent' ? behindLabels(output.packet) : output.packet))
    return inner.filter(isFirstPart).length > this.#firstParts && !inner.some(isLastPart)
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
        this.#devices.set(port, await Capture.open(this.world.namespaces.path('ebpf-pods'), device.ifname))
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

function encapsulationOf(protocol: number, destinationPort: number | undefined): Encapsulation | undefined {
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

/** Whether more of the datagram follows. */
function isFirstPart(packet: Uint8Array): boolean {
  return packet[0] >> 4 === 4 && (packet[6] & 0x20) !== 0
}

function isLastPart(packet: Uint8Array): boolean {
  return packet[0] >> 4 === 4 && (packet[6] & 0x3f) + packet[7] > 0 && !isFirstPart(packet) && (packet[6] & 0x40) === 0
}
