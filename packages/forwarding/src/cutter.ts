import { IPV4_HEADER_SIZE, internetChecksum, ipv4DontFragment } from '@heddle/wire'
import type { Context } from './context.js'
import { encap } from './encapsulate.js'
import { DELIVER, DROP, FRAGMENT, type PacketOut, type Verdict } from './packet-out.js'
import type { TunnelHop } from './tunnel-hop.js'

const OPTION_END = 0
const OPTION_NOP = 1
const OPTION_COPIED = 0x80
const MORE_FRAGMENTS = 0x2000
/** Parts but the last carry multiples of this (RFC 791 §3.2). */
const UNIT = 8

/** Whether the packet in hand may be cut to fit `mtu`: IPv4 without DF, not to be cut by segmentation offload anyway, and with room for data. */
export function mayBeCut({ packet, features }: Context, mtu: number): boolean {
  if (!features.fragmentation || packet.family !== 4 || packet.segment !== packet.length) return false
  return !ipv4DontFragment(packet.bytes, packet.offset) && mtu - packet.headerLength >= UNIT
}

/** Begins to cut the packet in hand into parts of at most `mtu` octets; where they go has been told to the cutter. */
export function cut({ cutter, packet }: Context, mtu: number, out: PacketOut): Verdict {
  cutter.begin(packet.bytes, packet.offset, packet.headerLength, packet.length, mtu)
  out.mtu = mtu
  out.reason = -1
  return (out.verdict = FRAGMENT)
}

/**
 * Cuts an IPv4 packet into fragments (RFC 791 §3.2), one each time it is asked, into room that the caller gives: a part's headers would
 * otherwise overwrite the part before it. One object an engine; the packet it cuts must stay as it is until the last part is taken.
 */
export class Cutter {
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0
  #headerLength = 0
  #mtu = 0
  /** Where the next part's data begin, and where the packet ends. */
  #next = 0
  #end = 0
  /** Offset, in octets, of the packet's first data in the datagram it is itself a part of, and whether more parts follow it. */
  #base = 0
  #hasMore = false

  #port = -1
  #hop: TunnelHop | undefined
  #ttl = 0
  #trafficClass = 0
  #outerTrafficClass = 0
  #hash = 0

  /** The parts go to a port. */
  deliverTo(port: number): void {
    this.#port = port
    this.#hop = undefined
  }

  /** The parts go through a tunnel; parameters as those of `encap`. */
  sendBy(hop: TunnelHop, ttl: number, trafficClass: number, outerTrafficClass: number, hash: number): void {
    this.#hop = hop
    this.#ttl = ttl
    this.#trafficClass = trafficClass
    this.#outerTrafficClass = outerTrafficClass
    this.#hash = hash
  }

  begin(bytes: Uint8Array, at: number, headerLength: number, length: number, mtu: number): void {
    const field = (bytes[at + 6] << 8) | bytes[at + 7]
    this.#bytes = bytes
    this.#at = at
    this.#headerLength = headerLength
    this.#mtu = mtu
    this.#next = at + headerLength
    this.#end = at + length
    this.#base = (field & 0x1fff) * UNIT
    this.#hasMore = (field & MORE_FRAGMENTS) !== 0
  }

  /** Writes the next part at `offset`; DROP when there is none. */
  next(context: Context, bytes: Uint8Array, offset: number, out: PacketOut): Verdict {
    const start = this.#at + this.#headerLength
    const left = this.#end - this.#next
    out.reason = -1
    if (left <= 0) return (out.verdict = DROP)
    bytes.set(this.#bytes.subarray(this.#at, start), offset)
    const headerLength = this.#next === start ? this.#headerLength : copiedOptions(bytes, offset, this.#headerLength)
    const room = (this.#mtu - headerLength) & ~(UNIT - 1)
    const isLast = left <= this.#mtu - headerLength
    const size = isLast ? left : room
    bytes.set(this.#bytes.subarray(this.#next, this.#next + size), offset + headerLength)

    const length = headerLength + size
    const field = (isLast && !this.#hasMore ? 0 : MORE_FRAGMENTS) | ((this.#base + this.#next - start) / UNIT)
    setU16(bytes, offset + 2, length)
    setU16(bytes, offset + 6, field)
    setU16(bytes, offset + 10, 0)
    setU16(bytes, offset + 10, internetChecksum(bytes, offset, headerLength))
    this.#next += size
    return this.#emit(context, bytes, offset, length, out)
  }

  #emit(context: Context, bytes: Uint8Array, offset: number, length: number, out: PacketOut): Verdict {
    const { packet } = context
    packet.at(bytes, offset, length, length)
    packet.family = 4
    if (this.#hop !== undefined) return encap(context, this.#hop, this.#ttl, this.#trafficClass, this.#outerTrafficClass, this.#hash, out)
    out.offset = offset
    out.length = out.segment = length
    out.port = this.#port
    return (out.verdict = DELIVER)
  }
}

/** Leaves in a header only the options that every fragment has, padded to a multiple of four octets; returns the header's length. */
function copiedOptions(bytes: Uint8Array, at: number, headerLength: number): number {
  let from = at + IPV4_HEADER_SIZE
  let to = from
  const end = at + headerLength
  while (from < end) {
    const kind = bytes[from]
    if (kind === OPTION_END) break
    const size = kind === OPTION_NOP ? 1 : Math.max(2, from + 1 < end ? bytes[from + 1] : 2)
    if (from + size > end) break
    if ((kind & OPTION_COPIED) !== 0) {
      bytes.copyWithin(to, from, from + size)
      to += size
    }
    from += size
  }
  while ((to - at) % 4 !== 0) bytes[to++] = OPTION_END
  bytes[at] = 0x40 | ((to - at) >>> 2)
  return to - at
}

function setU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value & 0xff
}
