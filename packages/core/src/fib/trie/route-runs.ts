import { NO_GROUP, type RouteBatch } from '../../dataplane/route-batch.js'
import { ROWS_AT_ONCE, type Values4 } from './near.js'

/** Finds the rows of a batch that may go into a table together: in a row, of one VRF, of IPv4, and all of them set routes or all remove them. */
export class RouteRuns {
  readonly #batch: RouteBatch
  /** Of rows that were looked at. */
  readonly #addresses: Uint32Array
  #first = 0
  #end = 0
  #stepsBack = 0
  #ascending = 0
  #hosts = 0

  constructor(batch: RouteBatch) {
    this.#batch = batch
    this.#addresses = new Uint32Array(batch.count)
  }

  /** Goes to the run that begins with a row; returns the first row behind it. A row of IPv6 is a run by itself. */
  take(first: number): number {
    const { count, vrf, group } = this.#batch
    this.#first = first
    this.#end = first
    this.#stepsBack = 0
    this.#ascending = 0
    this.#hosts = 0
    let end = first
    while (this.#end === end && end < count) {
      end = Math.min(end + ROWS_AT_ONCE, count)
      this.#takeSome(vrf[first], group[first] === NO_GROUP, end)
    }
    this.#end = Math.max(this.#end, first + 1)
    return this.#end
  }

  /** The rows of the run, of IPv4; the value of routes that are removed is `NO_GROUP`. */
  get routes(): Values4 {
    const { length, group } = this.#batch
    const [first, end] = [this.#first, this.#end]
    return {
      addresses: this.#addresses.subarray(first, end),
      lengths: length.subarray(first, end),
      values: group.subarray(first, end),
      stepsBack: this.#stepsBack,
      ascending: this.#ascending,
      hosts: this.#hosts,
    }
  }

  /** Takes further rows, before `end`. */
  #takeSome(ofVrf: number, isRemoval: boolean, end: number): void {
    const { vrf, family, address, length, group } = this.#batch
    const addresses = this.#addresses
    // Words are signed here: a number that may be above 2^31 or below 0 is one of floating point.
    const none = NO_GROUP | 0
    let row = this.#end | 0
    let last = row > this.#first ? addresses[row - 1] : 0
    let stepsBack = 0
    let hosts = 0
    for (; row < end; row++) {
      if (vrf[row] !== ofVrf || family[row] !== 4 || ((group[row] | 0) === none) !== isRemoval) break
      const w0 = address[row * 4]
      addresses[row] = w0
      if (w0 < last) stepsBack++
      last = w0
      hosts += length[row] >>> 5 // none is longer than 32
    }
    this.#end = row
    this.#stepsBack += stepsBack
    if (this.#stepsBack === 0) this.#ascending = row - this.#first
    this.#hosts += hosts
  }
}

/** Routes of IPv4 as columns, for tables that take many at once. @param lengths 0–32 @param values 0–2^31-2 */
export function values4(addresses: Uint32Array, lengths: Uint8Array, values: Uint32Array): Values4 {
  let [stepsBack, ascending, hosts] = [0, 0, 0]
  for (let row = 0; row < addresses.length; row++) {
    if (row > 0 && addresses[row] < addresses[row - 1]) stepsBack++
    if (stepsBack === 0) ascending++
    if (lengths[row] === 32) hosts++
  }
  return { addresses, lengths, values, stepsBack, ascending, hosts }
}
