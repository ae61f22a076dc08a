import type { AttributeSet } from '../attribute/attribute-set.js'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { LOCAL, type RibTable } from '../rib/rib-table.js'
import type { PlacedTable, TableAccess, TableObserver } from '../speaker/table/table-observers.js'

/** Tables that a station is told of without asking the sessions: Adj-RIB-In before and after policy (RFC 7854 §5), and Loc-RIB (RFC 9069). */
export type MonitoredTable = 'adj-in-pre' | 'adj-in-post' | 'loc-rib'

/** Routes of one table and peer that are alike: all announced with the same attributes, or all withdrawn. */
export interface MonitoredGroup {
  readonly of: MonitoredTable
  /** The peer's address; `local` for Loc-RIB. */
  readonly peer: string
  /** The VRF that the table is in. */
  readonly vrf: string | undefined
  readonly family: Family
  /** Absent: withdrawn. */
  readonly set?: AttributeSet
  readonly nlri: readonly Nlri[]
}

/** What of one table is to be told. */
interface Progress {
  readonly vrf: string | undefined
  /** Slot of the first destination that has not been looked at for the first time. What changes from there on is told when it is. */
  cursor: number
  /** Peers and path identifiers, in turn, of paths that have changed, by destination. */
  readonly paths: Map<number, number[]>
  /** Destinations whose best path has changed. */
  readonly best: Set<number>
}

/**
 * What a station is to be told of the tables: everything that is there, and then what changes. It remembers which paths have changed and not how, so
 * that what waits is bounded by the paths that there are, and a slow reader gets the newest state of each.
 */
export class MonitoredTables implements TableObserver {
  readonly #progress = new Map<RibTable, Progress>()

  /**
   * @param wanted tables that are asked for
   * @param isHeard whether the station knows of a peer; paths of others are passed over
   * @param changed there is something to take
   */
  constructor(
    private readonly wanted: ReadonlySet<MonitoredTable>,
    private readonly isHeard: (peer: string, vrf: string | undefined) => boolean,
    private readonly changed: () => void,
  ) {}

  path(table: RibTable, path: number, vrf: string | undefined): void {
    const destination = table.destinationOf(path)
    const progress = this.#of(table, vrf)
    if (destination >= progress.cursor) this.changed()
    else if (table.peerOf(path) !== LOCAL) this.#mark(table, progress, destination, table.peerOf(path), table.pathIdOf(path))
  }

  best(table: RibTable, destination: number, vrf: string | undefined): void {
    const { best, cursor } = this.#of(table, vrf)
    if (!this.wanted.has('loc-rib') || best.has(destination)) return
    if (destination >= cursor) return this.changed()
    table.hold(destination)
    best.add(destination)
    this.changed()
  }

  /** All of a peer's paths are to be told again: it is up. */
  peerUp(table: RibTable, vrf: string | undefined, peer: number): void {
    const progress = this.#of(table, vrf)
    for (const path of table.peerPaths(peer)) {
      const destination = table.destinationOf(path)
      if (destination < progress.cursor) this.#mark(table, progress, destination, peer, table.pathIdOf(path))
    }
  }

  /**
   * Takes what is to be told next.
   *
   * @param limit destinations and paths that are looked at, about
   */
  take(access: TableAccess, limit: number): MonitoredGroup[] {
    const groups = new Groups(access)
    let left = limit
    for (const { table, vrf } of access.tables()) {
      const progress = this.#of(table, vrf)
      left -= this.#takeChanged(table, progress, left, groups)
      for (; progress.cursor < table.slots && left > 0; left--) this.#look(table, progress, progress.cursor++, groups)
      if (left <= 0) break
    }
    return groups.all()
  }

  /** Whether everything of a table was told. */
  isDone(table: RibTable): boolean {
    const { cursor, paths, best } = this.#progress.get(table) ?? { cursor: 0, paths: new Map(), best: new Set() }
    return cursor >= table.slots && paths.size === 0 && best.size === 0
  }

  /** Forgets tables that are not there any more, and begins anew with those of some VRFs. */
  follow(tables: Iterable<PlacedTable>, anew: ReadonlySet<string | undefined>): void {
    const there = new Set(Array.from(tables, ({ table }) => table))
    for (const [table, { vrf }] of this.#progress) if (!there.has(table) || anew.has(vrf)) this.#forget(table)
    this.changed()
  }

  /** Forgets everything. */
  clear(): void {
    for (const table of this.#progress.keys()) this.#forget(table)
  }

  #forget(table: RibTable): void {
    const progress = this.#progress.get(table)
    this.#progress.delete(table)
    if (progress !== undefined) for (const destination of [...progress.paths.keys(), ...progress.best]) table.unhold(destination)
  }

  #of(table: RibTable, vrf: string | undefined): Progress {
    const known = this.#progress.get(table)
    if (known !== undefined) return known
    const fresh: Progress = { vrf, cursor: 1, paths: new Map(), best: new Set() }
    this.#progress.set(table, fresh)
    this.changed()
    return fresh
  }

  #mark(table: RibTable, { paths }: Progress, destination: number, peer: number, pathId: number): void {
    const known = paths.get(destination)
    if (known === undefined) {
      table.hold(destination)
      paths.set(destination, [peer, pathId])
      this.changed()
      return
    }
    for (let at = 0; at < known.length; at += 2) if (known[at] === peer && known[at + 1] === pathId) return
    known.push(peer, pathId)
  }

  #takeChanged(table: RibTable, progress: Progress, limit: number, groups: Groups): number {
    let taken = 0
    for (const [destination, changed] of progress.paths) {
      if (taken >= limit) return taken
      progress.paths.delete(destination)
      const live = table.pathsOf(destination)
      for (let at = 0; at < changed.length; at += 2, taken++) {
        const [peer, pathId] = [changed[at], changed[at + 1]]
        const path = live.find((one) => table.peerOf(one) === peer && table.pathIdOf(one) === pathId)
        this.#tellPath(table, progress, { destination, peer, pathId, path }, groups)
      }
      table.unhold(destination)
    }
    for (const destination of progress.best) {
      if (taken >= limit) return taken
      progress.best.delete(destination)
      this.#tellBest(table, progress, destination, true, groups)
      table.unhold(destination)
      taken++
    }
    return taken
  }

  /** A destination for the first time. */
  #look(table: RibTable, progress: Progress, destination: number, groups: Groups): void {
    if (!table.uses(destination)) return
    for (const path of table.pathsOf(destination)) {
      const [peer, pathId] = [table.peerOf(path), table.pathIdOf(path)]
      if (peer !== LOCAL) this.#tellPath(table, progress, { destination, peer, pathId, path }, groups)
    }
    if (this.wanted.has('loc-rib')) this.#tellBest(table, progress, destination, false, groups)
  }

  #tellPath(
    table: RibTable,
    { vrf }: Progress,
    { destination, peer, pathId, path }: { destination: number; peer: number; pathId: number; path: number | undefined },
    groups: Groups,
  ): void {
    if (!this.isHeard(groups.nameOf(peer), vrf)) return
    if (this.wanted.has('adj-in-pre'))
      groups.add('adj-in-pre', { table, vrf }, peer, destination, pathId, path, path === undefined ? 0 : table.receivedOf(path))
    if (!this.wanted.has('adj-in-post')) return
    const counts = path !== undefined && table.invalidOf(path) === undefined
    groups.add('adj-in-post', { table, vrf }, peer, destination, pathId, counts ? path : undefined, counts ? table.setOf(path) : 0)
  }

  #tellBest(table: RibTable, { vrf }: Progress, destination: number, wasTold: boolean, groups: Groups): void {
    const best = table.best(destination)
    if (best === 0 && !wasTold) return
    groups.add('loc-rib', { table, vrf }, LOCAL, destination, 0, best === 0 ? undefined : best, best === 0 ? 0 : table.setOf(best))
  }
}

/** Puts routes that are alike together. */
class Groups {
  readonly #groups = new Map<string, { -readonly [Key in keyof MonitoredGroup]: MonitoredGroup[Key] } & { nlri: Nlri[] }>()

  constructor(private readonly access: TableAccess) {}

  nameOf(peer: number): string {
    return this.access.nameOf(peer)
  }

  add(
    of: MonitoredTable,
    { table, vrf }: PlacedTable,
    peer: number,
    destination: number,
    pathId: number,
    path: number | undefined,
    set: number,
  ): void {
    const key = `${of} ${table.family.key} ${peer} ${set} ${vrf ?? ''}`
    const nlri = table.nlri(destination, path === undefined ? 0 : table.dataOf(path), pathId)
    const group = this.#groups.get(key)
    if (group !== undefined) {
      group.nlri.push(nlri)
      return
    }
    const announced = path === undefined ? {} : { set: table.sets.get(set) }
    this.#groups.set(key, { of, peer: this.nameOf(peer), vrf, family: table.family, ...announced, nlri: [nlri] })
  }

  all(): MonitoredGroup[] {
    return [...this.#groups.values()]
  }
}
