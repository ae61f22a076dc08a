import type { Clock, Timer } from '@heddle/io'

export interface BackoffOptions {
  /** Milliseconds before the first attempt. */
  readonly first: number
  /** Milliseconds at most. */
  readonly most: number
}

/** Calls something again and again while it is wanted, each time after twice the time, until `reset`. */
export class Backoff {
  #timer: Timer | undefined
  #delay: number

  constructor(
    private readonly clock: Clock,
    private readonly attempt: () => void,
    private readonly options: BackoffOptions = { first: 100, most: 30_000 },
  ) {
    this.#delay = options.first
  }

  /** Asks for another attempt; does nothing while one is due already. */
  schedule(): void {
    if (this.#timer !== undefined) return
    this.#timer = this.clock.setTimer(this.#delay, () => {
      this.#timer = undefined
      this.#delay = Math.min(this.#delay * 2, this.options.most)
      this.attempt()
    })
  }

  /** Everything is well: no attempt is due, and the next one comes soon again. */
  reset(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#delay = this.options.first
  }
}
