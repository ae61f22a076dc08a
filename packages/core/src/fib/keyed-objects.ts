import { IdSpace } from './id-space.js'
import type { ObjectSet } from './object-set.js'

/**
 * Objects that are known by what they stand for, such as a port and a direction, and get an id for the dataplane: the same one for as long as they are
 * wanted, and the one that a running dataplane uses for the same thing.
 */
export class KeyedObjects<T extends { readonly id: number }> {
  readonly #ids = new IdSpace()
  readonly #idOf = new Map<string, number>()
  /** Ids that a running dataplane uses for what nobody here has asked for yet. */
  readonly #adopted = new Map<string, number>()

  /** @param keyOf names what an object stands for, whatever its id */
  constructor(
    private readonly set: ObjectSet<T>,
    private readonly keyOf: (object: Omit<T, 'id'>) => string,
  ) {}

  /** Wants an object; one that stands for the same is replaced. Returns its id. */
  want(object: Omit<T, 'id'>): number {
    const key = this.keyOf(object)
    const id = this.#idOf.get(key) ?? this.#take(key)
    this.#idOf.set(key, id)
    this.set.want(id, { ...object, id } as T)
    return id
  }

  /** Wants these objects and no others. */
  wantAll(objects: readonly Omit<T, 'id'>[]): void {
    const kept = new Set(objects.map((object) => this.keyOf(object)))
    for (const key of this.#idOf.keys()) if (!kept.has(key)) this.drop(key)
    for (const object of objects) this.want(object)
  }

  /** Wants what `key` names no more. */
  drop(key: string): void {
    const id = this.#idOf.get(key)
    if (id === undefined) return
    this.#idOf.delete(key)
    this.set.drop(id)
    this.#ids.release(id)
  }

  /** Id of what `key` names, if it is wanted. */
  idOf(key: string): number | undefined {
    return this.#idOf.get(key)
  }

  /** A dataplane holds these: who wants what one of them stands for gets its id. */
  adopt(objects: readonly T[]): void {
    const own = new Set(this.#idOf.values())
    for (const object of objects) {
      if (own.has(object.id)) continue
      this.#ids.hold(object.id)
      const key = this.keyOf(object)
      if (!this.#idOf.has(key)) this.#adopted.set(key, object.id)
    }
  }

  /** Gives up adopted ids that nobody came to use. */
  forgetAdopted(): void {
    this.#ids.releaseHeld()
    this.#adopted.clear()
  }

  /** A transaction was made: ids that were released before it are free when it is done. */
  seal(): void {
    this.#ids.seal()
  }

  /** The transaction was applied. */
  settle(): void {
    this.#ids.settle()
  }

  #take(key: string): number {
    const adopted = this.#adopted.get(key)
    this.#adopted.delete(key)
    return adopted !== undefined && this.#ids.claim(adopted) ? adopted : this.#ids.take()
  }
}
