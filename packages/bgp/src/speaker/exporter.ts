import { ValueError } from '@heddle/wire'
import { SAFI } from '../iana.js'
import { encodeEndOfRib, packUpdates, packWithdrawals } from '../message/pack.js'
import type { EncodeOptions } from '../message/options.js'
import { ROUTE_REFRESH_SUBTYPE, encodeRouteRefresh } from '../message/route-refresh.js'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { exportSet, type ExportSignature, type RouteSource } from '../policy/export-rules.js'
import type { RouteTargetFilter } from '../policy/route-target-filter.js'
import { AdjRibOut } from '../rib/adj-rib-out.js'
import type { RibTable } from '../rib/rib-table.js'
import type { Done } from './flush.js'

/** Destinations that one piece of work looks at. */
const PIECE = 512

/** What one session's export needs from its surroundings. */
export interface ExportContext {
  /** Index of the peer in the tables. */
  readonly peer: number
  readonly signature: ExportSignature
  readonly encode: EncodeOptions
  readonly enhancedRefresh: boolean
  sourceOf(peer: number): RouteSource
  /** Whether nothing of the family may be sent yet. */
  held(family: Family): boolean
  /** What the peer wants of VPN families; `undefined`: everything. */
  filter(): RouteTargetFilter | undefined
  /** @returns false when no more should be sent for now */
  write(message: Uint8Array): boolean
  /** The routes could not be put into messages. */
  failed(family: Family, error: ValueError): void
}

/** One family towards one peer. */
interface FamilyExport {
  readonly table: RibTable
  readonly out: AdjRibOut
  endOfRibSent: boolean
  /** An end-of-refresh mark is due when the queue is empty (RFC 7313 §4). */
  refreshing: boolean
}

/** Sends one established peer what it should hold: changes are queued by destination, packed by attribute set, written while the peer takes them. */
export class Exporter {
  readonly #families = new Map<number, FamilyExport>()

  constructor(
    tables: readonly RibTable[],
    private readonly context: ExportContext,
  ) {
    for (const table of tables) {
      const out = new AdjRibOut(table)
      for (const destination of table.destinations()) if (table.best(destination) !== 0) out.enqueue(destination)
      this.#families.set(table.family.key, { table, out, endOfRibSent: false, refreshing: false })
    }
  }

  /** The best path of a destination is another one. */
  changed(table: RibTable, destination: number): void {
    this.#families.get(table.family.key)?.out.enqueue(destination)
  }

  /** Looks at every destination of the family again; with `force` all of it is sent again. */
  reconsider(family: Family, force: boolean): void {
    const entry = this.#families.get(family.key)
    if (entry === undefined) return
    for (const destination of entry.out.destinations()) entry.out.enqueue(destination, force)
    for (const destination of entry.table.destinations()) if (entry.table.best(destination) !== 0) entry.out.enqueue(destination, force)
  }

  /** Answers a ROUTE-REFRESH (RFC 2918 §4, RFC 7313 §4). */
  refresh(family: Family): void {
    const entry = this.#families.get(family.key)
    if (entry === undefined) return
    if (this.context.enhancedRefresh && entry.endOfRibSent) {
      this.context.write(encodeRouteRefresh({ type: 'route-refresh', family, subtype: ROUTE_REFRESH_SUBTYPE.begin }))
      entry.refreshing = true
    }
    this.reconsider(family, true)
  }

  /** Destinations of the family that the peer holds. */
  sent(family: Family): number {
    return this.#families.get(family.key)?.out.sent ?? 0
  }

  adjRibOut(family: Family): AdjRibOut | undefined {
    return this.#families.get(family.key)?.out
  }

  /** One piece of work. @returns whether there is more that may be sent now */
  run(): boolean {
    for (const entry of this.#families.values()) {
      if (this.context.held(entry.table.family)) continue
      if (entry.out.pending > 0) {
        const writable = this.#send(entry)
        return writable
      }
      this.#finish(entry)
    }
    return false
  }

  /** @returns tells whether what waits now has been written, as far as it may be sent at all */
  backlog(): Done {
    const goals = [...this.#families.values()].map(({ table, out }) => ({ family: table.family, out, goal: out.taken + out.pending }))
    return () => goals.every(({ family, out, goal }) => out.taken >= goal || this.context.held(family))
  }

  /** The session is over. */
  close(): void {
    for (const { out } of this.#families.values()) out.clear()
  }

  /** The queue is empty: marks that wait for this go out. */
  #finish(entry: FamilyExport): void {
    const { family } = entry.table
    if (!entry.endOfRibSent) {
      entry.endOfRibSent = true
      this.context.write(encodeEndOfRib(family))
    }
    if (entry.refreshing) {
      entry.refreshing = false
      this.context.write(encodeRouteRefresh({ type: 'route-refresh', family, subtype: ROUTE_REFRESH_SUBTYPE.end }))
    }
  }

  #send({ table, out }: FamilyExport): boolean {
    const exported = new Map<number, number>()
    const groups = new Map<number, Nlri[]>()
    const withdrawn: Nlri[] = []
    for (let count = 0; count < PIECE; count++) {
      const destination = out.next()
      if (destination === 0) break
      const best = table.best(destination)
      const set = best === 0 ? 0 : this.#exported(table, best, exported)
      const data = set === 0 ? 0 : table.dataOf(best)
      const nlri = table.nlri(destination, set === 0 ? out.dataOf(destination) : data, 0)
      const action = out.settle(destination, set, data)
      if (action === 'withdraw') withdrawn.push(nlri)
      if (action !== 'announce') continue
      const group = groups.get(set)
      if (group === undefined) groups.set(set, [nlri])
      else group.push(nlri)
    }
    let writable = true
    const { family } = table
    const { encode } = this.context
    for (const message of packWithdrawals(family, withdrawn, encode)) writable = this.context.write(message)
    for (const [set, nlri] of groups) for (const message of this.#pack(table, set, nlri)) writable = this.context.write(message)
    for (const set of exported.values()) if (set !== 0) table.sets.release(set)
    return writable
  }

  #pack(table: RibTable, set: number, nlri: readonly Nlri[]): Uint8Array[] {
    const { family } = table
    const { encode } = this.context
    try {
      return packUpdates({ family, ...table.sets.get(set), nlri }, encode)
    } catch (error) {
      if (!(error instanceof ValueError)) throw error
      this.context.failed(family, error) // RFC 4271 §9.2: what does not fit is not announced
      return packWithdrawals(family, nlri, encode)
    }
  }

  /** The set with which a path goes out, or 0; once per set and source in a piece of work, which holds the reference. */
  #exported(table: RibTable, path: number, exported: Map<number, number>): number {
    const { context } = this
    const peer = table.peerOf(path)
    const membership = table.family.safi === SAFI.rtc
    if (peer === context.peer && !(membership && context.signature.client && context.signature.peerType === 'ibgp')) return 0
    const set = table.setOf(path)
    const key = set * 0x1_0000 + peer
    const known = exported.get(key)
    if (known !== undefined) return known
    const value = table.sets.get(set)
    const isVpn = table.family.safi === SAFI.vpn || table.family.safi === SAFI.evpn
    const unwanted = isVpn && context.filter()?.wants(value.attributes.extendedCommunities) === false
    const result = unwanted ? undefined : exportSet(value, table.family, context.sourceOf(peer), context.signature)
    const out = result === undefined || 'refused' in result ? 0 : table.sets.intern(result.set)
    exported.set(key, out)
    return out
  }
}
