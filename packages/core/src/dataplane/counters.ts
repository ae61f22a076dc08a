import { dropReasonIndex, type DropReason } from './drop-reason.js'

/** Columns of `CounterSnapshot.ports`, in this order. */
export const PORT_COUNTERS = ['rx-packets', 'rx-octets', 'tx-packets', 'tx-octets', 'drops'] as const
/** A column of `CounterSnapshot.ports`. */
export type PortCounter = (typeof PORT_COUNTERS)[number]

/** What was counted, at one moment. Numbers are exact up to 2^53. */
export interface CounterSnapshot {
  /** A slot a reason, in the order of `DROP_REASONS`. */
  readonly drops: Float64Array
  /** Ids of the ports in the rows of `ports`. */
  readonly portIds: Uint32Array
  /** `PORT_COUNTERS.length` slots a port. rx: from the port into the router. */
  readonly ports: Float64Array
}

/** Packets dropped for `reason`. */
export function dropsOf(snapshot: CounterSnapshot, reason: DropReason): number {
  return snapshot.drops[dropReasonIndex(reason)]
}
