/** Most events that wait for a consumer when nothing else is said. */
const MOST_WAITING = 4096

interface Consumer<T> {
  readonly waiting: T[]
  wake: ((result: IteratorResult<T, undefined>) => void) | undefined
}

/**
 * Events in order, for one consumer at a time. A consumer gets what happens from the moment it asks for the iterator on; when it leaves its loop, or
 * another one begins, it gets no more, and the next one starts fresh. Beyond a bound the oldest that wait are forgotten: events tell of states, and the
 * latest is what counts.
 */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly #mostWaiting: number
  #consumer: Consumer<T> | undefined
  #ended = false

  /** @param mostWaiting events that wait for a consumer that is slow, at least 1 */
  constructor(mostWaiting = MOST_WAITING) {
    this.#mostWaiting = mostWaiting
  }

  /** Ignored while nobody iterates and after `end`. */
  push(event: T): void {
    const consumer = this.#consumer
    if (consumer === undefined || this.#ended) return
    if (consumer.wake !== undefined) {
      wake(consumer, { value: event, done: false })
      return
    }
    consumer.waiting.push(event)
    if (consumer.waiting.length > this.#mostWaiting) consumer.waiting.shift()
  }

  /** No more events, for good: the consumer finishes what waits, then its loop ends. Idempotent. */
  end(): void {
    this.#ended = true
    if (this.#consumer !== undefined) wake(this.#consumer, { value: undefined, done: true })
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    const consumer: Consumer<T> = { waiting: [], wake: undefined }
    if (this.#consumer !== undefined) this.#leave(this.#consumer)
    this.#consumer = consumer
    return {
      next: () => {
        const [event] = consumer.waiting
        if (consumer.waiting.length > 0) {
          consumer.waiting.shift()
          return Promise.resolve({ value: event, done: false })
        }
        if (this.#ended || this.#consumer !== consumer) return Promise.resolve({ value: undefined, done: true })
        return new Promise((resolve) => {
          consumer.wake = resolve
        })
      },
      return: () => {
        this.#leave(consumer)
        return Promise.resolve({ value: undefined, done: true })
      },
    }
  }

  #leave(consumer: Consumer<T>): void {
    if (this.#consumer === consumer) this.#consumer = undefined
    consumer.waiting.length = 0
    wake(consumer, { value: undefined, done: true })
  }
}

function wake<T>(consumer: Consumer<T>, result: IteratorResult<T, undefined>): void {
  const resolve = consumer.wake
  consumer.wake = undefined
  resolve?.(result)
}
