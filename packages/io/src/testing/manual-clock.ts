import type { Clock, Timer } from '../clock.js'

interface Pending {
  readonly due: number
  readonly fire: () => void
}

/** Rounds of the microtask queue that `settle` waits: deeper than any chain of promises between two timers. */
const SETTLE_ROUNDS = 64

/**
 * A clock that stands still until a test moves it. Timers fire in the order of their due time, those of equal time in the order in which they
 * were set, and `now()` is the due time while one fires.
 */
export class ManualClock implements Clock {
  readonly #pending: Pending[] = []
  #now: number

  /** @param start what `now()` says at first, milliseconds */
  constructor(start = 0) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  setTimer(delay: number, fire: () => void): Timer {
    const timer: Pending = { due: this.#now + Math.max(0, delay), fire }
    this.#pending.splice(this.#placeOf(timer), 0, timer)
    return {
      cancel: () => {
        const at = this.#pending.indexOf(timer)
        if (at >= 0) this.#pending.splice(at, 1)
      },
    }
  }

  /** Due times of the timers that are set, soonest first. */
  get pending(): readonly number[] {
    return this.#pending.map(({ due }) => due)
  }

  /** Moves time by `milliseconds` and fires what falls due on the way, timers that these set included. */
  advance(milliseconds: number): void {
    const until = this.#now + milliseconds
    while (this.#pending.length > 0 && this.#pending[0].due <= until) this.#fireNext()
    this.#now = until
  }

  /** Moves time to the next timer and fires it and those due at the same time. Returns false when no timer is set. */
  advanceToNext(): boolean {
    if (this.#pending.length === 0) return false
    this.advance(this.#pending[0].due - this.#now)
    return true
  }

  /** As `advance`, but lets promises settle before, between and after the timers: for code that awaits. */
  async run(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds
    await this.settle()
    while (this.#pending.length > 0 && this.#pending[0].due <= until) {
      this.#fireNext()
      await this.settle()
    }
    this.#now = until
  }

  /** Lets promises that are resolved already run their continuations; time stands still. */
  async settle(): Promise<void> {
    for (let round = 0; round < SETTLE_ROUNDS; round++) await Promise.resolve()
  }

  #fireNext(): void {
    const timer = this.#pending.shift()
    if (timer === undefined) return
    this.#now = Math.max(this.#now, timer.due)
    timer.fire()
  }

  #placeOf(timer: Pending): number {
    let low = 0
    let high = this.#pending.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#pending[middle].due <= timer.due) low = middle + 1
      else high = middle
    }
    return low
  }
}
