/** Where a FIB's words lie: memory of the process, or memory that others read as well. */
export interface FibMemory {
  /** A zeroed region of at least `words` 32-bit words that holds what `previous` held at its start; `previous` is free afterwards. */
  grow(words: number, previous?: Uint32Array): Uint32Array
  /** Who reads beside the writer; left out where nobody does. */
  readonly readers?: FibReaders
  /** Whether others need what is not asked for: nothing is taken ahead for batches to come. Default `false`. */
  readonly isScarce?: boolean
}

/**
 * Whoever looks up in a FIB's words while they are written. A reader may be on its way through words that were taken out of the table, so that they are
 * used again only when each has begun another look-up.
 */
export interface FibReaders {
  /** Any number that does not go down: words that are taken out now are taken out at this moment. */
  readonly now: number
  /** No reader is on its way through words that were taken out at this moment or before. */
  readonly passed: number
}

/** Memory of this process alone. */
export const heapMemory: FibMemory = {
  grow(words, previous) {
    const region = new Uint32Array(words)
    if (previous !== undefined) region.set(previous)
    return region
  },
}
