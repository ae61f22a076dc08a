/**
 * Small integers for objects of one kind. A released id is free again only after a transaction that removed its object was applied: `seal` when the
 * transaction is made, `settle` when it is done.
 */
export class IdSpace {
  readonly #free = new Set<number>()
  readonly #released = new Set<number>()
  readonly #sealed = new Set<number>()
  /** Ids that a dataplane uses, and that nobody here has claimed or given up. */
  readonly #held = new Set<number>()
  /** Ids beyond `#next` that were held once: they are counted elsewhere. */
  readonly #ahead = new Set<number>()
  #next: number

  constructor(first = 0) {
    this.#next = first
  }

  take(): number {
    const [free] = this.#free
    if (free !== undefined) {
      this.#free.delete(free)
      return free
    }
    while (this.#ahead.delete(this.#next)) this.#next++
    return this.#next++
  }

  /** Keeps an id that nobody here has taken from being given out, because a dataplane uses it. */
  hold(id: number): void {
    this.#free.delete(id)
    this.#released.delete(id)
    this.#sealed.delete(id)
    this.#held.add(id)
    if (id >= this.#next) this.#ahead.add(id)
  }

  /** Takes an id that is held; returns whether it was. */
  claim(id: number): boolean {
    return this.#held.delete(id)
  }

  /** Nobody will claim what is held: it is free when the dataplane has it no more. */
  releaseHeld(): void {
    for (const id of this.#held) this.#released.add(id)
    this.#held.clear()
  }

  release(id: number): void {
    this.#released.add(id)
  }

  seal(): void {
    for (const id of this.#released) this.#sealed.add(id)
    this.#released.clear()
  }

  settle(): void {
    for (const id of this.#sealed) this.#free.add(id)
    this.#sealed.clear()
  }
}
