import { DROP_REASONS, type DataplaneEvent, type Encapsulation, type TraceFilter, type TraceObject, type TracedPacket } from '@heddle/core'
import { decapsulateGre, Decapsulation, labelStackDepth, LABEL_STACK_ENTRY_SIZE, VXLAN_HEADER_SIZE } from '@heddle/mpls'
import { ETHERNET_HEADER_SIZE, IpAddress } from '@heddle/wire'
import type { Context } from '../context.js'
import { Tuple } from '../flow/tuple.js'
import { DELIVER, DROP, FRAGMENT, type AddressWords, type PacketOut, type Verdict } from '../packet-out.js'
import { PARSED, parseInner } from '../parse.js'
import { Packet } from '../packet.js'
import type { Sequences } from '../sequences.js'
import { covers } from '../source-set.js'
import { TokenBucket } from '../token-bucket.js'
import { Trace } from './trace.js'

/** Packets a second that are told, and at once. */
const PER_SECOND = 1000
/** Octets of a packet that are told at most. */
const SNAP_LENGTH = 128

/** Where a traced packet came from. */
type From = TracedPacket['from']

interface Begun {
  readonly from: From
  /** That of the port that it came from. */
  readonly vrf: number | undefined
  readonly packet: Uint8Array
  readonly length: number
  readonly trace: Trace
}

/** Tells of live packets, while there are traces. One object an engine. */
export class Tracer {
  readonly #packet = new Packet()
  readonly #tuple = new Tuple()
  readonly #found = new Decapsulation()
  readonly #bucket: TokenBucket | undefined
  #fitting: TraceObject[] = []
  #begun: Begun | undefined

  /** @param time of a packet, milliseconds */
  constructor(
    private readonly time: () => number,
    private readonly observe: (event: DataplaneEvent) => void,
    private readonly sequences: Sequences,
    clock: Context['clock'],
  ) {
    this.#bucket = clock && new TokenBucket(clock, PER_SECOND, PER_SECOND)
  }

  /** The packet in hand came from the device of a port. */
  beginPort(context: Context, port: number): void {
    this.#begin(context, context.packet.offset, { type: 'port', port })
  }

  /** The packet in hand came from the underlay. */
  beginUnderlay(context: Context, encapsulation: Encapsulation, { family, w0, w1, w2, w3 }: AddressWords, isShimGone: boolean): void {
    const { bytes, offset, length } = context.packet
    const source = family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3)
    this.#begin(context, this.#innerOffset(bytes, offset, offset + length, encapsulation, isShimGone), {
      type: 'underlay',
      encapsulation,
      source,
    })
  }

  /** What became of it is known. */
  end(context: Context, verdict: Verdict, out: PacketOut): void {
    const begun = this.#begun
    if (begun === undefined) return
    this.#begun = undefined
    context.trace = undefined
    const isDropped = verdict === DROP || out.reason >= 0
    const outcome = isDropped ? 'drop' : verdict === FRAGMENT ? 'cut' : verdict === DELIVER ? 'deliver' : 'send'
    for (const { id, filter } of this.#fitting) {
      if (filter.vrf !== undefined && filter.vrf !== (begun.vrf ?? context.vrf)) continue
      if (filter.dropped === true && !isDropped) continue
      const sequence = this.sequences.nextOfTrace(id)
      if (this.#bucket?.take() === false) continue
      const { from, packet, length, trace } = begun
      const { steps } = trace
      const reason = isDropped ? { reason: DROP_REASONS[out.reason] } : {}
      this.observe({ type: 'traced', trace: id, sequence, time: this.time(), from, packet, length, steps, outcome, ...reason })
    }
  }

  #begin(context: Context, inner: number, from: From): void {
    const { bytes, offset, length } = context.packet
    const isRead = inner >= 0 && this.#read(bytes, inner, offset + length)
    this.#fitting = [...context.tables.traces.values()].filter(({ filter }) => this.#fits(filter, isRead))
    if (this.#fitting.length === 0) return
    const trace = new Trace()
    context.trace = trace
    this.#begun = {
      from,
      vrf: context.port?.object.vrf,
      packet: bytes.slice(offset, offset + Math.min(length, SNAP_LENGTH)),
      length,
      trace,
    }
  }

  #read(bytes: Uint8Array, offset: number, end: number): boolean {
    const packet = this.#packet
    packet.at(bytes, offset, end - offset, end - offset)
    if (parseInner(packet) !== PARSED) return false
    this.#tuple.read(bytes, packet.view, offset, offset + packet.length)
    return true
  }

  /** Which VRF it is in shows on its way. */
  #fits({ ends = [], protocol, port }: TraceFilter, isRead: boolean): boolean {
    if (!isRead) return ends.length === 0 && protocol === undefined && port === undefined
    const { family, source, destination } = this.#packet
    const tuple = this.#tuple
    if (protocol !== undefined && protocol !== tuple.protocol) return false
    if (port !== undefined && !(tuple.icmpType < 0 && (tuple.sourcePort === port || tuple.destinationPort === port))) return false
    return ends.every((end) => [source, destination].some((words) => covers(end, family, words[0], words[1], words[2], words[3])))
  }

  /** Where the IP packet behind the tunnel's headers begins; −1 when that does not show. */
  #innerOffset(bytes: Uint8Array, offset: number, end: number, encapsulation: Encapsulation, isShimGone: boolean): number {
    if (encapsulation === 'vxlan') return offset + VXLAN_HEADER_SIZE + ETHERNET_HEADER_SIZE
    let at = offset
    if (encapsulation === 'mpls-gre' && !isShimGone) {
      if (decapsulateGre(bytes, offset, end, this.#found) !== 'ok') return -1
      at = this.#found.stack
    }
    const depth = labelStackDepth(bytes, at, end)
    return depth < 0 ? -1 : at + depth * LABEL_STACK_ENTRY_SIZE
  }
}
