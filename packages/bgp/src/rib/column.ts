/** Entries of a chunk, as a power of two. */
const CHUNK_BITS = 12
const CHUNK = 1 << CHUNK_BITS
const IN_CHUNK = CHUNK - 1

/**
 * Unsigned words by index, 0 where none was written. Stands in chunks, so that it grows without a copy of what is there, and costs nothing where
 * there is nothing but 0. What is shorter than a word shares one with something else: a second kind of column would make every access slower.
 */
export class Column {
  #chunks: (Uint32Array | undefined)[] = []

  get(at: number): number {
    const chunk = this.#chunks[at >>> CHUNK_BITS]
    return chunk === undefined ? 0 : chunk[at & IN_CHUNK]
  }

  set(at: number, value: number): void {
    const chunk = this.#chunks[at >>> CHUNK_BITS]
    if (chunk !== undefined) chunk[at & IN_CHUNK] = value
    else if (value !== 0) this.#add(at >>> CHUNK_BITS)[at & IN_CHUNK] = value
  }

  /** Octets that it takes. */
  get octets(): number {
    return this.#chunks.reduce((sum, chunk) => sum + (chunk?.byteLength ?? 0), 0)
  }

  #add(index: number): Uint32Array {
    while (this.#chunks.length <= index) this.#chunks.push(undefined)
    const chunk = new Uint32Array(CHUNK)
    this.#chunks[index] = chunk
    return chunk
  }
}

/**
 * Unsigned words by index, each of which most often is the index itself: what is kept is in what they differ, so that a table of which that is true
 * has nothing to keep. Where none was written stands the index.
 */
export class NearColumn {
  readonly #differences = new Column()

  get(at: number): number {
    return (this.#differences.get(at) ^ at) >>> 0
  }

  set(at: number, value: number): void {
    this.#differences.set(at, (value ^ at) >>> 0)
  }

  /** Octets that it takes. */
  get octets(): number {
    return this.#differences.octets
  }
}

/** Rows of `stride` words by index, each within one chunk. */
export class RowColumn {
  readonly #chunks: Uint32Array[] = []

  constructor(readonly stride: number) {}

  /** The array in which a row stands; an empty one before it was written. */
  chunkOf(at: number): Uint32Array {
    return this.#chunks[at >>> CHUNK_BITS] ?? NOTHING
  }

  /** Where in that array it begins. */
  startOf(at: number): number {
    return (at & IN_CHUNK) * this.stride
  }

  set(at: number, row: Uint32Array): void {
    while (this.#chunks.length <= at >>> CHUNK_BITS) this.#chunks.push(new Uint32Array(CHUNK * this.stride))
    const chunk = this.chunkOf(at)
    const start = this.startOf(at)
    for (let word = 0; word < this.stride; word++) chunk[start + word] = row[word]
  }

  /** Octets that it takes. */
  get octets(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  }
}

const NOTHING = new Uint32Array()
