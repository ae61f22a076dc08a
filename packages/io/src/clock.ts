/** A timer that was started; `cancel` is idempotent and does nothing once it has fired. */
export interface Timer {
  cancel(): void
}

/** Time as logic sees it. Monotonic: a change of the wall clock does not touch it. */
export interface Clock {
  /** Milliseconds since an arbitrary start, never decreasing, with fractions. */
  now(): number
  /** Calls `fire` once, `delay` milliseconds from now (0: as soon as possible, but never before this call returns). */
  setTimer(delay: number, fire: () => void): Timer
}
