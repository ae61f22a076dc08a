/** Milliseconds of a clock that all threads of this process have in common. */
const offset = monotonic() - performance.now()

function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

/** A clock that is read once a batch: to its packets, no time passes. */
export class BatchClock {
  #time = 0

  /** @param read time now, milliseconds */
  constructor(private readonly read: () => number = () => performance.now() + offset) {
    this.tick()
  }

  now(): number {
    return this.#time
  }

  /** A new batch begins. */
  tick(): void {
    this.#time = this.read()
  }
}

/** Milliseconds since the Unix epoch at which the clock of this process was 0. */
export function epoch(): number {
  return Date.now() - (performance.now() + offset)
}
