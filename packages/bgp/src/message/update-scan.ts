import { ATTRIBUTE, ATTRIBUTE_FLAG, HEADER_SIZE } from '../iana.js'
import { IPV4_UNICAST, familyOf, type Family } from '../nlri/family.js'
import { nlriMode, type NlriMode } from '../nlri/nlri-mode.js'
import { usesPathIds, type DecodeOptions } from './options.js'

/** Attributes that a message of everyday may have, beside MP_REACH_NLRI and MP_UNREACH_NLRI. */
const MOST_ATTRIBUTES = 32
/** Bits of an attribute's place, below those of its type. */
const PLACE_BITS = 16
const PLACE = (1 << PLACE_BITS) - 1

const NOTHING = new Uint8Array()

/** One field of NLRI by its place in `bytes`; empty when there is none. */
export class ScannedField {
  family: Family = IPV4_UNICAST
  bytes: Uint8Array = NOTHING
  from = 0
  to = 0
  mode: NlriMode
  /** In MP_REACH_NLRI or MP_UNREACH_NLRI rather than in a field of RFC 4271. */
  multiprotocol = false
  /** Of MP_REACH_NLRI: where its next hop begins, and how many octets it has. */
  hop = 0
  hopLength = 0

  constructor(private readonly withdraw: boolean) {
    this.mode = nlriMode(false, withdraw)
  }

  get empty(): boolean {
    return this.to === this.from
  }

  clear(): void {
    this.to = this.from
  }

  put(family: Family, bytes: Uint8Array, from: number, to: number, multiprotocol: boolean, options: DecodeOptions): void {
    this.family = family
    this.bytes = bytes
    this.from = from
    this.to = to
    this.multiprotocol = multiprotocol
    this.mode = nlriMode(usesPathIds(options, family.key), this.withdraw)
  }
}

/**
 * The parts of an UPDATE as `walkUpdate` finds them, for messages of everyday: nothing of them is at fault, no attribute is repeated, and there is one
 * field of routes either way at most. The same object takes one message after the other, and makes none.
 */
export class UpdateScan {
  bytes: Uint8Array = NOTHING
  /** Where the message begins in `bytes`. */
  #from = 0
  readonly announced = new ScannedField(false)
  readonly withdrawn = new ScannedField(true)
  /** Attributes without MP_REACH_NLRI and MP_UNREACH_NLRI, by type: each its type and its place. */
  readonly #attributes = new Uint32Array(MOST_ATTRIBUTES)
  #count = 0

  /** Attributes that there are. */
  get count(): number {
    return this.#count
  }

  /** Type of an attribute; they are in the order of types. */
  typeOf(at: number): number {
    return this.#attributes[at] >>> PLACE_BITS
  }

  /** Where an attribute's flags stand in `bytes`. */
  placeOf(at: number): number {
    return this.#from + (this.#attributes[at] & PLACE)
  }

  /**
   * @param bytes has a whole message of type UPDATE whose header has been checked, from `from` up to `to`
   * @returns whether it is one of everyday, which says something of routes; if not, nothing that was found counts
   */
  read(bytes: Uint8Array, options: DecodeOptions, from = 0, to = bytes.length): boolean {
    this.bytes = bytes
    this.#from = from
    this.#count = 0
    this.announced.clear()
    this.withdrawn.clear()
    const withdrawnFrom = from + HEADER_SIZE + 2
    const withdrawnTo = withdrawnFrom + u16(bytes, withdrawnFrom - 2)
    if (withdrawnTo + 2 > to) return false
    const end = withdrawnTo + 2 + u16(bytes, withdrawnTo)
    if (end > to) return false
    if (withdrawnTo > withdrawnFrom) this.withdrawn.put(IPV4_UNICAST, bytes, withdrawnFrom, withdrawnTo, false, options)
    for (let at = withdrawnTo + 2; at < end;) {
      const next = attributeEnd(bytes, at, end)
      if (next === 0 || !this.#attribute(at, next, options)) return false
      at = next
    }
    if (end < to) {
      if (!this.announced.empty) return false
      this.announced.put(IPV4_UNICAST, bytes, end, to, false, options)
    }
    return !this.announced.empty || !this.withdrawn.empty
  }

  #attribute(at: number, next: number, options: DecodeOptions): boolean {
    const type = this.bytes[at + 1]
    if (type === ATTRIBUTE.mpReachNlri) return this.#reach(at, next, options)
    if (type === ATTRIBUTE.mpUnreachNlri) return this.#unreach(at, next, options)
    if (this.#count === MOST_ATTRIBUTES) return false
    let place = this.#count++
    for (; place > 0 && this.typeOf(place - 1) >= type; place--) {
      if (this.typeOf(place - 1) === type) return false
      this.#attributes[place] = this.#attributes[place - 1]
    }
    this.#attributes[place] = (type << PLACE_BITS) | (at - this.#from)
    return true
  }

  /** AFI, SAFI, next hop length, next hop, a reserved octet, NLRI (RFC 4760 §3). */
  #reach(at: number, next: number, options: DecodeOptions): boolean {
    const { bytes, announced } = this
    const from = valueStart(bytes, at)
    if (!announced.empty || !isOptional(bytes[at]) || next - from < 5) return false
    const hop = from + 4
    const nlri = hop + bytes[from + 3] + 1
    if (nlri >= next) return false
    announced.put(familyOf(u16(bytes, from), bytes[from + 2]), bytes, nlri, next, true, options)
    announced.hop = hop
    announced.hopLength = nlri - 1 - hop
    return true
  }

  /** AFI, SAFI, withdrawn routes (RFC 4760 §4). */
  #unreach(at: number, next: number, options: DecodeOptions): boolean {
    const { bytes, withdrawn } = this
    const from = valueStart(bytes, at)
    if (!withdrawn.empty || !isOptional(bytes[at]) || next - from <= 3) return false
    withdrawn.put(familyOf(u16(bytes, from), bytes[from + 2]), bytes, from + 3, next, true, options)
    return true
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

function valueStart(bytes: Uint8Array, at: number): number {
  return (bytes[at] & ATTRIBUTE_FLAG.extendedLength) === 0 ? at + 3 : at + 4
}

/** Where the attribute at `at` ends; 0 when the list ends within it. */
function attributeEnd(bytes: Uint8Array, at: number, end: number): number {
  const value = valueStart(bytes, at)
  if (value > end) return 0
  const next = value + (value === at + 3 ? bytes[at + 2] : u16(bytes, at + 2))
  return next > end ? 0 : next
}

/** MP_REACH_NLRI and MP_UNREACH_NLRI are optional and non-transitive (RFC 4760 §3, §4). */
function isOptional(flags: number): boolean {
  return (flags & (ATTRIBUTE_FLAG.optional | ATTRIBUTE_FLAG.transitive)) === ATTRIBUTE_FLAG.optional
}
