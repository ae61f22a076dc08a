import { HEADROOM } from '@heddle/forwarding'

/** Packets read from a device in one go. */
export const BATCH = 64

/** A slot that takes any message of a socket, coalesced datagrams included. */
export const SOCKET_SLOT = HEADROOM + 65_535

/** Messages received in one go: few, so that the first of them is soon on its way, and what is touched stays in the cache. */
export const MESSAGES = 16
/** Room for packets of a device: two trains, or `BATCH` small packets, and another one of any size. */
const DEVICE_AREA = 3 * 65_536
const RECEIVE_AREA = MESSAGES * SOCKET_SLOT
const COPY_AREA = 2 << 20
const SPLIT_AREA = 1 << 20
const PART_AREA = 1 << 20
const SPLIT_START = RECEIVE_AREA + COPY_AREA

/**
 * The memory that packets are in on their way through the forwarder. All sinks refer to it, so whoever reads a new batch into it flushes them
 * first.
 *
 *     | receive area: what was read | copy area: datagrams of coalesced messages | split area: packets of trains | part area: of packets that are cut |
 */
export class PacketMemory {
  readonly bytes = new Uint8Array(RECEIVE_AREA + COPY_AREA + SPLIT_AREA + PART_AREA)
  /** Where packets of devices are read to. */
  readonly device = this.bytes.subarray(0, DEVICE_AREA)
  /** Where messages that are not taken apart are received to. */
  readonly receive = this.bytes.subarray(0, RECEIVE_AREA)
  /** Where messages are received to and taken apart: the first `slots` octets are slots, the rest is for copies. */
  readonly unpack = this.bytes.subarray(0, RECEIVE_AREA + COPY_AREA)
  readonly slots = RECEIVE_AREA
  /** All but the part area. */
  readonly splittable = this.bytes.subarray(0, SPLIT_START + SPLIT_AREA)
  /** Where the packets of the next train that is split go. */
  splitRoom = SPLIT_START
  #parts = 0

  /** Forgets the packets of trains and the parts. */
  reset(): void {
    this.splitRoom = SPLIT_START
    this.#parts = 0
  }

  /** Forgets the parts; the packet that is being cut is never one. */
  resetParts(): void {
    this.#parts = 0
  }

  /** Offset of room for a part of up to `length` octets with headroom before it; -1 when there is none. */
  partRoom(length: number): number {
    if (this.#parts + HEADROOM + length > PART_AREA) return -1
    const at = SPLIT_START + SPLIT_AREA + this.#parts + HEADROOM
    this.#parts += HEADROOM + length
    return at
  }
}
