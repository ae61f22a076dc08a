import type { AttributeContext } from '../../attribute/attribute-codec.js'
import type { AttributeSet } from '../../attribute/attribute-set.js'
import { NormalForm } from '../../attribute/normal-form.js'
import type { PathAttributes } from '../../attribute/path-attributes.js'
import type { DecodeOptions } from '../../message/options.js'
import { UpdateScan, type ScannedField } from '../../message/update-scan.js'
import type { NlriSpan, ReachSpan, UpdateView } from '../../message/update-view.js'
import { walkUpdate } from '../../message/update-view.js'
import { endOfRibOf, readNextHop } from '../../message/update.js'
import type { Family } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import { nlriMode } from '../../nlri/nlri-mode.js'
import { isSoundNlri } from '../../nlri/visit.js'
import { prefixOf } from '../../policy/compiled-policy.js'
import type { ImportRules } from '../../policy/import-rules.js'
import type { RibTable } from '../../rib/rib-table.js'
import { decodeAttributes, type AttributesResult } from '../../validate/attributes.js'
import { strongestHandling, type BgpError } from '../../validate/bgp-error.js'
import { judgeUpdate } from '../../validate/update.js'
import type { PrefixCover } from '../prefix-cover.js'
import { RouteIntake, importReceived, type RouteField } from './route-intake.js'
import { familiesOf, fieldsOf, sameAttributes } from './update-fields.js'

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

/**
 * Takes the UPDATEs of one session into the tables: walk, attributes (kept from the last message when they are the same octets), verdict, then
 * the routes. Nothing of a message is applied unless all of it can be read. The routes of many messages go into the tables in one go, with `apply` at the
 * latest.
 */
export class Ingest {
  #lastView: UpdateView | undefined
  #lastAttributes: AttributesResult | undefined
  readonly #scan = new UpdateScan()
  readonly #normal = new NormalForm()
  readonly #attributeContext: AttributeContext
  readonly #routes: RouteIntake

  constructor(private context: IngestContext) {
    const { asn4 = true, peerType = 'ebgp' } = context.options
    this.#attributeContext = { asn4, peerType }
    this.#routes = new RouteIntake(context.peer)
  }

  /** Other rules from here on; see `reimport` for what is there already. */
  use(rules: ImportRules): void {
    this.context = { ...this.context, rules }
  }

  /** @param bytes has a whole message of type UPDATE whose header has been checked, from `from` up to `to` */
  take(bytes: Uint8Array, from = 0, to = bytes.length): IngestResult {
    const taken = this.#takeOctets(bytes, from, to)
    if (taken !== undefined) return taken
    this.apply()
    const walked = walkUpdate(bytes.subarray(from, to), this.context.options)
    return walked.ok ? this.#takeValues(walked.view) : reset(walked.error)
  }

  /** Has the tables know all that was taken. */
  apply(): void {
    this.#routes.apply()
  }

  /** The way of most messages: nothing is wrong, and nothing has to be looked at but octets. @returns nothing when values are needed */
  #takeOctets(bytes: Uint8Array, from: number, to: number): IngestResult | undefined {
    const scan = this.#scan
    if (!scan.read(bytes, this.context.options, from, to) || !this.#normal.take(scan, this.#attributeContext)) return undefined
    const { announced, withdrawn } = scan
    if (!isSound(withdrawn) || !isSound(announced)) return undefined
    const octets = announced.empty ? undefined : this.#normal.of(scan)
    if (octets === undefined && !announced.empty) return undefined
    const withdrawnTable = withdrawn.empty ? undefined : this.context.tableOf(withdrawn.family)
    if (withdrawnTable !== undefined) this.#routes.withdraw(withdrawn, withdrawnTable, undefined)
    const table = octets === undefined ? undefined : this.context.tableOf(announced.family)
    if (table !== undefined && octets !== undefined) {
      const { buffer, length } = octets
      this.#routes.announce(announced, table, this.context.rules, table.sets.internOctets(buffer, length), buffer, length)
    }
    return withdrawn.empty ? touching(announced.family) : announced.empty ? touching(withdrawn.family) : touchingBoth(scan)
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
    this.apply()
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
    const octets = table.sets.bytes(received).slice()
    this.#routes.announce(spanField(view, span, false), table, this.context.rules, received, octets, octets.length, value, values)
  }

  #withdraw(view: UpdateView, span: NlriSpan, values: readonly Nlri[] | undefined): void {
    const table = this.context.tableOf(span.family)
    if (table !== undefined) this.#routes.withdraw(spanField(view, span, true), table, values)
  }

  #setOf(view: UpdateView, span: ReachSpan, attributes: PathAttributes): AttributeSet {
    const { nextHop: own, ...rest } = attributes
    const hop = span.multiprotocol ? readNextHop(view, span) : own === undefined ? {} : { nextHop: { address: own } }
    return { attributes: rest, ...('code' in hop ? {} : hop) }
  }

  /** What rules make of the paths that are there is something else now. @param only those whose prefix is among these; default all */
  reimport(table: RibTable, only?: PrefixCover): void {
    const { peer, rules } = this.context
    for (const path of table.peerPaths(peer)) {
      const nlri = rules.policy === undefined ? undefined : table.nlriOf(path)
      const prefix = only === undefined || nlri === undefined ? undefined : prefixOf(nlri)
      if (prefix !== undefined && only?.covers(prefix) === false) continue
      const before = table.receivedOf(path)
      const octets = table.sets.bytes(before)
      const { set, invalid, received } = importReceived(table, rules, before, octets, octets.length, nlri)
      table.reimport(path, set, invalid, received)
    }
  }
}

const NO_ERRORS: readonly BgpError[] = []

/** By family: what most messages lead to. */
const TOUCHING = new Map<number, IngestResult>()

function touching(family: Family): IngestResult {
  let known = TOUCHING.get(family.key)
  if (known === undefined) TOUCHING.set(family.key, (known = Object.freeze({ errors: NO_ERRORS, touched: Object.freeze([family]) })))
  return known
}

function touchingBoth({ announced, withdrawn }: UpdateScan): IngestResult {
  if (announced.family.key === withdrawn.family.key) return touching(announced.family)
  return { errors: NO_ERRORS, touched: [announced.family, withdrawn.family] }
}

/** Whether a field can be walked by a visitor, to its end. */
function isSound({ family, bytes, from, to, mode, empty }: ScannedField): boolean {
  return empty || isSoundNlri(family, bytes, from, to, mode)
}

function spanField({ bytes }: UpdateView, { family, offset, length, addPath }: NlriSpan, withdraw: boolean): RouteField {
  return { family, bytes, from: offset, to: offset + length, mode: nlriMode(addPath, withdraw) }
}

function result(view: UpdateView, errors: readonly BgpError[]): IngestResult {
  const endOfRib = endOfRibOf(view)
  return endOfRib === undefined ? { errors, touched: familiesOf(view) } : { errors, touched: familiesOf(view), endOfRib }
}

function reset(error: BgpError): IngestResult {
  return { errors: [error], reset: error, touched: [] }
}
