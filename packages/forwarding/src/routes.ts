import { NO_GROUP, NO_MATCH, type FibTable, type Prefixes4, type RouteBatch, type RouteRun, type Values4 } from '@heddle/core'

/** What the engine asks of a VRF's routes; a `FibTable` is one. */
export type RouteTable = Pick<FibTable, 'size' | 'get' | 'set' | 'delete' | 'forEach' | 'lookup4' | 'lookup6'> &
  Partial<Pick<FibTable, 'setAll4'>> & {
    /** How many of many IPv4 routes are not there; one that is named twice counts twice. @param most about so many are counted, or all */
    missing4?(routes: Values4, most: number): number
    /** As `delete` of many IPv4 routes, equal ones in their order. @param told gets them part by part, with the value that each had as `before` */
    deleteAll4?(routes: Values4, told: (part: Prefixes4) => void): void
  }

/** Routes that one call goes through; why, `fib/trie/near.ts` of core says. */
const ROUTES_AT_ONCE = 512

/** How many routes there are, and how many lead to each group. */
export class RouteUses {
  /** By group; those of none are left out. */
  readonly #byGroup: (number | undefined)[] = []
  /** Routes of all VRFs. */
  count = 0

  /** How many routes lead to a group. */
  of(group: number): number {
    return this.#byGroup[group] ?? 0
  }

  /** Routes lead from what they had to what they have; see `move`. `NO_GROUP` is as `NO_MATCH`. */
  moveAll({ before, values: after, areAlike }: Prefixes4): void {
    if (areAlike) {
      this.move(before[0], after[0], after.length)
      return
    }
    for (let first = 0; first < before.length; first += ROUTES_AT_ONCE)
      this.#moveSome(before, after, first, Math.min(first + ROUTES_AT_ONCE, before.length))
  }

  #moveSome(before: Int32Array, after: Uint32Array, first: number, end: number): void {
    // Those in a row mostly come from one group and lead to one.
    let from: number = NO_MATCH
    let to: number = NO_MATCH
    let routes = 0
    for (let route = first; route < end; route++) {
      const group = after[route] | 0 // signed: else it is a number of floating point, as `to` may be below 0
      if (before[route] !== from || group !== to) {
        this.move(from, to, routes)
        from = before[route]
        to = group
        routes = 0
      }
      routes++
    }
    this.move(from, to, routes)
  }

  /** Routes lead from one group to another; `NO_MATCH`: there are none. */
  move(before: number, after: number, routes = 1): void {
    if (before === after) return
    if (before === NO_MATCH) this.count += routes
    else this.#byGroup[before] = (this.#byGroup[before] ?? 0) - routes
    if (after === NO_MATCH) this.count -= routes
    else this.#byGroup[after] = (this.#byGroup[after] ?? 0) + routes
  }
}

/**
 * Programs the rows of a batch, in order. What names a VRF that is not there is passed over: the transaction that removes a VRF may remove its routes.
 *
 * @param runs those of the batch
 */
export function programRoutes(
  routes: RouteBatch,
  runs: readonly RouteRun[],
  fibOf: (vrf: number) => RouteTable | undefined,
  uses: RouteUses,
): void {
  const singly = (first: number, end: number): void => {
    for (let row = first; row < end; row++) {
      const fib = fibOf(routes.vrf[row])
      if (fib !== undefined) programRow(routes, row, fib, uses)
    }
  }
  const told = (part: Prefixes4): void => uses.moveAll(part)
  let row = 0
  for (const { first, end, vrf, isRemoval, routes: many } of runs) {
    singly(row, first)
    row = end
    const fib = fibOf(vrf)
    if (isRemoval && fib?.deleteAll4 !== undefined) fib.deleteAll4(many, told)
    else if (!isRemoval && fib?.setAll4 !== undefined) fib.setAll4(many, told)
    else singly(first, end)
  }
  singly(row, routes.count)
}

function programRow({ family, address, length, group }: RouteBatch, row: number, fib: RouteTable, uses: RouteUses): void {
  const at = row * 4
  const of = family[row] as 4 | 6
  const w0 = address[at]
  const w1 = address[at + 1]
  const w2 = address[at + 2]
  const w3 = address[at + 3]
  if (group[row] !== NO_GROUP) uses.move(fib.set(of, w0, w1, w2, w3, length[row], group[row]), group[row])
  else {
    const before = fib.get(of, w0, w1, w2, w3, length[row])
    fib.delete(of, w0, w1, w2, w3, length[row])
    uses.move(before, NO_MATCH)
  }
}
