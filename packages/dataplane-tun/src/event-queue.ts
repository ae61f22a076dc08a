/** Most events that wait for a consumer; beyond, the oldest are forgotten, since the latest state of a port or tunnel is what counts. */
const MOST_WAITING = 4096

/** Events in order, for one consumer; what happens before it iterates is not kept. */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly #waiting: T[] = []
  #wake: ((result: IteratorResult<T, undefined>) => void) | undefined
  #iterated = false
  #ended = false

  push(event: T): void {
    if (!this.#iterated || this.#ended) return
    if (this.#wake !== undefined) {
      const wake = this.#wake
      this.#wake = undefined
      wake({ value: event, done: false })
      return
    }
    this.#waiting.push(event)
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift()
  }

  /** Lets the consumer finish what waits, then ends its loop. */
  end(): void {
    this.#ended = true
    this.#wake?.({ value: undefined, done: true })
    this.#wake = undefined
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    this.#iterated = true
    return {
      next: () => {
        const event = this.#waiting.shift()
        if (event !== undefined) return Promise.resolve({ value: event, done: false })
        if (this.#ended) return Promise.resolve({ value: undefined, done: true })
        return new Promise((resolve) => {
          this.#wake = resolve
        })
      },
      return: () => {
        this.end()
        return Promise.resolve({ value: undefined, done: true })
      },
    }
  }
}
