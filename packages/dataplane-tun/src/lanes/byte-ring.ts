/*
 * A stream of octets from one thread to another through shared memory. Positions count octets since the beginning, modulo 2^32.
 *
 *     position written to │ position read to │ whether the writer waits for room │ unused │ octets, a ring
 */
const WRITTEN = 0
const READ = 1
const WAITS = 2
const WORDS = 4
const HEADER = WORDS * 4

/** Octets that a ring holds: a power of two. Longer messages pass in pieces. */
const CAPACITY = 1 << 20

/** Memory for a ring. */
export function ringMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER + CAPACITY)
}

/** The end that writes; it never blocks. */
export class RingWriter {
  readonly #positions: Int32Array
  readonly #octets: Uint8Array
  readonly #wake: () => void
  readonly #waiting: Uint8Array[] = []

  /** @param wake tells the reader that there is something to read */
  constructor(memory: SharedArrayBuffer, wake: () => void) {
    this.#positions = new Int32Array(memory, 0, WORDS)
    this.#octets = new Uint8Array(memory, HEADER, CAPACITY)
    this.#wake = wake
  }

  /** Octets follow what was written before; those that find no room wait for `proceed`. They are not to be changed any more. */
  write(octets: Uint8Array): void {
    this.#waiting.push(octets)
    this.proceed()
  }

  /** The reader has made room. */
  proceed(): void {
    if (this.#waiting.length === 0) return
    this.#fill()
    if (this.#waiting.length > 0) {
      Atomics.store(this.#positions, WAITS, 1)
      // The reader may have taken everything before it could see that.
      this.#fill()
    }
    this.#wake()
  }

  #fill(): void {
    let written = this.#positions[WRITTEN]
    let room = CAPACITY - ((written - Atomics.load(this.#positions, READ)) >>> 0)
    while (room > 0 && this.#waiting.length > 0) {
      const first = this.#waiting[0]
      const at = written & (CAPACITY - 1)
      const size = Math.min(first.length, room, CAPACITY - at)
      this.#octets.set(first.subarray(0, size), at)
      if (size === first.length) this.#waiting.shift()
      else this.#waiting[0] = first.subarray(size)
      written = (written + size) | 0
      room -= size
    }
    Atomics.store(this.#positions, WRITTEN, written)
  }
}

/** The end that reads. */
export class RingReader {
  readonly #positions: Int32Array
  readonly #octets: Uint8Array
  readonly #madeRoom: () => void

  /** @param madeRoom tells the writer, who waits, to proceed */
  constructor(memory: SharedArrayBuffer, madeRoom: () => void) {
    this.#madeRoom = madeRoom
    this.#positions = new Int32Array(memory, 0, WORDS)
    this.#octets = new Uint8Array(memory, HEADER, CAPACITY)
  }

  /** A copy of the octets that are there; empty when there are none. */
  take(): Uint8Array {
    const read = this.#positions[READ]
    const size = (Atomics.load(this.#positions, WRITTEN) - read) >>> 0
    const at = read & (CAPACITY - 1)
    const octets = new Uint8Array(size)
    const first = Math.min(size, CAPACITY - at)
    octets.set(this.#octets.subarray(at, at + first))
    octets.set(this.#octets.subarray(0, size - first), first)
    Atomics.store(this.#positions, READ, (read + size) | 0)
    if (Atomics.exchange(this.#positions, WAITS, 0) === 1) this.#madeRoom()
    return octets
  }
}
