import type { IpAddress } from '@heddle/wire'
import { PATH, type RibTable } from './rib-table.js'

/** What the decision process must know of whoever gave a path. */
export interface PathOrigin {
  /** In another AS. */
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

/** The step that left a single path (RFC 4271 §9.1.2.2; `local` first, `cluster-length` by RFC 4456 §9). */
export type BestPathStep =
  | 'only'
  | 'local'
  | 'local-pref'
  | 'as-path-length'
  | 'origin'
  | 'med'
  | 'external'
  | 'router-id'
  | 'cluster-length'
  | 'peer-address'

/** The outcome for one destination. */
export interface BestPath {
  /** Slot, or 0 when no path is usable. */
  readonly path: number
  readonly step: BestPathStep
}

type Rank = (path: number) => number

/**
 * The best of the live and valid paths to a destination (RFC 4271 §9.1.2.2, RFC 4456 §9). Each step keeps the paths that are best by it, so
 * that the outcome depends on the set of paths only and never on their order; MED is compared within each neighbouring AS.
 */
export function bestPath(table: RibTable, destination: number, originOf: (peer: number) => PathOrigin): BestPath {
  let paths = table.pathsOf(destination).filter((path) => table.invalidOf(path) === undefined && !table.has(path, PATH.dead))
  if (paths.length <= 1) return { path: paths[0] ?? 0, step: 'only' }
  const { sets } = table
  const origin = (path: number): PathOrigin => originOf(table.peerOf(path))
  const ranks: readonly (readonly [BestPathStep, Rank])[] = [
    ['local', (path) => (origin(path).local ? 0 : 1)],
    ['local-pref', (path) => -sets.localPref(table.setOf(path))],
    ['as-path-length', (path) => sets.asPathLength(table.setOf(path))],
    ['origin', (path) => sets.origin(table.setOf(path))],
  ]
  for (const [step, rank] of ranks) {
    paths = lowest(paths, rank)
    if (paths.length === 1) return { path: paths[0], step }
  }
  paths = lowestMed(table, paths)
  if (paths.length === 1) return { path: paths[0], step: 'med' }
  const last: readonly (readonly [BestPathStep, Rank])[] = [
    ['external', (path) => (origin(path).external ? 0 : 1)],
    ['router-id', (path) => sets.originatorId(table.setOf(path)) || origin(path).routerId],
    ['cluster-length', (path) => sets.clusterLength(table.setOf(path))],
    ['peer-address', (path) => origin(path).rank],
  ]
  for (const [step, rank] of last) {
    paths = lowest(paths, rank)
    if (paths.length === 1) return { path: paths[0], step }
  }
  paths = lowest(paths, (path) => table.pathIdOf(path))
  return { path: paths[0], step: 'peer-address' }
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
function lowestMed(table: RibTable, paths: readonly number[]): number[] {
  const { sets } = table
  const lowestOf = new Map<number, number>()
  for (const path of paths) {
    const set = table.setOf(path)
    const as = sets.neighborAs(set)
    lowestOf.set(as, Math.min(sets.med(set), lowestOf.get(as) ?? Infinity))
  }
  return paths.filter((path) => {
    const set = table.setOf(path)
    return sets.med(set) === lowestOf.get(sets.neighborAs(set))
  })
}
