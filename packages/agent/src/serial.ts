/** Runs tasks one after another, in the order in which they were given; a task that fails does not stop those behind it. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  async run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task)
    this.#last = result.catch(() => undefined)
    return result
  }
}
