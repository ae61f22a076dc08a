const CHUNK_BITS = 12
const CHUNK = 1 << CHUNK_BITS
const IN_CHUNK = CHUNK - 1

/** Unsigned words first in, first out, in chunks that go when they have been read. */
export class WordQueue {
  #chunks: Uint32Array[] = []
  /** One that has been read, for what comes. */
  #spare: Uint32Array | undefined
  /** Of the first word, in the first chunk. */
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(word: number): void {
    const at = this.#head + this.#length
    if (at >>> CHUNK_BITS === this.#chunks.length) this.#grow()
    this.#chunks[at >>> CHUNK_BITS][at & IN_CHUNK] = word
    this.#length++
  }

  /** The first word; there must be one. */
  shift(): number {
    const word = this.#chunks[0][this.#head]
    this.drop(1)
    return word
  }

  /** The word behind `at` others. */
  get(at: number): number {
    const place = this.#head + at
    return this.#chunks[place >>> CHUNK_BITS][place & IN_CHUNK]
  }

  set(at: number, word: number): void {
    const place = this.#head + at
    this.#chunks[place >>> CHUNK_BITS][place & IN_CHUNK] = word
  }

  /** Forgets the first `count` words. */
  drop(count: number): void {
    this.#length -= count
    this.#head += count
    if (this.#length === 0) {
      // one chunk is kept, so that a queue that is often empty costs nothing
      this.#chunks.length = Math.min(1, this.#chunks.length)
      this.#spare = undefined
      this.#head = 0
    }
    for (; this.#head >= CHUNK; this.#head -= CHUNK) this.#spare = this.#chunks.shift()
  }

  /** Forgets all but the first `length` words. */
  truncate(length: number): void {
    this.#length = length
    if (length === 0) this.drop(0)
    else this.#chunks.length = (this.#head + length + IN_CHUNK) >>> CHUNK_BITS
  }

  /** Octets that it takes. */
  get octets(): number {
    return (this.#chunks.length + (this.#spare === undefined ? 0 : 1)) * CHUNK * 4
  }

  #grow(): void {
    this.#chunks.push(this.#spare ?? new Uint32Array(CHUNK))
    this.#spare = undefined
  }
}
