/** How long is waited at most, in turns. */
const LONGEST = 60

/** When something that keeps failing is tried again: after a turn, and after twice as many each time. */
export class BackOff {
  #left = 0
  #next = 1

  get isDue(): boolean {
    return this.#left === 0
  }

  /** A turn has passed. */
  pass(): void {
    this.#left = Math.max(0, this.#left - 1)
  }

  tried(): void {
    this.#left = this.#next
    this.#next = Math.min(this.#next * 2, LONGEST)
  }

  succeeded(): void {
    this.#left = 0
    this.#next = 1
  }

  /** Is not tried before so many turns have passed. */
  hold(turns: number): void {
    this.#left = turns
  }
}
