import { HEADROOM } from '@heddle/forwarding'

/** Packets read in one go. */
export const BATCH = 64

/** A slot that takes any message of a socket, coalesced datagrams included. */
export const SOCKET_SLOT = HEADROOM + 65_535

const RECEIVE_AREA = BATCH * SOCKET_SLOT
const COPY_AREA = 2 << 20
const PART_AREA = 1 << 20

/**
 * The memory that packets are in on their way through the forwarder. All sinks refer to it, so whoever reads a new batch into it flushes them
 * first.
 *
 *     | receive area: slots of what was read | copy area: datagrams that were taken out of a coalesced message | part area: of packets that are cut |
 */
export class PacketMemory {
  readonly bytes = new Uint8Array(RECEIVE_AREA + COPY_AREA + PART_AREA)
  /** Where batches are read to. */
  readonly receive = this.bytes.subarray(0, RECEIVE_AREA)
  #copied = 0
  #parts = 0

  /** Forgets what was copied, and the parts. */
  reset(): void {
    this.#copied = 0
    this.#parts = 0
  }

  /** Forgets the parts; a packet that was copied, and is being cut, stays. */
  resetParts(): void {
    this.#parts = 0
  }

  /** Offset of room for a part of up to `length` octets with headroom before it; -1 when there is none. */
  partRoom(length: number): number {
    if (this.#parts + HEADROOM + length > PART_AREA) return -1
    const at = RECEIVE_AREA + COPY_AREA + this.#parts + HEADROOM
    this.#parts += HEADROOM + length
    return at
  }

  /** Whether another `length` octets can be copied. */
  hasRoom(length: number): boolean {
    return this.#copied + HEADROOM + length <= COPY_AREA
  }

  /** Gives octets a place with headroom; returns their new offset. */
  copy(offset: number, length: number): number {
    const at = RECEIVE_AREA + this.#copied + HEADROOM
    this.bytes.copyWithin(at, offset, offset + length)
    this.#copied += HEADROOM + length
    return at
  }
}
