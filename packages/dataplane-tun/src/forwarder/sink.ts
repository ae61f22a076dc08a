import type { PacketOut } from '@heddle/forwarding'

/** Descriptors that a sink holds before it must be flushed. */
export const SINK_CAPACITY = 256

/** Takes packets in order and hands them to the kernel in batches. */
export interface Sink {
  /** Packets that wait. */
  readonly waiting: number
  /** Takes the packet that `out` names; there must be room. */
  add(out: PacketOut): void
  /** Hands over what waits; what the kernel refuses is counted. */
  flush(): void
}
