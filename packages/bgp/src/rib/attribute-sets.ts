import { ByteWriter, ValueError } from '@heddle/wire'
import { canonicalAttributes, decodeAttributeSet, type AttributeSet } from '../attribute/attribute-set.js'
import type { CanonicalSpan } from '../attribute/canonical.js'
import { DecisionFacts } from '../attribute/decision-facts.js'
import { REFLECTION_SIZE, writeReflection } from '../attribute/reflection.js'
import { ByteInterner, type InternedSpan } from './byte-interner.js'
import { Column } from './column.js'
import { Reflections } from './reflections.js'

/** Of a word of short facts: ORIGIN and 1, so that 0 is not known; the AS path's length; that of CLUSTER_LIST, of which a message has no more. */
const ORIGIN_BITS = 2
const AS_PATH_BITS = 16
const AS_PATH = (1 << AS_PATH_BITS) - 1
const CLUSTERS_SHIFT = ORIGIN_BITS + AS_PATH_BITS

/** Bits of an id that tell which interned octets it is made of; those above are the number of a reflection. */
const BASE_BITS = 25
const BASE = (1 << BASE_BITS) - 1
const REFLECTIONS = 63

/** Decoded sets that are kept at hand. */
const CACHE_LIMIT = 4096

/**
 * Attribute sets by small integers (0 is none), interned by their canonical bytes. What is made of a set by reflecting it (RFC 4456) is an id
 * too, of the set and the reflection, and takes no room: its octets are written when they are asked for. What the decision process compares
 * stands in columns that are filled once per set, when it is first compared, so that best path compares integers.
 */
export class AttributeSets {
  readonly #sets = new ByteInterner()
  readonly #cache = new Map<number, AttributeSet>()
  readonly #localPref = new Column()
  readonly #med = new Column()
  readonly #neighborAs = new Column()
  readonly #originatorId = new Column()
  readonly #short = new Column()
  readonly #facts = new DecisionFacts()
  readonly #reflections = new Reflections(REFLECTIONS)
  readonly #reflected = new ByteWriter(256)
  readonly #span: InternedSpan = { bytes: new Uint8Array(), from: 0, to: 0 }

  /** Sets that are referenced. */
  get size(): number {
    return this.#sets.size
  }

  /** Octets that all of it takes. */
  get octets(): number {
    const columns = [this.#localPref, this.#med, this.#neighborAs, this.#originatorId, this.#short]
    return columns.reduce((sum, { octets }) => sum + octets, this.#sets.octets)
  }

  /** The id of the set, with one more reference. */
  intern(set: AttributeSet): number {
    return this.internOctets(canonicalAttributes(set.attributes, set))
  }

  /** As `intern`. @param canonical octets that `canonicalAttributes` would make, the first `size` of these; they are copied */
  internOctets(canonical: Uint8Array, size = canonical.length): number {
    const id = this.#sets.intern(canonical, size)
    if (id > BASE) {
      this.#sets.release(id)
      throw new ValueError('bgp.attribute-sets.full', `${this.size} attribute sets`, `at most ${BASE}`)
    }
    if (this.#sets.references(id) === 1) this.#short.set(id, 0)
    return id
  }

  /**
   * The id of what `writeReflection` makes of a set that is none itself, with one more reference.
   *
   * @param originator ORIGINATOR_ID, as a word
   * @param cluster CLUSTER_ID, as a word
   */
  reflect(id: number, originator: number, cluster: number): number {
    const reflection = this.#reflections.numberOf(originator, cluster)
    if (reflection !== 0) {
      const reflected = (id | (reflection << BASE_BITS)) >>> 0
      this.retain(reflected)
      return reflected
    }
    const out = this.#reflected.truncate(0)
    writeReflection(this.#sets.bytes(id), { originator, cluster }, out)
    return this.internOctets(out.buffer, out.length)
  }

  retain(id: number): void {
    this.#sets.retain(id & BASE)
    if (id > BASE) this.#reflections.retain(id >>> BASE_BITS)
  }

  release(id: number): void {
    if (this.#sets.release(id & BASE)) this.#forget(id & BASE)
    if (id > BASE && this.#reflections.release(id >>> BASE_BITS)) this.#forgetReflected(id >>> BASE_BITS)
  }

  /** References to the set, and to what is made of it by reflection. */
  references(id: number): number {
    return this.#sets.references(id & BASE)
  }

  /** Whether two ids are the same set. */
  equal(one: number, other: number): boolean {
    if (one === other) return true
    if (one <= BASE && other <= BASE) return false
    const octets = this.bytes(one).slice()
    const others = this.bytes(other)
    return octets.length === others.length && octets.every((octet, at) => octet === others[at])
  }

  /** Octets that the set's canonical form has at most. */
  octetsOf(id: number): number {
    return this.#sets.lengthOf(id & BASE) + (id > BASE ? REFLECTION_SIZE : 0)
  }

  /** The set's canonical form, as a view that the next call may invalidate. */
  bytes(id: number): Uint8Array {
    const { bytes, from, to } = this.locate(id)
    return bytes.subarray(from, to)
  }

  /** Where the set's canonical form stands, until the next call. */
  locate(id: number): CanonicalSpan {
    const span = this.#sets.locate(id & BASE, this.#span)
    if (id <= BASE) return span
    const out = this.#reflected.truncate(0)
    writeReflection(span.bytes, this.#reflections.of(id >>> BASE_BITS), out, span.from, span.to)
    span.bytes = out.buffer
    span.from = 0
    span.to = out.length
    return span
  }

  /** The set as a value; the same object as long as it is at hand. It stays valid when the set is gone. */
  get(id: number): AttributeSet {
    let set = this.#cache.get(id)
    if (set === undefined) {
      set = decodeAttributeSet(this.bytes(id).slice())
      if (this.#cache.size >= CACHE_LIMIT) this.#cache.clear()
      this.#cache.set(id, set)
    }
    return set
  }

  /** LOCAL_PREF. This and what follows are asked of sets that paths have, none of which is made by reflection here. */
  localPref(id: number): number {
    this.#know(id)
    return this.#localPref.get(id)
  }

  /** MULTI_EXIT_DISC; 0 where there is none, which is the best (RFC 4271 §9.1.2.2 c). */
  med(id: number): number {
    this.#know(id)
    return this.#med.get(id)
  }

  /** First AS of the path; 0 when the path is empty or does not begin with a sequence. */
  neighborAs(id: number): number {
    this.#know(id)
    return this.#neighborAs.get(id)
  }

  /** ORIGINATOR_ID; 0 where there is none. */
  originatorId(id: number): number {
    this.#know(id)
    return this.#originatorId.get(id)
  }

  asPathLength(id: number): number {
    this.#know(id)
    return (this.#short.get(id) >>> ORIGIN_BITS) & AS_PATH
  }

  clusterLength(id: number): number {
    this.#know(id)
    return this.#short.get(id) >>> CLUSTERS_SHIFT
  }

  /** 0 IGP, 1 EGP, 2 incomplete. */
  origin(id: number): number {
    this.#know(id)
    return (this.#short.get(id) & ((1 << ORIGIN_BITS) - 1)) - 1
  }

  #forget(base: number): void {
    if (this.#cache.size === 0) return
    for (let reflection = 0; reflection <= this.#reflections.largest; reflection++) this.#cache.delete(base | (reflection << BASE_BITS))
  }

  /** The number will be that of another reflection. */
  #forgetReflected(reflection: number): void {
    for (const id of this.#cache.keys()) if (id >>> BASE_BITS === reflection) this.#cache.delete(id)
  }

  /** Fills the columns. Most sets are never compared: those that only go out, and those of paths that have no rival. */
  #know(id: number): void {
    if (this.#short.get(id) !== 0) return
    const facts = this.#facts
    facts.read(this.#sets.bytes(id))
    this.#localPref.set(id, facts.localPref)
    this.#med.set(id, facts.med)
    this.#neighborAs.set(id, facts.neighborAs)
    this.#originatorId.set(id, facts.originatorId)
    const asPathLength = Math.min(facts.asPathLength, AS_PATH)
    this.#short.set(id, (facts.origin + 1) | (asPathLength << ORIGIN_BITS) | (facts.clusterLength << CLUSTERS_SHIFT))
  }
}
