/**
 * Writes big-endian fields into a buffer that grows as needed. Length fields that are known only afterwards are reserved with
 * `reserveU8`/`reserveU16` and closed by the function these return.
 */
export class ByteWriter {
  #bytes: Uint8Array
  #view: DataView
  #at = 0

  /** @param capacity octets to start with; the buffer doubles when it is full */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  /** Octets written so far. */
  get length(): number {
    return this.#at
  }

  u8(value: number): this {
    const at = this.#take(1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    const at = this.#take(2)
    this.#view.setUint16(at, value)
    return this
  }

  u24(value: number): this {
    const at = this.#take(3)
    this.#view.setUint8(at, value >>> 16)
    this.#view.setUint16(at + 1, value & 0xffff)
    return this
  }

  u32(value: number): this {
    const at = this.#take(4)
    this.#view.setUint32(at, value)
    return this
  }

  u64(value: bigint): this {
    const at = this.#take(8)
    this.#view.setBigUint64(at, value)
    return this
  }

  octets(bytes: Uint8Array): this {
    const at = this.#take(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }

  /** Octets `from` up to `to` of `bytes`; for a few of them this is cheaper than a view of them. */
  copy(bytes: Uint8Array, from: number, to: number): this {
    const at = this.#take(to - from) - from
    const out = this.#bytes
    for (let next = from; next < to; next++) out[at + next] = bytes[next]
    return this
  }

  /** Leaves one octet for a length; the returned function stores in it the number of octets written since. */
  reserveU8(): () => number {
    const at = this.#take(1)
    return () => {
      const length = this.#at - at - 1
      this.#view.setUint8(at, length)
      return length
    }
  }

  /** Leaves two octets for a length; the returned function stores in it the number of octets written since. */
  reserveU16(): () => number {
    const at = this.#take(2)
    return () => {
      const length = this.#at - at - 2
      this.#view.setUint16(at, length)
      return length
    }
  }

  /** Overwrites two octets at `at`, which were written before. */
  patchU16(at: number, value: number): this {
    this.#view.setUint16(at, value)
    return this
  }

  /** What was written, as a view of the buffer; valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  /** The buffer itself, in which the first `length` octets have been written; valid until the next write. It costs no view. */
  get buffer(): Uint8Array {
    return this.#bytes
  }

  /** What was written, as a copy. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at)
  }

  /** Forgets everything behind the first `length` octets. */
  truncate(length: number): this {
    this.#at = length
    return this
  }

  #take(length: number): number {
    const at = this.#at
    const end = at + length
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    this.#at = end
    return at
  }
}
