/**
 * The inner packet on its way through the engine: the buffer, where the packet lies in it, and the header fields the steps need. One object an
 * engine, overwritten by each packet, so that the hot path makes none.
 */
export class Packet {
  bytes: Uint8Array = EMPTY
  view: DataView = new DataView(EMPTY.buffer)
  offset = 0
  /** Octets of the IP packet, as its header says; padding behind it is not counted. */
  length = 0
  /** Octets of the largest IP packet after segmentation offload has cut this one; `length` when it needs no cutting. */
  segment = 0

  family: 4 | 6 = 4
  /** Octets of the IP header without IPv6 extension headers. */
  headerLength = 0
  ttl = 0
  /** TOS or traffic class octet. */
  trafficClass = 0
  readonly source = new Uint32Array(4)
  readonly destination = new Uint32Array(4)

  /** A view of `bytes`, which is made once for packets of one buffer. */
  viewOf(bytes: Uint8Array): DataView {
    if (bytes !== this.bytes) {
      this.bytes = bytes
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    }
    return this.view
  }

  /** Points this packet at `length` octets of `bytes`; nothing is read yet. */
  at(bytes: Uint8Array, offset: number, length: number, segment: number): void {
    this.viewOf(bytes)
    this.offset = offset
    this.length = length
    this.segment = segment
  }

  /** Takes the packet to end `octets` behind its start. */
  cut(octets: number): void {
    if (this.segment === this.length) this.segment = octets
    this.length = octets
  }

  /** Passes over `octets` of a header before the IP packet. */
  advance(octets: number): void {
    this.offset += octets
    this.length -= octets
    this.segment -= octets
  }
}

const EMPTY = new Uint8Array(0)
