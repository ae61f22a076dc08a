import type { PathAttributes } from '../attribute/path-attributes.js'
import type { DecodeOptions } from '../message/options.js'
import type { NlriSpan, ReachSpan, UpdateView } from '../message/update-view.js'
import { walkUpdate } from '../message/update-view.js'
import { endOfRibOf, readNextHop } from '../message/update.js'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { isVisitable, visitNlri } from '../nlri/visit.js'
import type { AttributeSet } from '../attribute/attribute-set.js'
import { MARK, marksOf } from '../attribute/marks.js'
import { NormalForm } from '../attribute/normal-form.js'
import { importOctets } from '../policy/import-octets.js'
import { importDependsOnNlri, importSet, type ImportRules } from '../policy/import-rules.js'
import { PATH, type RibTable } from '../rib/rib-table.js'
import { decodeAttributes, type AttributesResult } from '../validate/attributes.js'
import { strongestHandling, type BgpError } from '../validate/bgp-error.js'
import { checkNlriFields, judgeUpdate } from '../validate/update.js'
import type { InvalidReason } from './route.js'
import { familiesOf, fieldBytes, fieldsOf, sameAttributes } from './update-fields.js'

/** What taking in an UPDATE led to. */
export interface IngestResult {
  /** All that was wrong with the message. */
  readonly errors: readonly BgpError[]
  /** The session must end because of this. */
  readonly reset?: BgpError
  /** Families that are not to be exchanged any more (RFC 7606 §2, AFI/SAFI disable). */
  readonly disable?: readonly Family[]
  readonly endOfRib?: Family
  /** Families whose routes may have changed. */
  readonly touched: readonly Family[]
}

/** What the UPDATEs of one session are taken in with. */
export interface IngestContext {
  /** Index of the peer in the tables. */
  readonly peer: number
  readonly options: DecodeOptions
  readonly rules: ImportRules
  /** The table of a family that was negotiated and not disabled. */
  tableOf(family: Family): RibTable | undefined
}

/** A set as it counts, and what the peer sent where that is another: each with a reference. */
interface Imported {
  readonly set: number
  /** 0: the same. */
  readonly received: number
  readonly invalid: InvalidReason | undefined
}

/**
 * Takes the UPDATEs of one session into the tables: walk, attributes (kept from the last message when they are the same octets), verdict, then
 * the routes. Nothing of a message is applied unless all of it can be read.
 */
export class Ingest {
  #lastView: UpdateView | undefined
  #lastAttributes: AttributesResult | undefined
  readonly #normal = new NormalForm()
  readonly #keys = new Map<RibTable, Uint32Array>()

  constructor(private context: IngestContext) {}

  /** Other rules from here on; see `reimport` for what is there already. */
  use(rules: ImportRules): void {
    this.context = { ...this.context, rules }
  }

  /** @param bytes a whole message of type UPDATE whose header has been checked */
  take(bytes: Uint8Array): IngestResult {
    const { options } = this.context
    const walked = walkUpdate(bytes, options)
    if (!walked.ok) return reset(walked.error)
    const { view } = walked
    return this.#takeOctets(view) ?? this.#takeValues(view)
  }

  /** The way of most messages: nothing is wrong, and nothing has to be looked at but octets. @returns nothing when values are needed */
  #takeOctets(view: UpdateView): IngestResult | undefined {
    const { asn4 = true, peerType = 'ebgp' } = this.context.options
    if (!this.#normal.take(view, { asn4, peerType }) || checkNlriFields(view) !== undefined) return undefined
    for (const { family } of view.unreach) if (!isVisitable(family)) return undefined
    const taken: (Uint8Array | undefined)[] = []
    for (const span of view.reach) {
      const octets = isVisitable(span.family) ? this.#normal.of(view, span) : undefined
      if (octets === undefined) return undefined
      // what the normal form gives is gone with its next field
      taken.push(view.reach.length === 1 ? octets : octets.slice())
    }
    for (const span of view.unreach) this.#withdraw(view, span, undefined)
    view.reach.forEach((span, at) => {
      const table = this.context.tableOf(span.family)
      const octets = taken[at]
      if (table !== undefined && octets !== undefined) this.#announce(view, span, table, table.sets.internOctets(octets), octets)
    })
    return result(view, NO_ERRORS)
  }

  #takeValues(view: UpdateView): IngestResult {
    const { attributes, errors: attributeErrors } = this.#attributes(view)
    const errors = [...judgeUpdate(view, attributes, attributeErrors)]
    const fatal = errors.find((error) => error.handling === 'session-reset')
    if (fatal !== undefined) return { ...reset(fatal), errors }
    const values = fieldsOf(view, errors)
    if ('handling' in values) return { ...reset(values), errors: [...errors, values] }
    const handling = strongestHandling(errors)
    if (handling === 'afi-safi-disable') return { errors, disable: familiesOf(view), touched: [] }
    for (const span of view.unreach) this.#withdraw(view, span, values.get(span))
    if (handling === 'treat-as-withdraw') for (const span of view.reach) this.#withdraw(view, span, values.get(span))
    else for (const span of view.reach) this.#announceValues(view, span, attributes, values.get(span))
    return result(view, errors)
  }

  /** Attribute values, from the last message when its attributes were the same octets: a dump repeats them. */
  #attributes(view: UpdateView): AttributesResult {
    if (this.#lastView !== undefined && this.#lastAttributes !== undefined && sameAttributes(this.#lastView, view)) {
      return this.#lastAttributes
    }
    this.#lastView = view
    this.#lastAttributes = decodeAttributes(view, this.context.options)
    return this.#lastAttributes
  }

  #announceValues(view: UpdateView, span: ReachSpan, attributes: PathAttributes, values: readonly Nlri[] | undefined): void {
    const table = this.context.tableOf(span.family)
    if (table === undefined) return
    const value = this.#setOf(view, span, attributes)
    const received = table.sets.intern(value)
    this.#announce(view, span, table, received, table.sets.bytes(received).slice(), value, values)
  }

  /**
   * @param received what the peer sent; its reference is taken over
   * @param octets its canonical form
   * @param value it as a value, where it is at hand
   * @param values the routes as values, where no visitor can walk them
   */
  #announce(
    view: UpdateView,
    span: ReachSpan,
    table: RibTable,
    received: number,
    octets: Uint8Array,
    value?: AttributeSet,
    values?: readonly Nlri[],
  ): void {
    const key = this.#keyOf(table)
    const { peer, rules } = this.context
    const { sets } = table
    const llgrStale = (marksOf(octets) & MARK.llgrStale) !== 0
    const single = importDependsOnNlri(rules)
    let common: Imported | undefined
    const add = (pathId: number, data: number): void => {
      if (single || common === undefined) {
        if (common !== undefined) this.#release(table, common)
        const nlri = rules.policy === undefined ? undefined : table.key.toNlri(key, 0, data, pathId)
        common = this.#import(table, received, octets, nlri, value)
      }
      const { set, invalid } = common
      sets.retain(set)
      if (common.received !== 0) sets.retain(common.received)
      const path = table.announce(peer, key, pathId, data, set, invalid, common.received)
      if (llgrStale) table.flag(path, PATH.llgrStale, true)
    }
    if (values === undefined) {
      const field = fieldBytes(view, span)
      visitNlri(span.family, field, { addPath: span.addPath, withdraw: false }, (cursor) => {
        table.key.fromCursor(cursor, key)
        add(cursor.pathId, table.key.dataFromCursor(cursor, field))
      })
    } else {
      for (const nlri of values) {
        table.key.fromNlri(nlri, key)
        add('pathId' in nlri ? (nlri.pathId ?? 0) : 0, table.key.dataFromNlri(nlri))
      }
    }
    if (common !== undefined) this.#release(table, common)
    sets.release(received)
  }

  #withdraw(view: UpdateView, span: NlriSpan, values: readonly Nlri[] | undefined): void {
    const table = this.context.tableOf(span.family)
    if (table === undefined) return
    const key = this.#keyOf(table)
    const { peer } = this.context
    if (values === undefined) {
      visitNlri(span.family, fieldBytes(view, span), { addPath: span.addPath, withdraw: true }, (cursor) => {
        table.key.fromCursor(cursor, key)
        table.withdraw(peer, key, cursor.pathId)
      })
      return
    }
    for (const nlri of values) {
      table.key.fromNlri(nlri, key)
      table.withdraw(peer, key, 'pathId' in nlri ? (nlri.pathId ?? 0) : 0)
    }
  }

  #setOf(view: UpdateView, span: ReachSpan, attributes: PathAttributes): AttributeSet {
    const { nextHop: own, ...rest } = attributes
    const hop = span.multiprotocol ? readNextHop(view, span) : own === undefined ? {} : { nextHop: { address: own } }
    return { attributes: rest, ...('code' in hop ? {} : hop) }
  }

  /** What is made of a path with attributes as received. @param value the same as a value, where it is at hand */
  #import(table: RibTable, received: number, octets: Uint8Array, nlri: Nlri | undefined, value?: AttributeSet): Imported {
    const { sets, family } = table
    const { rules } = this.context
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

  #release({ sets }: RibTable, { set, received }: Imported): void {
    sets.release(set)
    if (received !== 0) sets.release(received)
  }

  /** What rules make of the paths that are there is something else now. */
  reimport(table: RibTable): void {
    const { peer, rules } = this.context
    for (const path of table.peerPaths(peer)) {
      const nlri = rules.policy === undefined ? undefined : table.nlriOf(path)
      const before = table.receivedOf(path)
      const { set, invalid, received } = this.#import(table, before, table.sets.bytes(before), nlri)
      table.reimport(path, set, invalid, received)
    }
  }

  #keyOf(table: RibTable): Uint32Array {
    let key = this.#keys.get(table)
    if (key === undefined) {
      key = table.newKey()
      this.#keys.set(table, key)
    }
    return key
  }
}

const NO_ERRORS: readonly BgpError[] = []

function result(view: UpdateView, errors: readonly BgpError[]): IngestResult {
  const endOfRib = endOfRibOf(view)
  return endOfRib === undefined ? { errors, touched: familiesOf(view) } : { errors, touched: familiesOf(view), endOfRib }
}

function reset(error: BgpError): IngestResult {
  return { errors: [error], reset: error, touched: [] }
}
