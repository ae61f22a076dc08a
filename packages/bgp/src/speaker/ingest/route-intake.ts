import type { AttributeSet } from '../../attribute/attribute-set.js'
import { MARK, marksOf } from '../../attribute/marks.js'
import type { Family } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import type { NlriMode } from '../../nlri/nlri-mode.js'
import { NlriCursor, visitNlriWithin } from '../../nlri/visit.js'
import { importOctets } from '../../policy/import-octets.js'
import { importDependsOnNlri, importSet, type ImportRules } from '../../policy/import-rules.js'
import type { RibTable } from '../../rib/rib-table.js'
import { PeerRoutes, type AnnouncedPath } from '../../rib/peer-routes.js'

/** A field of NLRI within a message. */
export interface RouteField {
  readonly family: Family
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
  readonly mode: NlriMode
}

/**
 * What is made of a path with attributes as received: with a reference to each set.
 *
 * @param octets canonical form of what was received: the first `size` of these
 * @param value the same as a value, where it is at hand
 */
export function importReceived(
  { sets, family }: RibTable,
  rules: ImportRules,
  received: number,
  octets: Uint8Array,
  size: number,
  nlri: Nlri | undefined,
  value?: AttributeSet,
): AnnouncedPath {
  const verdict = importOctets(octets, rules, size)
  const llgrStale = (marksOf(octets, 0, size) & MARK.llgrStale) !== 0
  if (verdict !== 'values') {
    sets.retain(received)
    return { set: received, received: 0, invalid: verdict, llgrStale }
  }
  const { set, invalid } = importSet(value ?? sets.get(received), family, nlri, rules, size)
  const id = sets.intern(set)
  if (id !== received) sets.retain(received)
  return { set: id, received: id === received ? 0 : received, invalid, llgrStale }
}

/**
 * Puts the routes of a peer's UPDATEs into the tables, one field after the other, many routes at a time: they are there after `apply`. What import rules
 * make of its attributes is found out once a field, unless it depends on the route. The visitors are made once a session: a table is a hundred thousand
 * fields.
 */
export class RouteIntake {
  readonly #batches = new Map<RibTable, PeerRoutes>()
  readonly #cursor = new NlriCursor()
  #batch: PeerRoutes | undefined
  /* The field that is taken in. */
  #table!: RibTable
  #key!: Uint32Array
  #bytes!: Uint8Array
  #rules!: ImportRules
  #received = 0
  #octets!: Uint8Array
  #size = 0
  #value: AttributeSet | undefined
  #single = false
  #common: AnnouncedPath | undefined

  constructor(private readonly peer: number) {}

  /**
   * @param received what the peer sent; its reference is taken over
   * @param octets its canonical form: the first `size` of these
   * @param value it as a value, where it is at hand
   * @param values the routes as values, where no visitor can walk them
   */
  announce(
    field: RouteField,
    table: RibTable,
    rules: ImportRules,
    received: number,
    octets: Uint8Array,
    size: number,
    value?: AttributeSet,
    values?: readonly Nlri[],
  ): void {
    try {
      const batch = this.#begin(table, field.bytes)
      this.#rules = rules
      this.#received = received
      this.#octets = octets
      this.#size = size
      this.#value = value
      this.#single = importDependsOnNlri(rules)
      if (values === undefined)
        visitNlriWithin(field.family, field.bytes, field.from, field.to, field.mode, this.#announceEntry, this.#cursor)
      else {
        for (const nlri of values) {
          table.key.fromNlri(nlri, this.#key)
          this.#add(batch, 'pathId' in nlri ? (nlri.pathId ?? 0) : 0, table.key.dataFromNlri(nlri))
        }
      }
    } finally {
      // what was made of these attributes must not be taken for what is made of the next field's
      this.#forgetCommon()
      table.sets.release(received)
    }
  }

  withdraw(field: RouteField, table: RibTable, values: readonly Nlri[] | undefined): void {
    const batch = this.#begin(table, field.bytes)
    if (values === undefined) {
      visitNlriWithin(field.family, field.bytes, field.from, field.to, field.mode, this.#withdrawEntry, this.#cursor)
      return
    }
    for (const nlri of values) {
      table.key.fromNlri(nlri, this.#key)
      batch.withdraw('pathId' in nlri ? (nlri.pathId ?? 0) : 0)
    }
  }

  /** Brings into the tables what was taken in. */
  apply(): void {
    this.#batch?.apply()
  }

  readonly #announceEntry = (cursor: NlriCursor): void => {
    const { key } = this.#table
    key.fromCursor(cursor, this.#key)
    this.#add(this.#batch as PeerRoutes, cursor.pathId, key.dataFromCursor(cursor, this.#bytes))
  }

  readonly #withdrawEntry = (cursor: NlriCursor): void => {
    this.#table.key.fromCursor(cursor, this.#key)
    this.#batch?.withdraw(cursor.pathId)
  }

  #begin(table: RibTable, bytes: Uint8Array): PeerRoutes {
    this.#bytes = bytes
    if (this.#batch !== undefined && table === this.#table) return this.#batch
    this.apply()
    this.#table = table
    let batch = this.#batches.get(table)
    if (batch === undefined) this.#batches.set(table, (batch = new PeerRoutes(table, this.peer)))
    this.#key = batch.key
    return (this.#batch = batch)
  }

  #add(batch: PeerRoutes, pathId: number, data: number): void {
    batch.announce(pathId, data, this.#imported(pathId, data))
  }

  #imported(pathId: number, data: number): AnnouncedPath {
    if (this.#common !== undefined && !this.#single) return this.#common
    this.#forgetCommon()
    const table = this.#table
    const rules = this.#rules
    const nlri = rules.policy === undefined ? undefined : table.key.toNlri(this.#key, 0, data, pathId)
    return (this.#common = importReceived(table, rules, this.#received, this.#octets, this.#size, nlri, this.#value))
  }

  #forgetCommon(): void {
    const common = this.#common
    if (common === undefined) return
    this.#common = undefined
    const { sets } = this.#table
    sets.release(common.set)
    if (common.received !== 0) sets.release(common.received)
  }
}
