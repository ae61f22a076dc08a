import { canonicalAttributes, decodeAttributeSet, type AttributeSet } from '../attribute/attribute-set.js'
import { DecisionFacts } from '../attribute/decision-facts.js'
import { ByteInterner } from './byte-interner.js'
import { capacityFor, grown } from './column.js'

/** Decoded sets that are kept at hand. */
const CACHE_LIMIT = 4096

/**
 * Attribute sets by small integers (0 is none), interned by their canonical bytes. What the decision process compares stands in columns that
 * are filled once per set, so that best path compares integers.
 */
export class AttributeSets {
  readonly #sets = new ByteInterner()
  readonly #cache = new Map<number, AttributeSet>()
  #localPref = new Uint32Array(16)
  #med = new Uint32Array(16)
  #neighborAs = new Uint32Array(16)
  #originatorId = new Uint32Array(16)
  #asPathLength = new Uint16Array(16)
  #clusterLength = new Uint16Array(16)
  #origin = new Uint8Array(16)
  #marks = new Uint8Array(16)
  readonly #facts = new DecisionFacts()

  /** Sets that are referenced. */
  get size(): number {
    return this.#sets.size
  }

  /** The id of the set, with one more reference. */
  intern(set: AttributeSet): number {
    return this.internOctets(canonicalAttributes(set.attributes, set))
  }

  /** As `intern`. @param canonical octets that `canonicalAttributes` would make; they are copied */
  internOctets(canonical: Uint8Array): number {
    const id = this.#sets.intern(canonical)
    if (this.#sets.references(id) === 1) this.#fill(id, canonical)
    return id
  }

  retain(id: number): void {
    this.#sets.retain(id)
  }

  release(id: number): void {
    if (this.#sets.release(id)) this.#cache.delete(id)
  }

  references(id: number): number {
    return this.#sets.references(id)
  }

  /** Size of the set in octets. */
  octetsOf(id: number): number {
    return this.#sets.bytes(id).length
  }

  /** The set's canonical form, as a view that the next `intern` or `release` may invalidate. */
  bytes(id: number): Uint8Array {
    return this.#sets.bytes(id)
  }

  /** The set as a value; the same object as long as it is at hand. It stays valid when the set is gone. */
  get(id: number): AttributeSet {
    let set = this.#cache.get(id)
    if (set === undefined) {
      set = decodeAttributeSet(this.#sets.bytes(id).slice())
      if (this.#cache.size >= CACHE_LIMIT) this.#cache.clear()
      this.#cache.set(id, set)
    }
    return set
  }

  localPref(id: number): number {
    return this.#localPref[id]
  }

  /** MULTI_EXIT_DISC; 0 where there is none, which is the best (RFC 4271 §9.1.2.2 c). */
  med(id: number): number {
    return this.#med[id]
  }

  /** First AS of the path; 0 when the path is empty or does not begin with a sequence. */
  neighborAs(id: number): number {
    return this.#neighborAs[id]
  }

  /** ORIGINATOR_ID; 0 where there is none. */
  originatorId(id: number): number {
    return this.#originatorId[id]
  }

  asPathLength(id: number): number {
    return this.#asPathLength[id]
  }

  clusterLength(id: number): number {
    return this.#clusterLength[id]
  }

  /** 0 IGP, 1 EGP, 2 incomplete. */
  origin(id: number): number {
    return this.#origin[id]
  }

  /** Communities that rules look for, as bits of `MARK`. */
  marks(id: number): number {
    return this.#marks[id]
  }

  #fill(id: number, canonical: Uint8Array): void {
    if (id >= this.#origin.length) this.#grow(capacityFor(id + 1, this.#origin.length))
    const facts = this.#facts
    facts.read(canonical)
    this.#localPref[id] = facts.localPref
    this.#med[id] = facts.med
    this.#neighborAs[id] = facts.neighborAs
    this.#originatorId[id] = facts.originatorId
    this.#asPathLength[id] = Math.min(facts.asPathLength, 0xffff)
    this.#clusterLength[id] = facts.clusterLength
    this.#origin[id] = facts.origin
    this.#marks[id] = facts.marks
  }

  #grow(capacity: number): void {
    this.#localPref = grown(this.#localPref, capacity)
    this.#med = grown(this.#med, capacity)
    this.#neighborAs = grown(this.#neighborAs, capacity)
    this.#originatorId = grown(this.#originatorId, capacity)
    this.#asPathLength = grown(this.#asPathLength, capacity)
    this.#clusterLength = grown(this.#clusterLength, capacity)
    this.#origin = grown(this.#origin, capacity)
    this.#marks = grown(this.#marks, capacity)
  }
}
