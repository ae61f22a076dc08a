import { dropReasonIndex, type DropReason } from './drop-reason.js'

/** Columns of `CounterSnapshot.ports`, in this order. */
export const PORT_COUNTERS = ['rx-packets', 'rx-octets', 'tx-packets', 'tx-octets', 'drops'] as const
/** A column of `CounterSnapshot.ports`. */
export type PortCounter = (typeof PORT_COUNTERS)[number]

/** Columns of `CounterRows.values`, in this order. */
export const TABLE_COUNTERS = ['packets', 'octets'] as const
/** A column of `CounterRows.values`. */
export type TableCounter = (typeof TABLE_COUNTERS)[number]

/** Counters of the objects of one kind, as columns. */
export interface CounterRows {
  /** Ids of the objects in the rows of `values`. */
  readonly ids: Uint32Array
  /** `TABLE_COUNTERS.length` slots an object: IP packets, and their octets. */
  readonly values: Float64Array
}

/** What was counted, at one moment. Numbers are exact up to 2^53. */
export interface CounterSnapshot {
  /** A slot a reason, in the order of `DROP_REASONS`. */
  readonly drops: Float64Array
  /** Ids of the ports in the rows of `ports`. */
  readonly portIds: Uint32Array
  /** `PORT_COUNTERS.length` slots a port. rx: from the port into the router. */
  readonly ports: Float64Array
  /** Packets whose destination was looked up in the VRF. Here and below: with the feature `table-counters` only. */
  readonly vrfs?: CounterRows
  /** Packets that the label was accepted from; of a label that is swapped, with the labels below it. */
  readonly labels?: CounterRows
  /** Packets that a group led to the next hop, whatever became of them there. */
  readonly nextHops?: CounterRows
}

/** The counters of object `id`, in the order of `TABLE_COUNTERS`; undefined when there is none. */
export function countersOf(rows: CounterRows | undefined, id: number): readonly number[] | undefined {
  const row = rows?.ids.indexOf(id) ?? -1
  return rows === undefined || row < 0
    ? undefined
    : [...rows.values.subarray(row * TABLE_COUNTERS.length, (row + 1) * TABLE_COUNTERS.length)]
}

/** Packets dropped for `reason`. */
export function dropsOf(snapshot: CounterSnapshot, reason: DropReason): number {
  return snapshot.drops[dropReasonIndex(reason)]
}
