/** What a stream hands on, in order. */
export interface TcpStreamOutput {
  /** The next octets. They may be a view of a packet: who keeps them copies them. */
  octets(bytes: Uint8Array): void
  /** Octets are missing here, for good: how many, where that can be told. */
  gap(octets: number): void
}

interface Waiting {
  readonly sequence: number
  readonly bytes: Uint8Array
}

/** Octets and segments that may wait for one that is missing; beyond that it was not captured, and will not come. */
const MOST_OCTETS = 1 << 20
const MOST_SEGMENTS = 512

/**
 * One direction of a TCP connection as its receiver would have it (RFC 9293 §3.10.7.4): segments in their order, what was sent again left out. What
 * the capture lacks is a gap once more waits for it than a window would hold, or at the end.
 */
export class TcpStream {
  #next: number | undefined
  readonly #waiting: Waiting[] = []
  #octets = 0
  /** Where the octets behind a SYN that carried some would begin, if it had no number of its own. */
  #unnumbered: number | undefined

  /** @param synchronize the segment had SYN: its sequence number is one before the first octet */
  segment(sequence: number, bytes: Uint8Array, synchronize: boolean, output: TcpStreamOutput): void {
    const first = synchronize ? (sequence + 1) >>> 0 : sequence
    this.#next ??= first
    // writers of captures that give SYN no number: one octet would be taken for sent again
    if (!synchronize && bytes.length > 1 && sequence === this.#unnumbered) this.#next = sequence
    this.#unnumbered = synchronize && bytes.length > 0 ? (sequence + bytes.length) >>> 0 : undefined
    if (bytes.length === 0) return
    const ahead = difference(first, this.#next)
    if (ahead <= 0) {
      this.#take(bytes, ahead, output)
      this.#drain(output)
      return
    }
    this.#wait({ sequence: first, bytes: bytes.slice() })
    while (this.#octets > MOST_OCTETS || this.#waiting.length > MOST_SEGMENTS) this.#skip(output)
  }

  /** Nothing more will come: what waits is handed on, over its gaps. */
  end(output: TcpStreamOutput): void {
    while (this.#waiting.length > 0) this.#skip(output)
  }

  /** Octets that wait. */
  get waiting(): number {
    return this.#octets
  }

  #take(bytes: Uint8Array, ahead: number, output: TcpStreamOutput): void {
    const fresh = bytes.subarray(Math.min(-ahead, bytes.length))
    if (fresh.length === 0) return
    this.#next = ((this.#next ?? 0) + fresh.length) >>> 0
    output.octets(fresh)
  }

  #wait(segment: Waiting): void {
    const next = this.#next ?? 0
    const place = this.#waiting.findIndex(({ sequence }) => difference(sequence, next) > difference(segment.sequence, next))
    this.#waiting.splice(place < 0 ? this.#waiting.length : place, 0, segment)
    this.#octets += segment.bytes.length
  }

  #drain(output: TcpStreamOutput): void {
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      const ahead = difference(first.sequence, this.#next ?? 0)
      if (ahead > 0) return
      this.#waiting.shift()
      this.#octets -= first.bytes.length
      this.#take(first.bytes, ahead, output)
    }
  }

  /** Gives up what is missing before the first segment that waits. */
  #skip(output: TcpStreamOutput): void {
    const [first] = this.#waiting
    output.gap(difference(first.sequence, this.#next ?? 0))
    this.#next = first.sequence
    this.#drain(output)
  }
}

/** How far `a` is ahead of `b` in the circle of sequence numbers (RFC 9293 §3.4). */
function difference(a: number, b: number): number {
  return (a - b) | 0
}
