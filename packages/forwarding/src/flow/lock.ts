/** Turns of a thread that finds a lock taken before it lets others run. */
const SPINS = 100

/** Takes the lock that `words[at]` is: 0 free, 1 taken. Threads hold it for a few stores at a time, and never two. */
export function lock(words: Int32Array, at: number): void {
  for (let spins = 0; Atomics.compareExchange(words, at, 0, 1) !== 0; spins++) {
    // Whoever holds it may have been taken from its processor.
    if (spins >= SPINS) Atomics.wait(words, at, 1, 1)
  }
}

export function unlock(words: Int32Array, at: number): void {
  Atomics.store(words, at, 0)
}
