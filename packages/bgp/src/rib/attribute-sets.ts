import { canonicalAttributes, decodeAttributeSet, type AttributeSet } from '../attribute/attribute-set.js'
import { DecisionFacts } from '../attribute/decision-facts.js'
import { ByteInterner } from './byte-interner.js'
import { Column, HalfColumn } from './column.js'

const ORIGIN_BITS = 3
const KNOWN = 4

/** Decoded sets that are kept at hand. */
const CACHE_LIMIT = 4096

/**
 * Attribute sets by small integers (0 is none), interned by their canonical bytes. What the decision process compares stands in columns that
 * are filled once per set, when it is first compared, so that best path compares integers.
 */
export class AttributeSets {
  readonly #sets = new ByteInterner()
  readonly #cache = new Map<number, AttributeSet>()
  readonly #localPref = new Column()
  readonly #med = new Column()
  readonly #neighborAs = new Column()
  readonly #originatorId = new Column()
  readonly #asPathLength = new HalfColumn()
  readonly #clusterLength = new HalfColumn()
  /** ORIGIN, and whether the columns say what the set says. */
  readonly #rest = new HalfColumn()
  readonly #facts = new DecisionFacts()

  /** Sets that are referenced. */
  get size(): number {
    return this.#sets.size
  }

  /** Octets that all of it takes. */
  get octets(): number {
    const columns = [this.#localPref, this.#med, this.#neighborAs, this.#originatorId, this.#asPathLength, this.#clusterLength, this.#rest]
    return columns.reduce((sum, { octets }) => sum + octets, this.#sets.octets)
  }

  /** The id of the set, with one more reference. */
  intern(set: AttributeSet): number {
    return this.internOctets(canonicalAttributes(set.attributes, set))
  }

  /** As `intern`. @param canonical octets that `canonicalAttributes` would make; they are copied */
  internOctets(canonical: Uint8Array): number {
    const id = this.#sets.intern(canonical)
    if (this.#sets.references(id) === 1) this.#rest.set(id, 0)
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
    return this.#sets.lengthOf(id)
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
    return this.#asPathLength.get(id)
  }

  clusterLength(id: number): number {
    this.#know(id)
    return this.#clusterLength.get(id)
  }

  /** 0 IGP, 1 EGP, 2 incomplete. */
  origin(id: number): number {
    this.#know(id)
    return this.#rest.get(id) & ORIGIN_BITS
  }

  /** Fills the columns. Most sets are never compared: those that only go out, and those of paths that have no rival. */
  #know(id: number): void {
    if ((this.#rest.get(id) & KNOWN) !== 0) return
    const facts = this.#facts
    facts.read(this.#sets.bytes(id))
    this.#localPref.set(id, facts.localPref)
    this.#med.set(id, facts.med)
    this.#neighborAs.set(id, facts.neighborAs)
    this.#originatorId.set(id, facts.originatorId)
    this.#asPathLength.set(id, Math.min(facts.asPathLength, 0xffff))
    this.#clusterLength.set(id, facts.clusterLength)
    this.#rest.set(id, facts.origin | KNOWN)
  }
}
