import type { Clock } from '@heddle/io'

/** What `clock` says, in nanoseconds. */
export function nanoseconds(clock: Pick<Clock, 'now'>): bigint {
  return BigInt(Math.round(clock.now() * 1e6))
}

/**
 * A time by which all that passed would have gone at its rate, in a word of memory that threads may share: what `RateLimit` of core calls T. Memory that
 * nobody has written is a time long ago.
 *
 * @see ITU-T I.371 annex A, the virtual scheduling algorithm
 */
export class CellRate {
  /** @param words memory @param at index of the word */
  constructor(
    private readonly words: BigInt64Array = new BigInt64Array(1),
    private readonly at = 0,
  ) {}

  /** In nanoseconds. */
  get time(): bigint {
    return Atomics.load(this.words, this.at)
  }

  set time(nanoseconds: bigint) {
    Atomics.store(this.words, this.at, nanoseconds)
  }

  /**
   * Whether what takes `cost` at the rate may pass now; if so, it has passed. All in nanoseconds.
   *
   * @param burst what may be ahead of now
   */
  take(now: bigint, cost: bigint, burst: bigint): boolean {
    for (;;) {
      const before = this.time
      if (before >= now + burst) return false
      const after = (before > now ? before : now) + cost
      if (Atomics.compareExchange(this.words, this.at, before, after) === before) return true
    }
  }
}
