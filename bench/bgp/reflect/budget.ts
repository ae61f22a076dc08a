/** Time that one daemon may take in a round: what does not fit is left out by name, so that the slowest does not make the bench endless. */
export class Budget {
  readonly #end: number
  readonly #seconds: number
  readonly #signal: AbortSignal

  constructor(seconds: number, signal: AbortSignal) {
    this.#seconds = seconds
    this.#end = performance.now() + seconds * 1000
    this.#signal = signal
  }

  /** Runs a step with a signal that ends it when the time is over; `undefined` then. @throws what else goes wrong */
  async run<T>(step: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    this.#signal.throwIfAborted()
    const left = this.#end - performance.now()
    if (left <= 0) return undefined
    const over = AbortSignal.timeout(Math.ceil(left))
    try {
      return await step(AbortSignal.any([this.#signal, over]))
    } catch (error) {
      if (over.aborted && !this.#signal.aborted) return undefined
      throw error
    }
  }

  /** Why a step has no figure. */
  get reason(): string {
    return `left out: the ${this.#seconds} s that a daemon may take in a round were over`
  }
}
