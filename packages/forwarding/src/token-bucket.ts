import type { Clock } from '@heddle/io'
import { CellRate, nanoseconds } from './rate/cell-rate.js'

const SECOND = 1_000_000_000n

/** Lets so many pass a second, and so many at once. */
export class TokenBucket {
  readonly #rate = new CellRate()
  readonly #cost: bigint
  readonly #burst: bigint

  constructor(
    private readonly clock: Pick<Clock, 'now'>,
    perSecond: number,
    burst: number,
  ) {
    this.#cost = SECOND / BigInt(perSecond)
    this.#burst = this.#cost * BigInt(burst)
  }

  /** Whether one more may pass now. */
  take(): boolean {
    return this.#rate.take(nanoseconds(this.clock), this.#cost, this.#burst)
  }
}
