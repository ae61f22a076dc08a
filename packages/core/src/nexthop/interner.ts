import { IdSpace } from '../fib/id-space.js'

interface Entry<T> {
  readonly key: string
  readonly value: T
  uses: number
}

/** Gives equal values one id and counts who uses it. */
export class Interner<T> {
  readonly #ids = new IdSpace()
  readonly #byKey = new Map<string, number>()
  readonly #entries = new Map<number, Entry<T>>()
  /** Ids that a running dataplane uses for a value that nobody here has asked for yet. */
  readonly #adopted = new Map<string, number>()

  /**
   * @param keyOf a text that is equal for equal values
   * @param added told of the first user of a value
   * @param removed told when the last user is gone
   */
  constructor(
    readonly keyOf: (value: T) => string,
    readonly added: (id: number, value: T) => void,
    readonly removed: (id: number, value: T) => void,
  ) {}

  /** Values in use. */
  get size(): number {
    return this.#entries.size
  }

  /** Id of `value`, if it is in use. */
  idOf(value: T): number | undefined {
    return this.#byKey.get(this.keyOf(value))
  }

  /** Id of `value`, for one more user. */
  acquire(value: T): number {
    const key = this.keyOf(value)
    const known = this.#byKey.get(key)
    const entry = known === undefined ? undefined : this.#entries.get(known)
    if (known !== undefined && entry !== undefined) {
      entry.uses++
      return known
    }
    const adopted = this.#adopted.get(key)
    if (adopted !== undefined) this.#ids.claim(adopted)
    this.#adopted.delete(key)
    const id = adopted ?? this.#ids.take()
    this.#byKey.set(key, id)
    this.#entries.set(id, { key, value, uses: 1 })
    this.added(id, value)
    return id
  }

  /** One user of `id`, which is in use, more. */
  retain(id: number): void {
    const entry = this.#entries.get(id)
    if (entry !== undefined) entry.uses++
  }

  /** One user of `id` less. */
  release(id: number): void {
    const entry = this.#entries.get(id)
    if (entry === undefined || --entry.uses > 0) return
    this.#entries.delete(id)
    this.#byKey.delete(entry.key)
    this.#ids.release(id)
    this.removed(id, entry.value)
  }

  /** A dataplane uses `id` for `value`: the next user of the value gets it. An id that has users here stays what it is. */
  adopt(id: number, value: T): void {
    if (this.#entries.has(id)) return
    this.#ids.hold(id)
    const key = this.keyOf(value)
    if (!this.#byKey.has(key)) this.#adopted.set(key, id)
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
}
