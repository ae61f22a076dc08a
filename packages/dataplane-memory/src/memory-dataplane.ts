import { BfdSessions } from '@heddle/bfd'
import {
  DATAPLANE_FEATURES,
  DataplaneError,
  ENCAPSULATIONS,
  LIVENESS_EVENTS,
  type ApplyReport,
  type CounterSnapshot,
  type Dataplane,
  type DataplaneCapabilities,
  type DataplaneEvent,
  type DataplaneFeature,
  type DataplaneLimits,
  type DataplaneState,
  type DeviceFacts,
  type DeviceRequest,
  type Encapsulation,
  type FibTransaction,
} from '@heddle/core'
import {
  DELIVER,
  DROP,
  FRAGMENT,
  ForwardingEngine,
  HEADROOM,
  MAX_LABEL_STACK_DEPTH,
  PacketOut,
  type AddressWords,
  type Explanation,
  type PacketInput,
  type Verdict,
} from '@heddle/forwarding'
import { EventQueue, type Clock, type Random } from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import { bfdFrame, readBfdFrame } from './bfd-frames.js'
import type { MemoryEndpoint } from './memory-endpoint.js'
import { memoryUnderlay, type MemoryUnderlay, type UnderlayFrame } from './memory-underlay.js'

/** Where a router in memory stands, and what it can. */
export interface MemoryDataplaneOptions {
  /** The network this router stands in; one of its own when left out, in which only it lives. */
  readonly underlay?: MemoryUnderlay
  /** Underlay addresses of this router: those that tunnels of its tables have as `local`. */
  readonly addresses: readonly IpAddress[]
  /** Encapsulations; all when left out. */
  readonly encapsulations?: readonly Encapsulation[]
  readonly limits?: Partial<DataplaneLimits>
  /** By which BFD sessions run; without it the feature `liveness` is not offered, even if `features` names it. */
  readonly liveness?: { readonly clock: Clock; readonly random: Random }
  /**
   * Features; when left out all but `joint-labels`, since nothing here joins segments. Of these, those are offered for which there is what they need.
   */
  readonly features?: readonly DataplaneFeature[]
  /**
   * By which ports keep to their rates and ICMP errors are limited; without it these are not, and the feature `rate-limit` is not offered, even if
   * `features` names it.
   */
  readonly clock?: Pick<Clock, 'now'>
}

/** A dataplane in memory, with handles to the far sides of its ports. */
export interface MemoryDataplane extends Dataplane {
  /** The far side of an attached port. @throws DataplaneError `dataplane.port-unknown` */
  endpoint(port: number): MemoryEndpoint
  /** Tells what would happen to a packet, without sending it. */
  explain(input: PacketInput): Explanation
}

const LIMITS: DataplaneLimits = {
  vrfs: 4096,
  ports: 65_536,
  nextHops: 1_048_576,
  groups: 1_048_576,
  groupMembers: 256,
  labels: 1_048_576,
  vnis: 65_536,
  routes: 4_194_304,
  labelStackDepth: MAX_LABEL_STACK_DEPTH,
  policies: 131_072,
  policyRules: 1024,
  flows: 65_536,
  services: 65_536,
  natPools: 4096,
  liveness: 4096,
  serviceBackends: 4096,
  mirrors: 1024,
  traces: 64,
}

/** An IPv6 header and the longest payload it can announce. */
const LARGEST_PACKET = 40 + 65_535

/** Makes a dataplane whose devices are handles in this process and whose underlay is a `memoryUnderlay`. */
export function memoryDataplane(options: MemoryDataplaneOptions): MemoryDataplane {
  return new Memory(options)
}

interface Device extends MemoryEndpoint {
  device: MemoryEndpoint['device']
  request: DeviceRequest
  handler: ((packet: Uint8Array) => void) | undefined
}

/** A packet that waits until the one in hand is done with. */
type Arrival = { readonly from: Device; readonly packet: Uint8Array } | { readonly frame: UnderlayFrame }

class Memory implements MemoryDataplane {
  readonly capabilities: DataplaneCapabilities
  readonly #engine: ForwardingEngine
  readonly #underlay: MemoryUnderlay
  readonly #detach: (() => void)[]
  readonly #sessions: BfdSessions | undefined
  readonly #devices = new Map<number, Device>()
  readonly #events = new EventQueue<DataplaneEvent>()
  readonly #out = new PacketOut()
  readonly #buffer: Uint8Array
  /** Where the parts of a packet that is cut are written, one after the other. */
  readonly #part: Uint8Array
  readonly #arrivals: Arrival[] = []
  #busy = false
  #closed = false
  #nextIfindex = 1

  constructor(options: MemoryDataplaneOptions) {
    const encapsulations = options.encapsulations ?? ENCAPSULATIONS
    const limits = { ...LIMITS, ...options.limits }
    const needs = { liveness: options.liveness, 'rate-limit': options.clock }
    const features = (options.features ?? DATAPLANE_FEATURES.filter((feature) => feature !== 'joint-labels')).filter(
      (feature) => !(feature in needs) || needs[feature as keyof typeof needs],
    )
    this.#underlay = options.underlay ?? memoryUnderlay()
    this.capabilities = {
      kind: 'memory',
      encapsulations,
      underlayFamilies: [...new Set(options.addresses.map(({ family }) => family))],
      survivesClose: false,
      limits,
      features,
    }
    this.#engine = new ForwardingEngine({
      limits,
      encapsulations,
      features,
      outer: 'full',
      underlayMtu: this.#underlay.mtu,
      ...(options.clock !== undefined && { clock: options.clock }),
      observe: (event) => this.#events.push(event),
      hasDevice: (port) => this.#devices.has(port),
    })
    this.#sessions =
      options.liveness &&
      new BfdSessions({
        ...options.liveness,
        send: (object, packet) => this.#underlay.transmit(bfdFrame(object, packet)),
        changed: ({ id }, state, reason) => {
          this.#engine.setLiveness(id, state !== 'down')
          this.#events.push({ type: LIVENESS_EVENTS[state], liveness: id, reason })
        },
      })
    this.#buffer = new Uint8Array(HEADROOM + LARGEST_PACKET)
    this.#part = new Uint8Array(HEADROOM + LARGEST_PACKET)
    this.#detach = options.addresses.map((address) => this.#underlay.attach(address, (frame) => this.#arrive({ frame })))
    this.#detach.push(this.#underlay.watchPaths((remote, mtu) => this.#learnPath(options.addresses, remote, mtu)))
  }

  get events(): AsyncIterable<DataplaneEvent> {
    return this.#events
  }

  async apply(transaction: FibTransaction): Promise<ApplyReport> {
    this.#mustBeOpen()
    const report = this.#engine.apply(transaction)
    if (report.status === 'applied') {
      for (const port of transaction.ports.remove) this.#removeDevice(port, 'the port was removed')
      for (const id of transaction.liveness?.remove ?? []) this.#sessions?.remove(id)
      for (const object of transaction.liveness?.set ?? []) this.#sessions?.set(object)
    }
    return report
  }

  async dump(): Promise<DataplaneState> {
    this.#mustBeOpen()
    const devices = Array.from(this.#devices.values(), ({ port, device }) => ({ ...device, port }))
    return { ...this.#engine.state(), ...(this.#sessions !== undefined && { up: this.#sessions.up() }), devices }
  }

  async attachPort(port: number, request: DeviceRequest): Promise<DeviceFacts> {
    this.#mustBeOpen()
    if (!this.#engine.hasPort(port)) throw new DataplaneError('dataplane.port-unknown', `no transaction has set port ${port}`)
    const before = this.#devices.get(port)
    if (before !== undefined && sameRequest(before.request, request)) return factsOf(before.device)
    for (const other of this.#devices.values()) {
      if (other.port !== port && other.request.ifname === request.ifname && other.request.netns === request.netns) {
        throw new DataplaneError('dataplane.device', `${request.ifname} is the device of port ${other.port}`)
      }
    }
    if (before !== undefined && before.request.ifname === request.ifname && before.request.netns === request.netns) {
      // The device that is there, with other settings: who is behind it stays.
      before.request = request
      before.device = { ...request, ifindex: before.device.ifindex, mtu: request.mtu }
      return factsOf(before.device)
    }
    this.#removeDevice(port, 'its device was replaced')
    const device = { ...request, ifindex: this.#nextIfindex++, mtu: request.mtu }
    const made: Device = {
      port,
      request,
      device,
      received: [],
      handler: undefined,
      send: (packet) => {
        if (this.#devices.get(port) === made) this.#arrive({ from: made, packet: packet.slice() })
      },
      onPacket: (handler) => (made.handler = handler),
    }
    this.#devices.set(port, made)
    this.#events.push({ type: 'port-up', port })
    return factsOf(device)
  }

  async detachPort(port: number): Promise<void> {
    this.#mustBeOpen()
    this.#removeDevice(port, 'detached')
  }

  async counters(): Promise<CounterSnapshot> {
    this.#mustBeOpen()
    return this.#engine.counters()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#sessions?.leave()
    for (const detach of this.#detach) detach()
    this.#devices.clear()
    this.#events.end()
  }

  #learnPath(addresses: readonly IpAddress[], remote: IpAddress, mtu: number | undefined): void {
    this.#engine.setPathMtu(remote, mtu)
    const local = addresses.find(({ family }) => family === remote.family)
    if (local !== undefined) this.#events.push({ type: 'underlay-changed', local, mtu: mtu ?? this.#underlay.mtu, remote })
  }

  endpoint(port: number): MemoryEndpoint {
    const device = this.#devices.get(port)
    if (device === undefined) throw new DataplaneError('dataplane.port-unknown', `port ${port} has no device`)
    return device
  }

  explain(input: PacketInput): Explanation {
    return this.#engine.explain(input)
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new DataplaneError('dataplane.closed', 'the dataplane was closed')
  }

  #removeDevice(port: number, reason: string): void {
    if (this.#devices.delete(port)) this.#events.push({ type: 'port-down', port, reason })
  }

  /** Packets are worked off one after another: what a packet's receiver sends in turn waits until the packet is done with. */
  #arrive(arrival: Arrival): void {
    if (this.#closed) return
    this.#arrivals.push(arrival)
    if (this.#busy) return
    this.#busy = true
    try {
      for (let next = this.#arrivals.shift(); next !== undefined; next = this.#arrivals.shift()) this.#process(next)
    } finally {
      this.#busy = false
    }
  }

  #process(arrival: Arrival): void {
    const packet = 'frame' in arrival ? arrival.frame.bytes : arrival.packet
    const bfd = 'frame' in arrival && this.#sessions !== undefined ? readBfdFrame(arrival.frame) : undefined
    if (bfd !== undefined) return this.#sessions?.receive(bfd.local, bfd.remote, bfd.hops, bfd.ttl, bfd.packet)
    if (packet.length > LARGEST_PACKET) {
      this.#engine.countDrop('frame' in arrival ? 'outer-malformed' : 'inner-malformed')
      return
    }
    this.#buffer.set(packet, HEADROOM)
    const verdict = this.#decide(arrival, packet.length)
    if (verdict !== FRAGMENT) this.#emit(verdict, this.#buffer)
    else for (let part = this.#nextPart(); part !== DROP; part = this.#nextPart()) this.#emit(part, this.#part)
    while (this.#engine.hasCopies) this.#emit(this.#engine.nextCopy(this.#part, HEADROOM, this.#out), this.#part)
  }

  #nextPart(): Verdict {
    return this.#engine.nextFragment(this.#part, HEADROOM, this.#out)
  }

  #emit(verdict: Verdict, buffer: Uint8Array): void {
    const out = this.#out
    if (verdict === DROP) return
    const bytes = buffer.slice(out.offset, out.offset + out.length)
    if (verdict === DELIVER) {
      const device = this.#devices.get(out.port)
      if (device?.handler === undefined) device?.received.push(bytes)
      else device.handler(bytes)
      return
    }
    const payload = out.encapsulation === 'mpls' ? 'mpls' : 'ip'
    this.#underlay.transmit({ payload, source: addressOf(out.local), destination: addressOf(out.remote), bytes })
  }

  #decide(arrival: Arrival, length: number): Verdict {
    if ('from' in arrival) return this.#engine.fromLink(arrival.from.port, this.#buffer, HEADROOM, length, this.#out)
    const { payload, source } = arrival.frame
    if (payload === 'ip') return this.#engine.fromWire(this.#buffer, HEADROOM, length, this.#out)
    return this.#engine.fromUnderlay('mpls', source, this.#buffer, HEADROOM, length, this.#out)
  }
}

function factsOf({ ifindex, mtu }: DeviceFacts): DeviceFacts {
  return { ifindex, mtu }
}

function sameRequest(a: DeviceRequest, b: DeviceRequest): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function addressOf({ family, w0, w1, w2, w3 }: AddressWords): IpAddress {
  return family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3)
}
