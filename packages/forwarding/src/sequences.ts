const IDS = 4096
const MIRRORS = 0
const TRACES = IDS

/**
 * Numbers of what mirrors copied and traces told, in memory that engines on several threads share: each number is given once. Ids that differ by a
 * multiple of 4,096 count together.
 */
export class Sequences {
  /** Octets of memory. */
  static readonly octets = IDS * 2 * 4
  readonly #words: Int32Array

  /** @param memory zeroed, or that of another engine */
  constructor(memory: ArrayBufferLike = new ArrayBuffer(Sequences.octets)) {
    this.#words = new Int32Array(memory)
  }

  nextOfMirror(id: number): number {
    return Atomics.add(this.#words, MIRRORS + (id % IDS), 1) >>> 0
  }

  nextOfTrace(id: number): number {
    return Atomics.add(this.#words, TRACES + (id % IDS), 1) >>> 0
  }

  /** A mirror of this id begins anew. */
  forgetMirror(id: number): void {
    Atomics.store(this.#words, MIRRORS + (id % IDS), 0)
  }

  /** A trace of this id begins anew. */
  forgetTrace(id: number): void {
    Atomics.store(this.#words, TRACES + (id % IDS), 0)
  }
}
