import type { DataplaneEvent, MirrorDirection } from '@heddle/core'
import { DROP, SEND, type PacketOut, type Verdict } from '../packet-out.js'
import type { Sequences } from '../sequences.js'
import type { OuterHeaders } from '../tunnel-hop.js'
import { writeErspan, type ErspanFrame } from './erspan.js'
import type { Mirror } from './mirrors.js'

/** Copies that wait for `next` at most; whoever asks after each batch never sees it full. */
const MOST_WAITING = 1024

/** Makes the copies of mirrors: for a stream at once, for a collector as a packet that is asked for. One object an engine. */
export class Copier {
  #waiting: ErspanFrame[] = []
  #taken = 0

  /**
   * @param time of a copy, milliseconds
   * @param observe gets the copies of streams; without it they are made for nobody
   */
  constructor(
    private readonly outer: OuterHeaders,
    private readonly time: () => number,
    private readonly observe: ((event: DataplaneEvent) => void) | undefined,
    private readonly sequences: Sequences,
  ) {}

  /** Whether `next` has one. */
  get waits(): boolean {
    return this.#taken < this.#waiting.length
  }

  /** Copies an IP packet of a port. */
  copy({ object }: Mirror, port: number, direction: MirrorDirection, bytes: Uint8Array, offset: number, length: number): void {
    const sequence = this.sequences.nextOfMirror(object.id)
    const packet = bytes.slice(offset, offset + Math.min(length, object.snapLength ?? length))
    if (object.sink.type === 'stream') {
      this.observe?.({ type: 'mirrored', mirror: object.id, port, direction, sequence, time: this.time(), length, packet })
    } else if (this.#waiting.length - this.#taken < MOST_WAITING) {
      this.#waiting.push({ sink: object.sink, port, direction, sequence, packet })
    }
  }

  /** Writes the next packet to a collector at `offset`, where `mtu` octets must be free; DROP when there is none. */
  next(bytes: Uint8Array, offset: number, mtu: number, out: PacketOut): Verdict {
    const frame = this.#waiting[this.#taken++]
    if (frame === undefined) {
      this.#waiting = []
      this.#taken = 0
      return (out.verdict = DROP)
    }
    const end = writeErspan(frame, this.outer, mtu, bytes, offset)
    out.offset = offset
    out.length = out.segment = end - offset
    out.nextHop = -1
    out.encapsulation = 'mpls-gre'
    out.local = frame.sink.local
    out.remote = frame.sink.remote
    out.sourcePort = out.trafficClass = 0
    out.reason = -1
    return (out.verdict = SEND)
  }
}
