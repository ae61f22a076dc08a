import {
  DATAPLANE_FEATURES,
  ENCAPSULATIONS,
  runsOf,
  type ApplyReport,
  type CounterSnapshot,
  type DataplaneEvent,
  type DataplaneFeature,
  type DataplaneLimits,
  type DataplaneState,
  type Encapsulation,
  type FibTransaction,
  type ObjectChanges,
  type RouteRun,
} from '@heddle/core'
import type { Clock } from '@heddle/io'
import { ETHERNET_HEADER_SIZE, type IpAddress } from '@heddle/wire'
import { REASON, drop, featuresOf, newContext, type Context } from './context.js'
import { Counters } from './counters.js'
import { egress } from './egress.js'
import type { Explanation, PacketInput } from './explain.js'
import { FastPath } from './fast-path.js'
import type { FlowMemory } from './flow/flow-memory.js'
import { explainPacket } from './explain-packet.js'
import { isToldToSender } from './icmp-error.js'
import { ingress, ingressParsed } from './ingress.js'
import { ANSWERED, PACKET } from './link/ethernet-link.js'
import { LinkAddresses } from './link/link-addresses.js'
import { Copier } from './mirror/copier.js'
import { OuterSource, passJointLabel, parseWire } from './parse-outer.js'
import { DELIVER, DROP, SEND, type AddressWords, type PacketOut, type Verdict } from './packet-out.js'
import { restartRates } from './rate/port-rates.js'
import { RateMemory } from './rate/rate-memory.js'
import { Sequences } from './sequences.js'
import type { RouteTable } from './routes.js'
import { Tables, type Port } from './tables.js'
import type { TokenBucket } from './token-bucket.js'
import { Tracer } from './trace/tracer.js'
import { errorLimit, tellSender, tellThroughVrf } from './tell.js'
import type { OuterHeaders } from './tunnel-hop.js'
import { validate } from './validate/validate.js'

/** Flows that are remembered where the limits do not say. */
const DEFAULT_FLOWS = 65_536

const NONE: readonly never[] = []

/** What an engine must know of the adapter around it. */
export interface ForwardingOptions {
  readonly limits: DataplaneLimits
  /** Encapsulations that the adapter can carry; all when left out. */
  readonly encapsulations?: readonly Encapsulation[]
  /** `socket` (default): packets start behind the outer IP and UDP headers, which a socket writes. `full`: the whole outer packet. */
  readonly outer?: OuterHeaders
  /** Largest packet that the underlay takes, outer headers included; 1,500 by default. May be changed later. */
  readonly underlayMtu?: number
  /** Whether a port has a device that takes packets; every port has one when left out. */
  readonly hasDevice?: (port: number) => boolean
  /** By which flows age, ports keep to their rates, and ICMP errors are limited to 1,000 a second, 100 at once; without a clock none of it happens. */
  readonly clock?: Pick<Clock, 'now'>
  /** Memory of the flows, for engines on several threads that remember the same; its own when left out. For `limits.flows` flows. */
  readonly flowMemory?: FlowMemory
  /** Memory of the numbers of what mirrors and traces tell, of `Sequences.octets`, for the same engines; its own when left out. */
  readonly sequenceMemory?: ArrayBufferLike
  /** Memory of the Ethernet addresses of endpoints, for the same engines, of `LinkAddresses.octets(limits.ports)`; each link's own when left out. */
  readonly linkMemory?: ArrayBufferLike
  /** Memory of what the limits of ports go by, for the same engines, of `RateMemory.octets(limits.ports)`; each port's own when left out. */
  readonly rateMemory?: ArrayBufferLike
  /**
   * Where each VRF keeps its routes; a `FibTable` when left out. An engine that only judges transactions is asked for no look-up; one whose transactions
   * have no routes, as another engine writes what it reads, for nothing but look-ups and the end of a VRF.
   */
  readonly newRoutes?: (vrf: number) => RouteTable
  /** Time at which the clock was 0, milliseconds since the Unix epoch; 0 by default. */
  readonly epoch?: number
  /** Gets what mirrors with a stream and traces tell, packet by packet; without it they tell nobody. */
  readonly observe?: (event: DataplaneEvent) => void
  /** Features that the adapter offers; all when left out. Objects that ask for another are refused. */
  readonly features?: readonly DataplaneFeature[]
}

/**
 * The forwarding engine: tables programmed by transactions, and a decision a packet. It does no I/O and keeps no packet: it reads and writes in
 * the buffer that the caller hands it, where `HEADROOM` octets must be free before a packet. Nothing is allocated a packet.
 */
export class ForwardingEngine {
  readonly #tables: Tables
  readonly #limits: DataplaneLimits
  readonly #features: readonly DataplaneFeature[]
  readonly #counters = new Counters()
  readonly #source = new OuterSource()
  readonly #context: Context
  readonly #fastPath: FastPath
  readonly #copier: Copier
  readonly #sequences: Sequences
  readonly #tracer: Tracer | undefined
  readonly #errorLimit: TokenBucket | undefined
  /** Runs of the routes of transactions that were found valid, which are found once; until they are programmed. */
  readonly #runs = new WeakMap<FibTransaction, readonly RouteRun[]>()

  constructor(options: ForwardingOptions) {
    const { clock, epoch = 0, observe, outer = 'socket' } = options
    const time = (): number => epoch + (clock?.now() ?? 0)
    this.#errorLimit = clock && errorLimit(clock)
    this.#sequences = new Sequences(options.sequenceMemory)
    this.#copier = new Copier(outer, time, observe, this.#sequences)
    this.#tracer = observe && new Tracer(time, observe, this.#sequences, clock)
    this.#limits = options.limits
    this.#features = options.features ?? DATAPLANE_FEATURES
    const addresses = options.linkMemory && new LinkAddresses(options.linkMemory)
    const rates = options.rateMemory && new RateMemory(options.rateMemory)
    this.#tables = new Tables(outer, options.limits.flows ?? DEFAULT_FLOWS, options.flowMemory, options.newRoutes, addresses, rates)
    this.#context = newContext({
      tables: this.#tables,
      encapsulations: new Set(options.encapsulations ?? ENCAPSULATIONS),
      underlayMtu: options.underlayMtu ?? 1500,
      hasDevice: options.hasDevice ?? (() => true),
      features: featuresOf(this.#features),
      copier: this.#copier,
      clock,
    })
    this.#fastPath = new FastPath(this.#context)
  }

  /** Largest packet that the underlay takes, outer headers included. */
  get underlayMtu(): number {
    return this.#context.underlayMtu
  }

  set underlayMtu(octets: number) {
    this.#context.underlayMtu = octets
    this.#tables.version++
  }

  /** What the path to another router takes, octets with outer headers; undefined as long as nobody has told that it is less than the underlay. */
  setPathMtu(remote: IpAddress, octets: number | undefined): void {
    this.#tables.setPathMtu(remote, octets)
  }

  /** Whether what is sent is larger than is believed of its path, as IPv6 may be up to its least MTU: a socket that heeds the path refuses it. */
  exceedsPath({ nextHop, segment }: PacketOut): boolean {
    if (!this.#tables.hasPathMtus) return false
    const hop = this.#tables.nextHops.get(nextHop)?.tunnel
    return hop !== undefined && segment + hop.overhead - hop.template.octets.length > hop.pathMtu
  }

  /** Validates the whole transaction, then programs it; no packet sees a part of it. */
  apply(transaction: FibTransaction): ApplyReport {
    const report = this.judge(transaction)
    if (report.status === 'applied') this.commit(transaction)
    return report
  }

  /** Validates the whole transaction, which stays as it is until it is programmed. What it would report is the report of `commit`. */
  judge(transaction: FibTransaction): ApplyReport {
    const runs = runsOf(transaction.routes)
    const failures = validate(this.#tables, transaction, runs, this.#limits, this.#features, this.#context.encapsulations)
    if (failures.length === 0) this.#runs.set(transaction, runs)
    return { status: failures.length > 0 ? 'refused' : 'applied', generation: transaction.generation, failures }
  }

  /** Programs a transaction that was found valid, for all engines of the same memory: what traces and mirrors were told, and other limits, begin anew. */
  commit(transaction: FibTransaction): void {
    const before = transaction.ports.set.map(({ id }) => this.#tables.ports.get(id)?.object)
    this.program(transaction)
    transaction.ports.set.forEach(({ id }, index) => restartRates(this.#tables.ports.get(id)?.rates, before[index]))
    for (const id of transaction.traces?.remove ?? []) if (!this.#tables.traces.has(id)) this.#sequences.forgetTrace(id)
    for (const id of transaction.mirrors?.remove ?? []) if (!this.#tables.mirrors.has(id)) this.#sequences.forgetMirror(id)
  }

  /** Programs a transaction that another engine with the same tables and limits has found valid. */
  program(transaction: FibTransaction): void {
    this.#tables.program(transaction, this.#runs.get(transaction))
    this.#runs.delete(transaction)
  }

  /** Makes a dumped state what is programmed, without asking whether it is valid: a dataplane has held it. For a new engine. */
  load(state: Omit<DataplaneState, 'devices'>): void {
    for (const id of state.down ?? []) this.#tables.down.add(id)
    for (const { remote, mtu } of state.pathMtus ?? []) this.#tables.setPathMtu(remote, mtu)
    const all = <T>(set: readonly T[]): ObjectChanges<T> => ({ set, remove: [] })
    this.#tables.program({
      generation: state.generation,
      vrfs: all(state.vrfs),
      ports: all(state.ports),
      nextHops: all(state.nextHops),
      groups: all(state.groups),
      tunnelSources: all(state.tunnelSources),
      labels: all(state.labels),
      vnis: all(state.vnis),
      ...(state.policies !== undefined && { policies: all(state.policies) }),
      ...(state.services !== undefined && { services: all(state.services) }),
      ...(state.liveness !== undefined && { liveness: all(state.liveness) }),
      ...(state.natPools !== undefined && { natPools: all(state.natPools) }),
      ...(state.mirrors !== undefined && { mirrors: all(state.mirrors) }),
      ...(state.traces !== undefined && { traces: all(state.traces) }),
      routes: state.routes,
    })
  }

  /** Whether a transaction has set the port. */
  hasPort(port: number): boolean {
    return this.#tables.ports.has(port)
  }

  /** Whether the device of the port carries Ethernet frames. */
  hasLink(port: number): boolean {
    return this.#tables.ports.get(port)?.link !== undefined
  }

  /** What is programmed. */
  state(): Omit<DataplaneState, 'devices'> {
    return this.#tables.state()
  }

  /** Everything counted so far, at this moment. */
  counters(): CounterSnapshot {
    return this.#counters.snapshot(this.#tables)
  }

  /** Counts on from what another engine had counted of the same objects. */
  addCounters(counted: CounterSnapshot): void {
    this.#counters.add(counted, this.#tables)
  }

  /** What the adapter heard of a liveness object: next hops that name it leave their groups while it is down. */
  setLiveness(id: number, isUp: boolean): void {
    if (isUp) this.#tables.down.delete(id)
    else if (this.#tables.liveness.has(id)) this.#tables.down.add(id)
    this.#tables.version++
  }

  /** Counts a packet that the adapter itself had to drop: a full queue, a port without a device. */
  countDrop(reason: keyof typeof REASON, port = -1): void {
    this.#counters.drops[REASON[reason]]++
    const from = this.#tables.ports.get(port)
    if (from !== undefined) from.counters.drops++
  }

  /**
   * Decides about a packet from the device of `port`.
   *
   * @param bytes buffer with `HEADROOM` free octets before `offset`
   * @param length octets of the IP packet
   * @param out overwritten
   * @param segment octets of the largest packet after segmentation offload will have cut this one
   */
  fromPort(port: number, bytes: Uint8Array, offset: number, length: number, out: PacketOut, segment = length): Verdict {
    if (this.#fastPath.send(port, bytes, this.#context.packet.viewOf(bytes), offset, length, segment, out)) return SEND
    this.#context.packet.at(bytes, offset, length, segment)
    const from = this.#tables.ports.get(port)
    if (from === undefined) {
      out.port = -1
      drop(out, REASON['port-down'])
    } else {
      from.counters.rxPackets++
      from.counters.rxOctets += length
      out.port = port
      this.#begin(from, -1)
      if (this.#tables.traces.size > 0) this.#tracer?.beginPort(this.#context, port)
      const verdict = egress(this.#context, from, out)
      if (verdict === DROP && isToldToSender(out) && this.#mayTell()) tellSender(this.#context, from, out)
    }
    return this.#count(from, out, bytes)
  }

  /**
   * Decides about a frame from the device of `port`, which has a link. A question for a neighbour is answered: `out` then names the answer, a frame for the
   * same port. Frames for such a port are written whole, whatever they come from.
   *
   * @param bytes buffer with `HEADROOM` free octets before `offset`, and with room for `NEIGHBOUR_ANSWER_SIZE` at it
   * @param length octets of the frame
   * @param out overwritten
   * @param segment octets of the largest frame after segmentation offload will have cut this one
   */
  fromLink(port: number, bytes: Uint8Array, offset: number, length: number, out: PacketOut, segment = length): Verdict {
    const from = this.#tables.ports.get(port)
    if (from?.link === undefined) return this.fromPort(port, bytes, offset, length, out, segment)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const found = from.link.receive(bytes, view, offset, length)
    if (found === PACKET) {
      const skipped = ETHERNET_HEADER_SIZE
      return this.fromPort(port, bytes, offset + skipped, length - skipped, out, segment - skipped)
    }
    from.counters.rxPackets++
    from.counters.rxOctets += length
    out.port = port
    if (found !== ANSWERED) {
      drop(out, found)
      return this.#count(from, out, bytes)
    }
    out.offset = offset
    out.length = out.segment = from.link.answer
    out.reason = -1
    from.counters.txPackets++
    from.counters.txOctets += out.length
    return (out.verdict = DELIVER)
  }

  /**
   * Decides about a packet from the underlay.
   *
   * @param encapsulation by which it was received: `mpls-udp` whether or not there is a joint label, which the engine sees itself
   * @param source outer source address
   * @param offset behind the outer IP header and, for encapsulations that have one, the UDP header
   * @param trafficClass octet of the outer IP header; -1 when it is not known
   */
  fromUnderlay(
    encapsulation: Encapsulation,
    source: AddressWords,
    bytes: Uint8Array,
    offset: number,
    length: number,
    out: PacketOut,
    segment = length,
    trafficClass = -1,
  ): Verdict {
    out.port = -1
    this.#begin(undefined, trafficClass)
    const { packet } = this.#context
    packet.at(bytes, offset, length, segment)
    const found = passJointLabel(packet, encapsulation)
    if (this.#tables.traces.size > 0) this.#tracer?.beginUnderlay(this.#context, found, source, false)
    ingress(this.#context, found, source, out)
    return this.#finishUnderlay(out, bytes)
  }

  /**
   * Decides about a whole packet from the underlay: outer IP header and all. For an adapter that gets no help from a socket.
   *
   * @param offset of the outer IP header
   */
  fromWire(bytes: Uint8Array, offset: number, length: number, out: PacketOut): Verdict {
    const { packet, found } = this.#context
    out.port = -1
    this.#begin(undefined, -1)
    packet.at(bytes, offset, length, length)
    if (parseWire(packet, found, this.#source)) {
      this.#context.outerTrafficClass = this.#source.trafficClass
      if (this.#tables.traces.size > 0) this.#tracer?.beginUnderlay(this.#context, found.encapsulation, this.#source, true)
      ingressParsed(this.#context, found.encapsulation, this.#source, out)
    } else drop(out, REASON['outer-malformed'])
    return this.#finishUnderlay(out, bytes)
  }

  /**
   * Writes the next part of the packet whose verdict was FRAGMENT, which must still lie where it lay.
   *
   * @param bytes buffer with room for `HEADROOM` octets before `offset`, and for `out.mtu` behind it; neither may touch the packet
   * @param out overwritten; its `mtu` stays
   * @returns DROP when there are no more parts
   */
  nextFragment(bytes: Uint8Array, offset: number, out: PacketOut): Verdict {
    const verdict = this.#context.cutter.next(this.#context, bytes, offset, out)
    return verdict === DROP && out.reason < 0 ? verdict : this.#count(undefined, out, bytes)
  }

  /** Whether mirrors or traces look at packets: each is to be handed in alone then, as it was on the wire. */
  get isObserved(): boolean {
    return this.#tables.mirrors.size > 0 || this.#tables.traces.size > 0
  }

  /** Whether `nextCopy` has a packet. */
  get hasCopies(): boolean {
    return this.#copier.waits
  }

  /**
   * Writes the next packet for a mirror's collector, as verdict SEND; to be asked for when packets were decided about, until it says DROP.
   *
   * @param bytes buffer with room for `underlayMtu` octets at `offset`
   * @param out overwritten; `encapsulation` is `mpls-gre`, whose socket carries it
   */
  nextCopy(bytes: Uint8Array, offset: number, out: PacketOut): Verdict {
    return this.#copier.next(bytes, offset, Math.min(this.underlayMtu, this.#tables.uplinkMtu), out)
  }

  /** Tells what would happen to a packet, step by step, by the same code that forwards; nothing is sent or counted, and no table changes. */
  explain(input: PacketInput): Explanation {
    return explainPacket(this.#context, input)
  }

  #begin(from: Port | undefined, outerTrafficClass: number): void {
    this.#context.port = from
    this.#context.vrf = from?.object.vrf
    this.#context.outerTrafficClass = outerTrafficClass
    this.#context.hasTuple = this.#context.hasQuoted = this.#context.isTranslated = false
    this.#context.natVrf = -1
    this.#context.insideVrf = undefined
  }

  #finishUnderlay(out: PacketOut, bytes: Uint8Array): Verdict {
    const context = this.#context
    if (out.verdict === DROP && context.features.tunnelErrors && isToldToSender(out) && context.vrf !== undefined && this.#mayTell()) {
      context.trace = undefined // what becomes of the error is no step of the packet
      tellThroughVrf(context, out)
    }
    return this.#count(undefined, out, bytes)
  }

  #mayTell(): boolean {
    return this.#errorLimit === undefined || this.#errorLimit.take()
  }

  #count(from: Port | undefined, out: PacketOut, bytes: Uint8Array): Verdict {
    this.#tracer?.end(this.#context, out.verdict, out)
    if (out.reason >= 0) {
      this.#counters.drops[out.reason]++
      if (from !== undefined) from.counters.drops++
    }
    if (out.verdict === DELIVER) {
      const to = this.#tables.ports.get(out.port)
      if (to !== undefined) {
        to.counters.txPackets++
        to.counters.txOctets += out.length
        for (const mirror of to.mirrors?.ingress ?? NONE) this.#copier.copy(mirror, out.port, 'ingress', bytes, out.offset, out.length)
        to.link?.frame(bytes, out)
      }
    }
    return out.verdict
  }
}
