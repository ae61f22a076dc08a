import { DROP_REASONS, type DropReason, type Encapsulation } from '@heddle/core'
import type { Decapsulation } from '@heddle/mpls'
import { DROP, type PacketOut, type Verdict } from './packet-out.js'
import type { Packet } from './packet.js'
import type { Tables } from './tables.js'
import type { Trace } from './trace.js'

/** What every step needs: the tables, the packet in hand, and what the adapter can do. */
export interface Context {
  readonly tables: Tables
  readonly packet: Packet
  readonly found: Decapsulation
  readonly encapsulations: ReadonlySet<Encapsulation>
  /** Largest packet that the underlay takes, outer headers included. */
  underlayMtu: number
  readonly hasDevice: (port: number) => boolean
  trace: Trace | undefined
}

/** Slots of the drop reasons, so that a drop costs a store. */
export const REASON = Object.fromEntries(DROP_REASONS.map((reason, slot) => [reason, slot])) as { readonly [reason in DropReason]: number }

/** Ends the way of a packet. */
export function drop(out: PacketOut, reason: number): Verdict {
  out.reason = reason
  return (out.verdict = DROP)
}
