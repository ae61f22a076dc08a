/**
 * Small integers for objects of one kind. A released id is free again only after a transaction that removed its object was applied: `seal` when the
 * transaction is made, `settle` when it is done.
 */
export class IdSpace {
  readonly #free: number[] = []
  readonly #reserved = new Set<number>()
  #released: number[] = []
  #sealed: number[] = []
  #next: number

  constructor(first = 0) {
    this.#next = first
  }

  take(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    while (this.#reserved.has(this.#next)) this.#next++
    return this.#next++
  }

  /** Keeps `id` from being given out, because a running dataplane uses it. */
  reserve(id: number): void {
    if (id >= this.#next) this.#reserved.add(id)
  }

  release(id: number): void {
    this.#released.push(id)
  }

  seal(): void {
    this.#sealed.push(...this.#released)
    this.#released = []
  }

  settle(): void {
    this.#free.push(...this.#sealed)
    this.#sealed = []
  }
}
