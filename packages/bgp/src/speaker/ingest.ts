import { ByteReader, WireError } from '@heddle/wire'
import type { PathAttributes } from '../attribute/path-attributes.js'
import type { DecodeOptions } from '../message/options.js'
import type { NlriSpan, ReachSpan, UpdateView } from '../message/update-view.js'
import { walkUpdate } from '../message/update-view.js'
import { endOfRibOf, readNextHop } from '../message/update.js'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { decodeNlri } from '../nlri/registry.js'
import { isVisitable, visitNlri } from '../nlri/visit.js'
import type { AttributeSet } from '../attribute/attribute-set.js'
import { WELL_KNOWN_COMMUNITY } from '../iana.js'
import { importDependsOnNlri, importSet, type ImportRules } from '../policy/import-rules.js'
import { PATH, type RibTable } from '../rib/rib-table.js'
import { decodeAttributes, type AttributesResult } from '../validate/attributes.js'
import { strongestHandling, type BgpError } from '../validate/bgp-error.js'
import { checkNlriFields, judgeUpdate, nlriEntryError, nlriError, nlriPath } from '../validate/update.js'
import type { InvalidReason } from './route.js'

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
    else for (const span of view.reach) this.#announce(view, span, attributes, values.get(span))
    const endOfRib = endOfRibOf(view)
    return { errors, touched: familiesOf(view), ...(endOfRib === undefined ? {} : { endOfRib }) }
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

  #announce(view: UpdateView, span: ReachSpan, attributes: PathAttributes, values: readonly Nlri[] | undefined): void {
    const table = this.context.tableOf(span.family)
    if (table === undefined) return
    const key = this.#keyOf(table)
    const { peer, rules } = this.context
    const { sets } = table
    const value = this.#setOf(view, span, attributes)
    const received = sets.intern(value)
    const octets = sets.octetsOf(received)
    const llgrStale = attributes.communities?.includes(WELL_KNOWN_COMMUNITY.llgrStale) === true
    const single = importDependsOnNlri(rules)
    let common: Imported | undefined
    const add = (pathId: number, data: number): void => {
      if (single || common === undefined) {
        if (common !== undefined) this.#release(table, common)
        const needed = rules.policy !== undefined || rules.validate !== undefined
        const nlri = needed ? table.key.toNlri(key, 0, data, pathId) : undefined
        common = this.#import(table, importSet(value, span.family, nlri, rules, octets), received)
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

  #import({ sets }: RibTable, { set, invalid }: ReturnType<typeof importSet>, received: number): Imported {
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
    const { sets, family } = table
    for (const path of table.peerPaths(peer)) {
      const received = table.receivedOf(path)
      const result = importSet(sets.get(received), family, table.nlriOf(path), rules, sets.octetsOf(received))
      const imported = this.#import(table, result, received)
      table.reimport(path, imported.set, imported.invalid, imported.received)
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

function reset(error: BgpError): IngestResult {
  return { errors: [error], reset: error, touched: [] }
}

/** Checks every NLRI field and next hop; values of the fields that no visitor walks. Single entries that are malformed go to `errors`. */
function fieldsOf(view: UpdateView, errors: BgpError[]): Map<NlriSpan, readonly Nlri[]> | BgpError {
  const error = checkNlriFields(view)
  if (error !== undefined) return error
  const values = new Map<NlriSpan, readonly Nlri[]>()
  for (const span of view.reach) {
    if (!span.multiprotocol) continue
    const hop = readNextHop(view, span)
    if ('code' in hop) return hop
  }
  for (const [spans, withdraw] of [
    [view.unreach, true],
    [view.reach, false],
  ] as const) {
    for (const span of spans) {
      if (isVisitable(span.family)) continue
      const nlri = valuesOf(view, span, withdraw, errors)
      if ('handling' in nlri) return nlri
      values.set(span, nlri)
    }
  }
  return values
}

function valuesOf(view: UpdateView, span: NlriSpan, withdraw: boolean, errors: BgpError[]): readonly Nlri[] | BgpError {
  const path = nlriPath(span, withdraw)
  try {
    const malformed = (error: WireError): void => void errors.push(nlriEntryError(error))
    return decodeNlri(new ByteReader(fieldBytes(view, span), path, span.offset), span.family, {
      addPath: span.addPath,
      withdraw,
      malformed,
    })
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return nlriError(error.code, error.offset, error.path, error.rfc, span.multiprotocol)
  }
}

function fieldBytes({ bytes }: UpdateView, { offset, length }: NlriSpan): Uint8Array {
  return bytes.subarray(offset, offset + length)
}

function familiesOf({ reach, unreach }: UpdateView): Family[] {
  return [...new Set([...reach, ...unreach].map(({ family }) => family))]
}

/** Whether two messages have the same attributes, octet for octet, and fields in the same places of meaning (the verdict depends on both). */
function sameAttributes(a: UpdateView, b: UpdateView): boolean {
  if (a.attributes.length !== b.attributes.length || a.reach.length !== b.reach.length) return false
  for (let at = 0; at < a.reach.length; at++) if (a.reach[at].multiprotocol !== b.reach[at].multiprotocol) return false
  for (let at = 0; at < a.attributes.length; at++) {
    const one = a.attributes[at]
    const other = b.attributes[at]
    if (one.type !== other.type || one.flags !== other.flags || one.length !== other.length) return false
    for (let octet = 0; octet < one.length; octet++) {
      if (a.bytes[one.offset + octet] !== b.bytes[other.offset + octet]) return false
    }
  }
  return true
}
