import { DROP_REASONS, dropReasonIndex, type DataplaneState, type DeviceFacts, type DropReason } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import { check, checkEqual, ConformanceError, printed } from './conformance-error.js'
import type { Harness, Output, SentPacket, UnderlayInput } from './harness.js'
import { MAX_BELIEFS, type Beliefs } from './oracle/beliefs.js'
import type { Outcome, Result } from './oracle/outcome.js'
import { EMPTY, transition, type Tables } from './tables.js'

/** What one packet caused. */
export interface Observed {
  /** Port that the packet came from, if it did. */
  readonly from?: number
  readonly outputs: readonly Output[]
  /** Reasons whose counters moved, and by how much. */
  readonly drops: ReadonlyMap<DropReason, number>
}

/** Packets that are in flight at once: what every queue on their way has room for. */
const AT_ONCE = 25

/** A harness with the tables that the suite has programmed, and the questions that cases ask. */
export class Lab {
  #tables: Tables = EMPTY
  #generation = 0
  #sort: (outputs: readonly Output[]) => readonly Output[] = (outputs) => outputs

  constructor(
    readonly harness: Harness,
    /** Tables that each property tries. */
    readonly runs = 40,
    /** Most beliefs that are followed before the dataplane is made to forget; no fewer than 1. */
    readonly maxBeliefs = MAX_BELIEFS,
  ) {}

  /** First underlay address of the dataplane's first family. */
  get local(): IpAddress {
    return this.harness.local(this.family)
  }

  /** Underlay addresses of the others, in the same family. */
  get peers(): readonly IpAddress[] {
    return this.harness.peers(this.family)
  }

  get family(): 4 | 6 {
    return this.harness.dataplane.capabilities.underlayFamilies[0]
  }

  get generation(): number {
    return this.#generation
  }

  /** Makes `tables` what is programmed, and insists that all of it is. */
  async program(tables: Tables): Promise<void> {
    const report = await this.harness.dataplane.apply(transition(++this.#generation, this.#tables, tables))
    checkEqual(report, { status: 'applied', generation: this.#generation, failures: [] }, 'report of a valid transaction')
    this.#tables = tables
  }

  /** Attaches the devices of endpoint and host ports that the tables name; what came of it by port. */
  async attach(addressesOf: (port: number) => readonly IpAddress[] = () => [], mtu = 1400): Promise<ReadonlyMap<number, DeviceFacts>> {
    const facts = new Map<number, DeviceFacts>()
    for (const { id, kind } of this.#tables.ports) {
      if (kind !== 'uplink') facts.set(id, await this.harness.dataplane.attachPort(id, this.harness.deviceFor(id, addressesOf(id), mtu)))
    }
    return facts
  }

  dump(): Promise<DataplaneState> {
    return this.harness.dataplane.dump()
  }

  async fromPort(port: number, packet: Uint8Array): Promise<Observed> {
    return { from: port, ...(await this.#watch(() => this.harness.inject(port, packet))) }
  }

  /** Packets one behind the other, of which each comes out as one; in no order. */
  async allFromPort(port: number, packets: readonly Uint8Array[]): Promise<readonly Output[]> {
    const all: Output[] = []
    for (let first = 0; first < packets.length; first += AT_ONCE) {
      const some = packets.slice(first, first + AT_ONCE)
      const { outputs, drops } = await this.#watch(async () => {
        for (const packet of some) await this.harness.inject(port, packet)
      })
      checkEqual([...drops], [], 'drop counters that moved')
      checkEqual(outputs.length, some.length, 'packets that came out')
      all.push(...outputs)
    }
    return all
  }

  fromUnderlay(input: UnderlayInput): Promise<Observed> {
    return this.#watch(() => this.harness.receive(input))
  }

  /** Has `sort` take out of all that comes what is no packet's own output, such as copies for a collector, which may come late. */
  divert(sort: (outputs: readonly Output[]) => readonly Output[]): void {
    this.#sort = sort
  }

  /** What came out since the last time, but for what is diverted. */
  async outputs(): Promise<readonly Output[]> {
    return this.#sort(await this.harness.outputs())
  }

  async #watch(act: () => Promise<void>): Promise<Observed> {
    await this.outputs()
    const before = await this.harness.dataplane.counters()
    await act()
    const outputs = await this.outputs()
    const after = await this.harness.dataplane.counters()
    const drops = new Map<DropReason, number>()
    for (const reason of DROP_REASONS) {
      const slot = dropReasonIndex(reason)
      const moved = after.drops[slot] - before.drops[slot]
      if (moved !== 0) drops.set(reason, moved)
    }
    return { outputs, drops }
  }
}

/** Insists that the packet was dropped for `reason`, counted once, and that nothing but an ICMP error to its sender came out. */
export function expectDropped({ from, outputs, drops }: Observed, reason: DropReason): void {
  checkEqual([...drops], [[reason, 1]], 'drop counters that moved')
  const strays = outputs.filter((output) => !isToldToSender(from, output))
  checkEqual(strays, [], `outputs of a packet dropped as ${reason}`)
}

/** Insists that the packet came out once and was not counted as dropped; returns the output. */
export function expectForwarded({ outputs, drops }: Observed): Output {
  checkEqual([...drops], [], 'drop counters that moved')
  check(outputs.length === 1, `expected one output, found ${printed(outputs)}`)
  return outputs[0]
}

/** Insists that the packet was delivered to `port`; returns it. */
export function expectDelivered(observed: Observed, port: number): Uint8Array {
  const output = expectForwarded(observed)
  check(output.type === 'delivered' && output.port === port, `expected delivery to port ${port}, found ${printed(output)}`)
  return output.packet
}

/** Insists that the packet was sent to `destination`; returns what stands behind its outer headers. */
export function expectSent(observed: Observed, destination: IpAddress): Uint8Array {
  const output = expectForwarded(observed)
  check(output.type === 'sent' && output.destination.equals(destination), `expected sending to ${destination}, found ${printed(output)}`)
  return output.packet
}

/**
 * Insists that what was observed is one of the outcomes that the oracle allows; returns those that look like it.
 *
 * @param beliefs what may have been remembered before, for the failure to tell
 */
export function expectOneOf(observed: Observed, allowed: readonly Outcome[], beliefs: Beliefs = []): Outcome[] {
  const found = printed(outcomeOf(observed))
  const fitting = allowed.filter((outcome) => printed(visible(outcome)) === found)
  if (fitting.length > 0) return fitting
  const expected = [...new Set(allowed.map((outcome) => printed(visible(outcome))))]
  const remembered = beliefs.length === 0 ? '' : `; remembered was one of ${printed(beliefs)}`
  throw new ConformanceError(`expected one of [${expected.join()}], found ${found}${remembered}`)
}

/** An outcome but for what is remembered. */
function visible({ memory: _memory, ...result }: Outcome): Result {
  return result
}

function outcomeOf(observed: Observed): Result {
  const [reason] = observed.drops.keys()
  if (reason !== undefined) {
    expectDropped(observed, reason)
    return { type: 'dropped', reason }
  }
  if (observed.outputs.length > 1) {
    checkEqual([...observed.drops], [], 'drop counters that moved')
    return { type: 'cut', parts: observed.outputs.map(resultOf) }
  }
  return resultOf(expectForwarded(observed))
}

function resultOf(output: Output): Result {
  if (output.type === 'delivered') return { type: 'delivered', port: output.port, packet: output.packet }
  const { encapsulation, source, destination, packet } = output
  return { type: 'sent', encapsulation, source, destination, packet }
}

/** The IP packet in an output. */
export function packetOf(output: Output): Uint8Array {
  return output.type === 'delivered' ? output.packet : tunnelled(output)
}

/** Whether the output is an error to who sent the packet: by the port it came from, or, when it came through a tunnel, by the VRF it belongs to. */
function isToldToSender(from: number | undefined, output: Output): boolean {
  if (from !== undefined) return output.type === 'delivered' && output.port === from && isIcmpError(output.packet)
  return isIcmpError(packetOf(output))
}

/** The IP packet behind the tunnel's own headers. */
function tunnelled({ encapsulation, packet }: SentPacket): Uint8Array {
  if (encapsulation === 'vxlan') return packet.subarray(22)
  let at = encapsulation === 'mpls-gre' ? 4 : 0
  while (at + 4 < packet.length && (packet[at + 2] & 1) === 0) at += 4
  return packet.subarray(at + 4)
}

/** Whether the packet is an ICMP error (RFC 792, RFC 4443 §3): those may go to the sender of a dropped packet. */
export function isIcmpError(packet: Uint8Array): boolean {
  if (packet[0] >> 4 === 4) return packet[9] === 1 && [3, 11, 12].includes(packet[(packet[0] & 15) * 4])
  return packet[6] === 58 && packet[40] >= 1 && packet[40] <= 4
}
