/** Where a FIB's words lie: memory of the process, or memory that another reader maps too. */
export interface FibMemory {
  /** A zeroed region of at least `words` 32-bit words that holds what `previous` held at its start; `previous` is free afterwards. */
  grow(words: number, previous?: Uint32Array): Uint32Array
}

/** Memory of this process alone. */
export const heapMemory: FibMemory = {
  grow(words, previous) {
    const region = new Uint32Array(words)
    if (previous !== undefined) region.set(previous)
    return region
  },
}
