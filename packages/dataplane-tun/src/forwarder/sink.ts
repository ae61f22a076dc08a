import type { PacketOut } from '@heddle/forwarding'

/** Descriptors that a sink holds before it must be flushed. */
export const SINK_CAPACITY = 256

/** How a packet lies in memory that is several yet: see `TUN_DESCRIPTOR` of `@heddle/linux`. */
export interface Train {
  /** Offset of the IP header. */
  ip: number
  /** Octets of IP and transport headers; 0 for a single packet. */
  headers: number
  size: number
  stride: number
}

/** Of a packet that is no train. */
export const SINGLE: Readonly<Train> = { ip: 0, headers: 0, size: 0, stride: 0 }

/** Takes packets in order and hands them to the kernel in batches. */
export interface Sink {
  /** Packets that wait. */
  readonly waiting: number
  /** Takes the packet that `out` names; there must be room. */
  add(out: PacketOut, train: Readonly<Train>): void
  /** Hands over what waits; what the kernel refuses is counted. */
  flush(): void
}
