import type { DropReason, Encapsulation } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import type { Step } from './trace/trace.js'

/** A packet to be explained: its bytes, and where it would enter. */
export type PacketInput =
  | { readonly from: 'port'; readonly port: number; readonly packet: Uint8Array }
  | {
      readonly from: 'underlay'
      /** With `mpls-udp` the packet may begin with a joint label; with `mpls-udp-joint` it begins behind one. */
      readonly encapsulation: Encapsulation
      /** Outer source address. */
      readonly source: IpAddress
      /** What the outer IP header, and the UDP header if there is one, leave. */
      readonly packet: Uint8Array
      /** Traffic class octet of the outer IP header; not known when left out. */
      readonly trafficClass?: number
    }

/** What would happen to a packet, and why. */
export interface Explanation {
  /** The steps that were taken, in order; the last one decided. */
  readonly steps: readonly Step[]
  readonly outcome:
    | {
        readonly type: 'deliver'
        readonly port: number
        readonly packet: Uint8Array
        /** The packet is the first of so many parts; absent when it is whole. */
        readonly fragments?: number
      }
    | {
        readonly type: 'send'
        readonly nextHop: number
        readonly encapsulation: Encapsulation
        readonly local: IpAddress
        readonly remote: IpAddress
        readonly sourcePort: number
        /** As the engine's `outer` option says: with or without the outer IP and UDP headers. */
        readonly packet: Uint8Array
        /** As for `deliver`. */
        readonly fragments?: number
      }
    | { readonly type: 'drop'; readonly reason: DropReason }
}
