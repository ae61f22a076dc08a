import {
  DATAPLANE_FEATURES,
  ENCAPSULATIONS,
  type ApplyReport,
  type CounterSnapshot,
  type DataplaneFeature,
  type DataplaneLimits,
  type DataplaneState,
  type Encapsulation,
  type FibTransaction,
  type ObjectChanges,
} from '@heddle/core'
import type { Clock } from '@heddle/io'
import { REASON, drop, featuresOf, newContext, type Context } from './context.js'
import { Counters } from './counters.js'
import { egress } from './egress.js'
import { ErrorLimit } from './error-limit.js'
import type { Explanation, PacketInput } from './explain.js'
import { explainPacket } from './explain-packet.js'
import { isToldToSender } from './icmp-error.js'
import { ingress, ingressParsed } from './ingress.js'
import { OuterSource, parseWire } from './parse-outer.js'
import { DELIVER, DROP, type AddressWords, type PacketOut, type Verdict } from './packet-out.js'
import { Tables, type Port } from './tables.js'
import { tellSender, tellThroughVrf } from './tell.js'
import type { OuterHeaders } from './tunnel-hop.js'
import { validate } from './validate/validate.js'

/** Flows that are remembered where the limits do not say. */
const DEFAULT_FLOWS = 65_536

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
  /** By which flows age and ICMP errors are limited to 1,000 a second, 100 at once; without a clock neither happens. */
  readonly clock?: Pick<Clock, 'now'>
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
  readonly #errorLimit: ErrorLimit | undefined

  constructor(options: ForwardingOptions) {
    this.#errorLimit = options.clock === undefined ? undefined : new ErrorLimit(options.clock)
    this.#limits = options.limits
    this.#features = options.features ?? DATAPLANE_FEATURES
    this.#tables = new Tables(options.outer ?? 'socket', options.limits.flows ?? DEFAULT_FLOWS)
    this.#context = newContext({
      tables: this.#tables,
      encapsulations: new Set(options.encapsulations ?? ENCAPSULATIONS),
      underlayMtu: options.underlayMtu ?? 1500,
      hasDevice: options.hasDevice ?? (() => true),
      features: featuresOf(this.#features),
      clock: options.clock,
    })
  }

  /** Largest packet that the underlay takes, outer headers included. */
  get underlayMtu(): number {
    return this.#context.underlayMtu
  }

  set underlayMtu(octets: number) {
    this.#context.underlayMtu = octets
  }

  /** Validates the whole transaction, then programs it; no packet sees a part of it. */
  apply(transaction: FibTransaction): ApplyReport {
    const failures = validate(this.#tables, transaction, this.#limits, this.#features)
    if (failures.length > 0) return { status: 'refused', generation: transaction.generation, failures }
    this.#tables.program(transaction)
    return { status: 'applied', generation: transaction.generation, failures: [] }
  }

  /** Makes a dumped state what is programmed, without asking whether it is valid: a dataplane has held it. For a new engine. */
  load(state: Omit<DataplaneState, 'devices'>): void {
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
      routes: state.routes,
    })
  }

  /** Whether a transaction has set the port. */
  hasPort(port: number): boolean {
    return this.#tables.ports.has(port)
  }

  /** What is programmed. */
  state(): Omit<DataplaneState, 'devices'> {
    return this.#tables.state()
  }

  /** Everything counted so far, at this moment. */
  counters(): CounterSnapshot {
    return this.#counters.snapshot(this.#tables)
  }

  /** What the adapter heard of a liveness object: next hops that name it leave their groups while it is down. */
  setLiveness(id: number, isUp: boolean): void {
    if (isUp) this.#tables.down.delete(id)
    else if (this.#tables.liveness.has(id)) this.#tables.down.add(id)
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
    const from = this.#tables.ports.get(port)
    if (from === undefined) {
      out.port = -1
      drop(out, REASON['port-down'])
    } else {
      from.counters.rxPackets++
      from.counters.rxOctets += length
      out.port = port
      this.#begin(from, -1)
      this.#context.packet.at(bytes, offset, length, segment)
      const verdict = egress(this.#context, from, out)
      if (verdict === DROP && isToldToSender(out) && this.#mayTell()) tellSender(this.#context, from, out)
    }
    return this.#count(from, out)
  }

  /**
   * Decides about a packet from the underlay.
   *
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
    this.#context.packet.at(bytes, offset, length, segment)
    ingress(this.#context, encapsulation, source, out)
    return this.#finishUnderlay(out)
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
      ingressParsed(this.#context, found.encapsulation, this.#source, out)
    } else drop(out, REASON['outer-malformed'])
    return this.#finishUnderlay(out)
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
    return verdict === DROP && out.reason < 0 ? verdict : this.#count(undefined, out)
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

  #finishUnderlay(out: PacketOut): Verdict {
    const context = this.#context
    if (out.verdict === DROP && context.features.tunnelErrors && isToldToSender(out) && context.vrf !== undefined && this.#mayTell()) {
      tellThroughVrf(context, out)
    }
    return this.#count(undefined, out)
  }

  #mayTell(): boolean {
    return this.#errorLimit === undefined || this.#errorLimit.take()
  }

  #count(from: Port | undefined, out: PacketOut): Verdict {
    if (out.reason >= 0) {
      this.#counters.drops[out.reason]++
      if (from !== undefined) from.counters.drops++
    }
    if (out.verdict === DELIVER) {
      const to = this.#tables.ports.get(out.port)
      if (to !== undefined) {
        to.counters.txPackets++
        to.counters.txOctets += out.length
      }
    }
    return out.verdict
  }
}
