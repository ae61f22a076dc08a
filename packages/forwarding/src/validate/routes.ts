import { NO_GROUP, NO_MATCH, type DataplaneLimits, type RouteBatch, type RouteRun } from '@heddle/core'
import type { RouteTable } from '../routes.js'
import type { Tables } from '../tables.js'
import type { After } from './after.js'
import type { Fail } from './fail.js'

/** Rows that one call goes through; why, `fib/trie/near.ts` of core says, which keeps its own to itself. */
const ROWS_AT_ONCE = 512

/** Rows that are no prefix, routes that would dangle or be too many. @param runs those of the transaction's batch */
export function checkRoutes(after: After, runs: readonly RouteRun[], limits: DataplaneLimits, fail: Fail): void {
  const { tables, transaction, vrfs, groups } = after
  const { routes } = transaction
  const name = (row: number): string => `${routes.vrf[row]} ${routes.prefixAt(row)}`
  const dangling: [row: number, message: string][] = []
  const [knownVrfs, knownGroups] = [new Known(vrfs), new Known(groups)]
  let isMalformed = false
  const checkRow = (row: number): void => {
    const problem = rowProblem(routes, row)
    if (problem !== undefined) {
      isMalformed = true
      fail('route', `${routes.vrf[row]} row ${row}`, 'dataplane.range', problem)
    } else if (routes.group[row] !== NO_GROUP) {
      const [vrf, group] = [routes.vrf[row], routes.group[row]]
      if (!knownVrfs.has(vrf)) dangling.push([row, `VRF ${vrf} does not exist`])
      if (!knownGroups.has(group)) dangling.push([row, `group ${group} does not exist`])
    }
  }
  const checkRows = (first: number, end: number): void => {
    for (let row = first; row < end;) {
      const some = Math.min(row + ROWS_AT_ONCE, end)
      row = endOfSound(routes, row, some, knownVrfs, knownGroups)
      if (row < some) checkRow(row++)
    }
  }
  const isSound = (run: RouteRun): boolean =>
    run.isSound && (run.isRemoval || (vrfs.has(run.vrf) && run.groups.every((group) => groups.has(group))))
  let row = 0
  for (const run of runs) {
    checkRows(row, isSound(run) ? run.first : run.end)
    row = run.end
  }
  checkRows(row, routes.count)
  if (isMalformed) return // what cannot be read cannot be counted
  if (dangling.length > 0) {
    const last = lastRows(routes)
    for (const [row, message] of dangling)
      if (last.get(name(row)) === row) fail('route', name(row), 'dataplane.dangling-reference', message)
  }

  // What the tables hold is looked at only when something under its routes gets lost, or when there may be too many.
  const room = limits.routes - tables.routeUses.count
  const mayOverflow = routes.count > room && newRows(tables, routes, runs, room + 1) > room
  if (vrfs.lost.length === 0 && groups.lost.length === 0 && !mayOverflow) return
  const change = routeChange(tables, routes)
  const count = tables.routeUses.count + change.count
  if (count > limits.routes) fail('route', 'all', 'dataplane.limit', `${count} routes are more than ${limits.routes}`)
  const left = (id: number): number => (tables.vrfs.get(id)?.fib.size ?? 0) + (change.byVrf.get(id) ?? 0)
  const uses = (id: number): number => tables.routeUses.of(id) + (change.byGroup.get(id) ?? 0)
  if (!vrfs.lost.some((id) => left(id) > 0) && !groups.lost.some((id) => uses(id) > 0)) return

  // Something dangles: routes that stay are searched for what to name.
  const before = tables.state().routes
  for (let row = 0; row < before.count; row++) {
    const key = `${before.vrf[row]} ${before.prefixAt(row)}`
    if (change.names.has(key)) continue
    if (!vrfs.has(before.vrf[row])) fail('route', key, 'dataplane.dangling-reference', `VRF ${before.vrf[row]} would be gone`)
    if (!groups.has(before.group[row])) fail('route', key, 'dataplane.dangling-reference', `group ${before.group[row]} would be gone`)
  }
}

/** Which objects will be there, with a few answers at hand: rows in a row ask for the same. */
class Known {
  readonly #objects: { has(id: number): boolean }
  /** By the last octet of their ids: some that will be there, −1 for none. */
  readonly some = new Float64Array(256).fill(-1)

  constructor(objects: { has(id: number): boolean }) {
    this.#objects = objects
  }

  has(id: number): boolean {
    const isThere = this.#objects.has(id)
    if (isThere) this.some[id & 0xff] = id
    return isThere
  }
}

/**
 * The first row from `first` on, before `end`, that is not, at one look, an IPv4 route of a VRF and to a group that will be there, or the removal of one.
 */
function endOfSound({ vrf, family, address, length, group }: RouteBatch, first: number, end: number, vrfs: Known, groups: Known): number {
  const someVrfs = vrfs.some
  const someGroups = groups.some
  // Words are signed here: a number that may be above 2^31 or below 0 is one of floating point.
  const none = NO_GROUP | 0
  let vrfBefore = 0
  let groupBefore = none
  let row = first
  for (; row < end; row++) {
    const bits = length[row]
    if (family[row] !== 4 || bits > 32 || (bits < 32 && address[row * 4] << bits !== 0)) break
    const ofVrf = vrf[row] | 0
    const toGroup = group[row] | 0
    if (toGroup === none || (ofVrf === vrfBefore && toGroup === groupBefore)) continue
    if (someVrfs[ofVrf & 0xff] !== ofVrf >>> 0 || someGroups[toGroup & 0xff] !== toGroup >>> 0) break
    vrfBefore = ofVrf
    groupBefore = toGroup
  }
  return row
}

/** The row that counts for each route: later rows win over earlier ones. */
function lastRows(routes: RouteBatch): ReadonlyMap<string, number> {
  const last = new Map<string, number>()
  for (let row = 0; row < routes.count; row++) last.set(`${routes.vrf[row]} ${routes.prefixAt(row)}`, row)
  return last
}

/** Rows that set what is not there, those of no VRF included: as many routes as a batch can add, if each is named once. @param most about so many are counted */
function newRows({ vrfs }: Tables, routes: RouteBatch, runs: readonly RouteRun[], most: number): number {
  let found = 0
  const countSingly = (first: number, end: number): void => {
    for (let row = first; row < end && found < most; row++)
      if (routes.group[row] !== NO_GROUP && valueOf(routes, row, vrfs.get(routes.vrf[row])?.fib) === NO_MATCH) found++
  }
  let row = 0
  for (const { first, end, vrf, isRemoval, routes: many } of runs) {
    countSingly(row, first)
    row = end
    const fib = vrfs.get(vrf)?.fib
    if (isRemoval || found >= most) continue
    if (fib?.missing4 === undefined) countSingly(first, end)
    else found += fib.missing4(many, most - found)
  }
  countSingly(row, routes.count)
  return found
}

/** The group that the route of a row has so far, `NO_MATCH` without one. */
function valueOf({ family, address, length }: RouteBatch, row: number, fib: RouteTable | undefined): number {
  const at = row * 4
  return fib?.get(family[row] as 4 | 6, address[at], address[at + 1], address[at + 2], address[at + 3], length[row]) ?? NO_MATCH
}

/** Why a row is no prefix, if it is none. */
function rowProblem(routes: RouteBatch, row: number): string | undefined {
  const family = routes.family[row]
  const length = routes.length[row]
  if ((family !== 4 && family !== 6) || length > (family === 4 ? 32 : 128)) return `family ${family}, length ${length}`
  if (family === 4 ? length === 32 || routes.address[row * 4] << length === 0 : length === 128) return undefined
  for (let word = 0; word < (family === 4 ? 1 : 4); word++) {
    const hostBits = 32 - Math.min(32, Math.max(0, length - word * 32))
    const mask = hostBits === 32 ? 0xffff_ffff : 2 ** hostBits - 1
    if ((routes.address[row * 4 + word] & mask) !== 0) return `bits are set behind the first ${length}`
  }
  return undefined
}

/** What the rows of a batch change in the number of routes: in all, by VRF and by the group they lead to. */
function routeChange(
  tables: Tables,
  routes: RouteBatch,
): {
  readonly names: ReadonlySet<string>
  readonly count: number
  readonly byVrf: ReadonlyMap<number, number>
  readonly byGroup: ReadonlyMap<number, number>
} {
  const last = lastRows(routes)
  const byVrf = new Map<number, number>()
  const byGroup = new Map<number, number>()
  let count = 0
  for (const row of last.values()) {
    const vrf = routes.vrf[row]
    const before = valueOf(routes, row, tables.vrfs.get(vrf)?.fib)
    const after = routes.group[row] === NO_GROUP ? NO_MATCH : routes.group[row]
    const more = Number(after !== NO_MATCH) - Number(before !== NO_MATCH)
    count += more
    byVrf.set(vrf, (byVrf.get(vrf) ?? 0) + more)
    if (before !== NO_MATCH) byGroup.set(before, (byGroup.get(before) ?? 0) - 1)
    if (after !== NO_MATCH) byGroup.set(after, (byGroup.get(after) ?? 0) + 1)
  }
  return { names: new Set(last.keys()), count, byVrf, byGroup }
}
