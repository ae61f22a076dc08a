/**
 * Hands values from a producer to one consumer that iterates. What waits is delivered before the end or the failure is told. `weigh` and `onTaken`
 * let a producer see how much the consumer has not taken yet.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #waiting: T[] = []
  readonly #weigh: (value: T) => number
  readonly #onTaken: (weight: number) => void
  readonly #onReturn: () => void
  #wake: (() => void) | undefined
  #weight = 0
  #over = false
  #error: Error | undefined

  constructor(options: { weigh?: (value: T) => number; onTaken?: (weight: number) => void; onReturn?: () => void } = {}) {
    this.#weigh = options.weigh ?? (() => 1)
    this.#onTaken = options.onTaken ?? (() => undefined)
    this.#onReturn = options.onReturn ?? (() => undefined)
  }

  /** Sum of the weights of what waits. */
  get weight(): number {
    return this.#weight
  }

  /** Adds a value; ignored after `end` or `fail`. */
  push(value: T): void {
    if (this.#over) return
    this.#waiting.push(value)
    this.#weight += this.#weigh(value)
    this.#signal()
  }

  /** No more values; the consumer's loop ends after those that wait. */
  end(): void {
    this.#over = true
    this.#signal()
  }

  /** As `end`, but the consumer's loop throws. The first end or failure counts. */
  fail(error: Error): void {
    if (this.#over) return
    this.#error = error
    this.end()
  }

  /** Ends at once, without what waits; returns it. */
  drop(): T[] {
    this.#error = undefined
    this.#weight = 0
    const dropped = this.#waiting.splice(0)
    this.end()
    return dropped
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        while (this.#waiting.length > 0) {
          const value = this.#waiting.shift() as T
          const weight = this.#weigh(value)
          this.#weight -= weight
          this.#onTaken(weight)
          yield value
        }
        if (this.#over) {
          if (this.#error !== undefined) throw this.#error
          return
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      this.#onReturn()
    }
  }

  #signal(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
