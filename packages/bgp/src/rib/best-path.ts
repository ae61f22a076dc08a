import type { IpAddress } from '@heddle/wire'
import { GONE, INVALID } from './paths.js'
import { PATH, type RibTable } from './rib-table.js'

/** What the decision process must know of whoever gave a path. */
export interface PathOrigin {
  /** In another AS; a peer in another member AS of our confederation is not (RFC 5065 §5.3). */
  readonly external: boolean
  /** BGP identifier as a word. */
  readonly routerId: number
  /** Order of last resort: lower wins (RFC 4271 §9.1.2.2 g: the lower peer address). */
  readonly rank: number
  /** The speaker itself. */
  readonly local: boolean
}

/** The place of each address in the order of addresses, which is the rank of its peer; 0 for none. */
export function ranksOf(addresses: readonly (IpAddress | undefined)[]): number[] {
  const ranks = addresses.map(() => 0)
  const order = addresses.flatMap((address, index) => (address === undefined ? [] : [{ address, index }]))
  order.sort((a, b) => compareAddresses(a.address, b.address))
  order.forEach(({ index }, rank) => (ranks[index] = rank))
  return ranks
}

function compareAddresses(a: IpAddress, b: IpAddress): number {
  return a.family - b.family || a.w0 - b.w0 || a.w1 - b.w1 || a.w2 - b.w2 || a.w3 - b.w3
}

/**
 * The step that left a single path (RFC 4271 §9.1.2.2). Beside its own steps: `llgr-stale` first (RFC 9494 §4.3), then `local`;
 * `cluster-length` by RFC 4456 §9, `path-id` last.
 */
export type BestPathStep =
  | 'only'
  | 'llgr-stale'
  | 'local'
  | 'local-pref'
  | 'as-path-length'
  | 'origin'
  | 'med'
  | 'external'
  | 'igp-cost'
  | 'router-id'
  | 'cluster-length'
  | 'peer-address'
  | 'path-id'

/** How the decision may differ from the RFC's, and what it asks the world. */
export interface BestPathOptions {
  /** Compares MED between paths of different neighbouring ASes too. Default `false`. */
  readonly alwaysCompareMed?: boolean
  /** Interior cost of the next hop of an attribute set (step e); `undefined`: it cannot be reached, and the path is not usable. Default: 0 for all. */
  readonly costOf?: (set: number) => number | undefined
  /** Paths that may be used beside the best one, it included. Default 1. */
  readonly multipath?: number
  /** Paths of different neighbouring ASes may be used beside each other. Default `false`. */
  readonly multipathRelax?: boolean
}

/** The outcome for one destination. */
export interface BestPath {
  /** Slot, or 0 when no path is usable. */
  readonly path: number
  readonly step: BestPathStep
  /** Slots of the paths that are as good as the best by every step before `router-id`, the best first; no more than were asked for. */
  readonly multipath: readonly number[]
}

type Rank = (path: number) => number

/** What became of each path that took part: it lost at a step. */
export type Eliminations = Map<number, BestPathStep>

/**
 * The best of the live and valid paths to a destination (RFC 4271 §9.1.2.2, RFC 4456 §9). Each step keeps the paths that are best by it, so
 * that the outcome depends on the set of paths only and never on their order; MED is compared within each neighbouring AS.
 *
 * @param lost is told the step at which each path but the best one was left behind
 * @param among paths that take part. Default: all of the destination.
 */
export function bestPath(
  table: RibTable,
  destination: number,
  originOf: (peer: number) => PathOrigin,
  options: BestPathOptions = {},
  lost?: Eliminations,
  among: readonly number[] = table.pathsOf(destination),
): BestPath {
  const { alwaysCompareMed = false, costOf } = options
  let paths = among.filter((path) => isUsable(table, path, costOf))
  if (paths.length === 0) return { path: 0, step: 'only', multipath: [] }
  if (paths.length === 1) return { path: paths[0], step: 'only', multipath: paths }
  const { sets } = table
  const origin = (path: number): PathOrigin => originOf(table.peerOf(path))
  let last: BestPathStep = 'only'
  const keep = (step: BestPathStep, kept: number[]): void => {
    if (kept.length === paths.length) return
    if (lost !== undefined) for (const path of paths) if (!kept.includes(path)) lost.set(path, step)
    paths = kept
    last = step
  }
  const steps = (ranks: readonly (readonly [BestPathStep, Rank])[]): void => {
    for (const [step, rank] of ranks) if (paths.length > 1) keep(step, lowest(paths, rank))
  }
  steps([
    ['llgr-stale', (path) => (table.has(path, PATH.llgrStale) ? 1 : 0)],
    ['local', (path) => (origin(path).local ? 0 : 1)],
    ['local-pref', (path) => -sets.localPref(table.setOf(path))],
    ['as-path-length', (path) => sets.asPathLength(table.setOf(path))],
    ['origin', (path) => sets.origin(table.setOf(path))],
  ])
  if (paths.length > 1) keep('med', lowestMed(table, paths, alwaysCompareMed))
  steps([['external', (path) => (origin(path).external ? 0 : 1)]])
  if (costOf !== undefined) steps([['igp-cost', (path) => costOf(table.setOf(path)) ?? Infinity]])
  const equal = paths
  steps([
    ['router-id', (path) => sets.originatorId(table.setOf(path)) || origin(path).routerId],
    ['cluster-length', (path) => sets.clusterLength(table.setOf(path))],
    ['peer-address', (path) => origin(path).rank],
    ['path-id', (path) => table.pathIdOf(path)],
  ])
  return { path: paths[0], step: last, multipath: beside(table, paths[0], equal, options) }
}

/** Whether a path can take part in the decision. */
export function isUsable(table: RibTable, path: number, costOf: BestPathOptions['costOf']): boolean {
  if (table.has(path, GONE | INVALID)) return false
  return costOf === undefined || costOf(table.setOf(path)) !== undefined
}

/** The best path and those that may be used beside it. */
function beside(table: RibTable, best: number, equal: readonly number[], options: BestPathOptions): number[] {
  const { multipath = 1, multipathRelax = false } = options
  if (multipath <= 1) return [best]
  const as = table.sets.neighborAs(table.setOf(best))
  const others = equal.filter((path) => path !== best && (multipathRelax || table.sets.neighborAs(table.setOf(path)) === as))
  return [best, ...others.sort((a, b) => a - b)].slice(0, multipath)
}

function lowest(paths: readonly number[], rank: Rank): number[] {
  let best = Infinity
  let kept: number[] = []
  for (const path of paths) {
    const value = rank(path)
    if (value > best) continue
    if (value < best) kept = []
    best = value
    kept.push(path)
  }
  return kept
}

/** Takes out each path beside which there is one of the same neighbouring AS with a lower MED (RFC 4271 §9.1.2.2 c). */
function lowestMed(table: RibTable, paths: readonly number[], anyAs: boolean): number[] {
  const { sets } = table
  const asOf = (path: number): number => (anyAs ? 0 : sets.neighborAs(table.setOf(path)))
  const lowestOf = new Map<number, number>()
  for (const path of paths) lowestOf.set(asOf(path), Math.min(sets.med(table.setOf(path)), lowestOf.get(asOf(path)) ?? Infinity))
  return paths.filter((path) => sets.med(table.setOf(path)) === lowestOf.get(asOf(path)))
}
