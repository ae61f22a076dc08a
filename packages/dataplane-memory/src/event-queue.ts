/** Values that one consumer iterates from the moment it asks; what came before is not kept. Ends when closed. */
export class EventQueue<T> implements AsyncIterable<T> {
  #values: T[] | undefined
  #waiting: ((result: IteratorResult<T>) => void) | undefined
  #closed = false

  push(value: T): void {
    if (this.#closed) return
    if (this.#waiting === undefined) this.#values?.push(value)
    else {
      const resolve = this.#waiting
      this.#waiting = undefined
      resolve({ done: false, value })
    }
  }

  close(): void {
    this.#closed = true
    this.#waiting?.({ done: true, value: undefined })
    this.#waiting = undefined
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    const values = (this.#values ??= [])
    return {
      next: () => {
        const value = values.shift()
        if (value !== undefined) return Promise.resolve({ done: false, value })
        if (this.#closed) return Promise.resolve({ done: true, value: undefined })
        return new Promise((resolve) => (this.#waiting = resolve))
      },
      return: () => {
        this.close()
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }
}
