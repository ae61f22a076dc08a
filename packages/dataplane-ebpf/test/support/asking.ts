import type { Capacity } from '../../src/tables/map-sizes.js'

/* What the threads of `routes-beside.test.ts` agree on. */

/** Words of `control`: transactions that have begun and that are over, whether the asking thread has begun and is to end, and the first that was wrong. */
export const [BEGUN, OVER, IS_ASKING, IS_ENDED, WRONG, WRONG_AFTER, WRONG_BEGUN, WRONG_PLACE, WRONG_ANSWER] = [0, 1, 2, 3, 4, 5, 6, 7, 8]
export const CONTROLS = 9

/** Words of `counts`, for each kind of table: answers beside a transaction, and of addresses that it gave another group the former and the new one. */
export const [BESIDE, FORMER, NEW] = [0, 1, 2]
export const COUNTS = 3

/** Groups that a place may have at a time: those of all prefixes that cover it, before and after, and none. */
export const MOST = 32

/** A place that is asked for, and the kind of its table. */
export interface Place {
  readonly question: Uint8Array
  readonly kind: number
}

export interface Asking {
  readonly pins: string
  readonly capacity: Capacity
  readonly control: Int32Array
  readonly counts: Int32Array
  readonly places: readonly Place[]
  /** By transaction of a round and place: the group that it has when the transaction is over. */
  readonly after: Int32Array
  /** Likewise: how many groups it may have while the transaction is written, then these, then nothing up to `MOST`. */
  readonly during: Int32Array
}
