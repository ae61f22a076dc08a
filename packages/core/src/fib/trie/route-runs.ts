import { NO_GROUP, type RouteBatch } from '../../dataplane/route-batch.js'
import { ROWS_AT_ONCE, type Values4 } from './near.js'

/** Rows of a batch from which on they go into a table together. */
const ROWS_OF_A_RUN = 512
/** `NO_GROUP` as a signed word. */
const NONE = NO_GROUP | 0
/** Groups that are told apart at one look, by the last bits of their ids. */
const GROUPS_AT_HAND = 256
/** Groups that are told of a run, some of them more than once; with more of them, each of its routes is to be looked at. */
const MOST_GROUPS = 4096

/** Many rows in a row that may go into a table together: of one VRF, of IPv4, and all of them set routes or all remove them. */
export interface RouteRun {
  /** Its first row. */
  readonly first: number
  /** The first row behind it. */
  readonly end: number
  readonly vrf: number
  readonly isRemoval: boolean
  /** Whether all of them are prefixes: 32 bits long at most, none set behind those. If not, or with very many groups, each is to be looked at. */
  readonly isSound: boolean
  /** Groups that its routes lead to, each at least once. */
  readonly groups: readonly number[]
  /** Its rows; the value of routes that are removed is `NO_GROUP`. */
  readonly routes: Values4
}

/** Finds the runs of 512 rows and more, in the order of their rows; what is between them goes into tables row by row. */
export function runsOf(batch: RouteBatch): readonly RouteRun[] {
  const runs: RouteRun[] = []
  if (batch.count < ROWS_OF_A_RUN) return runs
  const finder = new RunFinder(batch)
  for (let first = 0; first < batch.count;) {
    const end = finder.take(first)
    if (end - first >= ROWS_OF_A_RUN) runs.push(finder.run)
    first = end
  }
  return runs
}

/** One pass over the rows tells everything that is asked of them: a million of them do not stay in any cache. */
class RunFinder {
  readonly #batch: RouteBatch
  readonly #seen = new Int32Array(GROUPS_AT_HAND).fill(NONE)
  #groups: number[] = []
  #first = 0
  #end = 0
  #stepsBack = 0
  #ascending = 0
  #hosts = 0
  #isSound = true

  constructor(batch: RouteBatch) {
    this.#batch = batch
  }

  /** Goes to the run that begins with a row; returns the first row behind it. A row of IPv6 is a run by itself. */
  take(first: number): number {
    const { count, vrf, group } = this.#batch
    for (const id of this.#groups) this.#seen[id % GROUPS_AT_HAND] = NONE
    this.#groups = []
    this.#first = first
    this.#end = first
    this.#stepsBack = 0
    this.#ascending = 0
    this.#hosts = 0
    this.#isSound = true
    let end = first
    while (this.#end === end && end < count) {
      end = Math.min(end + ROWS_AT_ONCE, count)
      this.#takeSome(vrf[first], group[first] === NO_GROUP, end)
    }
    this.#end = Math.max(this.#end, first + 1)
    return this.#end
  }

  get run(): RouteRun {
    const { vrf, address, length, group } = this.#batch
    const [first, end] = [this.#first, this.#end]
    return {
      first,
      end,
      vrf: vrf[first],
      isRemoval: group[first] === NO_GROUP,
      isSound: this.#isSound && this.#groups.length < MOST_GROUPS,
      groups: this.#groups,
      routes: {
        words: address.subarray(first * 4, end * 4),
        stride: 4,
        lengths: length.subarray(first, end),
        values: group.subarray(first, end),
        stepsBack: this.#stepsBack,
        ascending: this.#ascending,
        hosts: this.#hosts,
      },
    }
  }

  /** Takes further rows, before `end`. */
  #takeSome(ofVrf: number, isRemoval: boolean, end: number): void {
    const { vrf, family, address, length, group } = this.#batch
    const seen = this.#seen
    // Words are signed here: a number that may be above 2^31 or below 0 is one of floating point.
    let toGroup = NONE
    let row = this.#end | 0
    let last = row > this.#first ? address[row * 4 - 4] : 0
    let stepsBack = 0
    let hosts = 0
    let hostBits = 0
    for (; row < end; row++) {
      const to = group[row] | 0
      if (vrf[row] !== ofVrf || family[row] !== 4 || (to === -1) !== isRemoval) break
      if (to !== toGroup) {
        if (seen[to & 0xff] !== to) this.#note(to)
        toGroup = to
      }
      const w0 = address[row * 4]
      const bits = length[row]
      if (bits === 32) hosts++
      else hostBits |= bits > 32 ? 1 : w0 << bits
      if (w0 < last) stepsBack++
      last = w0
    }
    this.#end = row
    this.#stepsBack += stepsBack
    if (this.#stepsBack === 0) this.#ascending = row - this.#first
    this.#hosts += hosts
    if (hostBits !== 0) this.#isSound = false
  }

  /** Notes a group that is not at hand. @param signed its id as a signed word */
  #note(signed: number): void {
    if (this.#groups.length === MOST_GROUPS) return
    this.#seen[signed & (GROUPS_AT_HAND - 1)] = signed
    this.#groups.push(signed >>> 0)
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
  return { words: addresses, stride: 1, lengths, values, stepsBack, ascending, hosts }
}
