import type { AttributeSet } from '../attribute/attribute-set.js'
import { MARK, marksOf } from '../attribute/marks.js'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import type { NlriMode } from '../nlri/nlri-mode.js'
import { NlriCursor, visitNlriWithin } from '../nlri/visit.js'
import { importOctets } from '../policy/import-octets.js'
import { importDependsOnNlri, importSet, type ImportRules } from '../policy/import-rules.js'
import { PATH, type RibTable } from '../rib/rib-table.js'
import type { InvalidReason } from './route.js'

/** A field of NLRI within a message. */
export interface RouteField {
  readonly family: Family
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
  readonly mode: NlriMode
}

/** A set as it counts, and what the peer sent where that is another: each with a reference. */
export interface Imported {
  readonly set: number
  /** 0: the same. */
  readonly received: number
  readonly invalid: InvalidReason | undefined
}

/** What is made of a path with attributes as received. @param value the same as a value, where it is at hand */
export function importReceived(
  { sets, family }: RibTable,
  rules: ImportRules,
  received: number,
  octets: Uint8Array,
  nlri: Nlri | undefined,
  value?: AttributeSet,
): Imported {
  const verdict = importOctets(octets, rules)
  if (verdict !== 'values') {
    sets.retain(received)
    return { set: received, received: 0, invalid: verdict }
  }
  const { set, invalid } = importSet(value ?? sets.get(received), family, nlri, rules, octets.length)
  const id = sets.intern(set)
  if (id !== received) sets.retain(received)
  return { set: id, received: id === received ? 0 : received, invalid }
}

/**
 * Puts the routes of a peer's UPDATEs into the tables, one field at a time. What import rules make of its attributes is found out once a field,
 * unless it depends on the route. The visitors are made once a session: a table is a hundred thousand fields.
 */
export class RouteIntake {
  readonly #keys = new Map<RibTable, Uint32Array>()
  readonly #cursor = new NlriCursor()
  /* The field that is taken in. */
  #table!: RibTable
  #key!: Uint32Array
  #bytes!: Uint8Array
  #rules!: ImportRules
  #received = 0
  #octets!: Uint8Array
  #value: AttributeSet | undefined
  #llgrStale = false
  #single = false
  #common: Imported | undefined

  constructor(private readonly peer: number) {}

  /**
   * @param received what the peer sent; its reference is taken over
   * @param octets its canonical form
   * @param value it as a value, where it is at hand
   * @param values the routes as values, where no visitor can walk them
   */
  announce(
    field: RouteField,
    table: RibTable,
    rules: ImportRules,
    received: number,
    octets: Uint8Array,
    value?: AttributeSet,
    values?: readonly Nlri[],
  ): void {
    this.#begin(table, field.bytes)
    this.#rules = rules
    this.#received = received
    this.#octets = octets
    this.#value = value
    this.#llgrStale = (marksOf(octets) & MARK.llgrStale) !== 0
    this.#single = importDependsOnNlri(rules)
    if (values === undefined)
      visitNlriWithin(field.family, field.bytes, field.from, field.to, field.mode, this.#announceEntry, this.#cursor)
    else {
      for (const nlri of values) {
        table.key.fromNlri(nlri, this.#key)
        this.#add('pathId' in nlri ? (nlri.pathId ?? 0) : 0, table.key.dataFromNlri(nlri))
      }
    }
    this.#forgetCommon()
    table.sets.release(received)
  }

  withdraw(field: RouteField, table: RibTable, values: readonly Nlri[] | undefined): void {
    this.#begin(table, field.bytes)
    if (values === undefined) {
      visitNlriWithin(field.family, field.bytes, field.from, field.to, field.mode, this.#withdrawEntry, this.#cursor)
      return
    }
    for (const nlri of values) {
      table.key.fromNlri(nlri, this.#key)
      table.withdraw(this.peer, this.#key, 'pathId' in nlri ? (nlri.pathId ?? 0) : 0)
    }
  }

  readonly #announceEntry = (cursor: NlriCursor): void => {
    const { key } = this.#table
    key.fromCursor(cursor, this.#key)
    this.#add(cursor.pathId, key.dataFromCursor(cursor, this.#bytes))
  }

  readonly #withdrawEntry = (cursor: NlriCursor): void => {
    this.#table.key.fromCursor(cursor, this.#key)
    this.#table.withdraw(this.peer, this.#key, cursor.pathId)
  }

  #begin(table: RibTable, bytes: Uint8Array): void {
    this.#bytes = bytes
    if (table === this.#table) return
    this.#table = table
    let key = this.#keys.get(table)
    if (key === undefined) this.#keys.set(table, (key = table.newKey()))
    this.#key = key
  }

  #add(pathId: number, data: number): void {
    const table = this.#table
    const { set, received, invalid } = this.#imported(pathId, data)
    table.sets.retain(set)
    if (received !== 0) table.sets.retain(received)
    const path = table.announce(this.peer, this.#key, pathId, data, set, invalid, received)
    if (this.#llgrStale) table.flag(path, PATH.llgrStale, true)
  }

  #imported(pathId: number, data: number): Imported {
    if (this.#common !== undefined && !this.#single) return this.#common
    this.#forgetCommon()
    const table = this.#table
    const rules = this.#rules
    const nlri = rules.policy === undefined ? undefined : table.key.toNlri(this.#key, 0, data, pathId)
    return (this.#common = importReceived(table, rules, this.#received, this.#octets, nlri, this.#value))
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
