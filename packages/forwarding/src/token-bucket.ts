import type { Clock } from '@heddle/io'

/** Lets so many pass a second, and so many at once. */
export class TokenBucket {
  #tokens: number
  #at: number

  constructor(
    private readonly clock: Pick<Clock, 'now'>,
    private readonly perSecond: number,
    private readonly burst: number,
  ) {
    this.#tokens = burst
    this.#at = clock.now()
  }

  /** Whether one more may pass now. */
  take(): boolean {
    const now = this.clock.now()
    this.#tokens = Math.min(this.burst, this.#tokens + ((now - this.#at) * this.perSecond) / 1000)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
