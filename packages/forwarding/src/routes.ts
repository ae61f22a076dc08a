import { NO_GROUP, NO_MATCH, type FibTable, type RouteBatch } from '@heddle/core'

/** What the engine asks of a VRF's routes; a `FibTable` is one. */
export type RouteTable = Pick<FibTable, 'size' | 'get' | 'set' | 'delete' | 'forEach' | 'lookup4' | 'lookup6'> &
  Partial<Pick<FibTable, 'setAll4'>>

/** Rows of one VRF from which on they are set together. */
const MANY = 512
/** Rows that one call goes through; see `validate/routes.ts`. */
const ROWS_AT_ONCE = 4096

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

  /** Routes lead from one group to another each; see `move`. */
  moveAll(before: Int32Array, after: Uint32Array): void {
    // Those in a row mostly come from one group and lead to one.
    let from: number = NO_MATCH
    let to: number = NO_MATCH
    let routes = 0
    for (let route = 0; route < before.length; route++) {
      if (before[route] !== from || after[route] !== to) {
        this.move(from, to, routes)
        from = before[route]
        to = after[route]
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

/** Programs the rows of a batch, in order. What names a VRF that is not there is passed over: the transaction that removes a VRF may remove its routes. */
export function programRoutes(routes: RouteBatch, fibOf: (vrf: number) => RouteTable | undefined, uses: RouteUses): void {
  const addresses = new Uint32Array(routes.count)
  for (let row = 0; row < routes.count;) {
    const end = endOfRun(routes, row, addresses)
    const fib = fibOf(routes.vrf[row])
    if (fib?.setAll4 !== undefined && end - row >= MANY) programRun(routes, row, end, addresses.subarray(row, end), fib, uses)
    else if (fib !== undefined) for (let at = row; at < end; at++) programRow(routes, at, fib, uses)
    row = end
  }
}

/**
 * End of the rows from `first` on that set IPv4 routes of one VRF; the next row where the first is another kind of row.
 *
 * @param addresses gets theirs, by row
 */
function endOfRun(routes: RouteBatch, first: number, addresses: Uint32Array): number {
  let row = first
  let end = first
  while (row === end && row < routes.count) {
    end = Math.min(row + ROWS_AT_ONCE, routes.count)
    row = takeAddresses(routes, routes.vrf[first], row, end, addresses)
  }
  return Math.max(row, first + 1)
}

/** Takes the addresses of rows from `first` on, before `end`, that set IPv4 routes of a VRF; returns the first of another kind. */
function takeAddresses(
  { vrf, family, address, group }: RouteBatch,
  ofVrf: number,
  first: number,
  end: number,
  addresses: Uint32Array,
): number {
  const none = NO_GROUP
  let row = first
  for (; row < end && vrf[row] === ofVrf && family[row] === 4 && group[row] !== none; row++) addresses[row] = address[row * 4]
  return row
}

function programRun(
  { length, group }: RouteBatch,
  first: number,
  end: number,
  addresses: Uint32Array,
  fib: RouteTable,
  uses: RouteUses,
): void {
  const routes = { addresses, lengths: length.subarray(first, end), values: group.subarray(first, end) }
  fib.setAll4?.(routes, ({ before, values }) => uses.moveAll(before, values))
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
