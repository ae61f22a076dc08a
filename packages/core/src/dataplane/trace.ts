import type { IpAddress, IpPrefix } from '@heddle/wire'
import type { DropReason } from './drop-reason.js'
import type { Encapsulation } from './objects.js'

/** What a packet must be for a trace to tell of it; each condition that is there must hold. Replies fit as well as what they answer. */
export interface TraceFilter {
  /** The VRF that it belongs to: that of its port, or the one that its label or VNI leads to. */
  readonly vrf?: number
  /** Each is that of its source or of its destination, as it came. */
  readonly ends?: readonly IpPrefix[]
  /** IP protocol number, 0–255. */
  readonly protocol?: number
  /** Source or destination port of TCP, UDP or SCTP, 0–65,535. */
  readonly port?: number
  /** Only packets that are dropped. */
  readonly dropped?: boolean
}

/**
 * Tells, by events of the type `traced`, what the dataplane does with live packets and why, step by step; at most 1,000 packets a second of all traces
 * together, and the others show as a gap in `sequence`. Needs the feature `trace`.
 */
export interface TraceObject {
  readonly id: number
  readonly filter: TraceFilter
}

/** One step that was taken, and why it came out as it did. */
export interface TraceStep {
  /** `parse`, `port`, `flow`, … : the same names in every dataplane. */
  readonly step: string
  /** For a person, naming the objects that decided. */
  readonly text: string
}

/** A packet that a trace tells of. */
export interface TracedPacket {
  readonly trace: number
  /** Counts the packets that fitted from 0 up. */
  readonly sequence: number
  /** As `MirroredPacket.time`. */
  readonly time: number
  /** Where it came from. */
  readonly from:
    | { readonly type: 'port'; readonly port: number }
    | { readonly type: 'underlay'; readonly encapsulation: Encapsulation; readonly source: IpAddress }
  /** As it came; from the underlay, behind the outer IP and UDP headers and a joint label. At most the first 128 octets. */
  readonly packet: Uint8Array
  /** Octets that it had. */
  readonly length: number
  readonly steps: readonly TraceStep[]
  /** What became of it: to a port, to the underlay, cut into parts that go there, or dropped. */
  readonly outcome: 'deliver' | 'send' | 'cut' | 'drop'
  /** With `drop`. */
  readonly reason?: DropReason
}
