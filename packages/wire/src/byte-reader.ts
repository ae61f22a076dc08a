import { WireError } from './wire-error.js'

/**
 * Reads big-endian fields from one container and cannot see past its end.
 *
 * A length field never becomes a bound by hand: `sub(length, name)` hands its content to the next decoder as a reader of exactly that
 * many octets, so a length that lies is found where it is read and not three decoders further in.
 */
export class ByteReader {
  #at = 0

  /**
   * @param bytes the container
   * @param path names of the containers from the outside in, for error positions
   * @param base octets between the start of the outermost message and `bytes[0]`, for error positions
   */
  constructor(
    readonly bytes: Uint8Array,
    readonly path = 'message',
    readonly base = 0,
  ) {}

  /** Octets from the start of the outermost message. */
  get offset(): number {
    return this.base + this.#at
  }

  /** Octets read from this container so far. */
  get position(): number {
    return this.#at
  }

  /** Octets left in this container. */
  get remaining(): number {
    return this.bytes.length - this.#at
  }

  /** One octet, 0–255. */
  u8(): number {
    return this.bytes[this.#take(1)]
  }

  /** Two octets, 0–65,535. */
  u16(): number {
    const at = this.#take(2)
    return (this.bytes[at] << 8) | this.bytes[at + 1]
  }

  /** Three octets, 0–16,777,215. */
  u24(): number {
    const at = this.#take(3)
    return (this.bytes[at] << 16) | (this.bytes[at + 1] << 8) | this.bytes[at + 2]
  }

  /** Four octets, 0–4,294,967,295. */
  u32(): number {
    return wordAt(this.bytes, this.#take(4))
  }

  /** Eight octets. */
  u64(): bigint {
    const at = this.#take(8)
    return (BigInt(wordAt(this.bytes, at)) << 32n) | BigInt(wordAt(this.bytes, at + 4))
  }

  /** The next octet without taking it. */
  peekU8(): number {
    if (this.remaining < 1) this.fail('wire.truncated', 'length exceeds its container')
    return this.bytes[this.#at]
  }

  /** The next `length` octets as a view, not a copy. */
  octets(length: number): Uint8Array {
    const start = this.#take(length)
    return this.bytes.subarray(start, start + length)
  }

  /** All octets that are left, as a view. */
  rest(): Uint8Array {
    return this.octets(this.remaining)
  }

  /** Passes over `length` octets. */
  skip(length: number): void {
    this.#take(length)
  }

  /** The next `length` octets as a container of their own. */
  sub(length: number, name: string): ByteReader {
    const base = this.offset
    return new ByteReader(this.octets(length), `${this.path}/${name}`, base)
  }

  /** @throws WireError with this position */
  fail(code: string, rfc: string): never {
    throw new WireError(code, this.offset, this.path, rfc)
  }

  #take(length: number): number {
    if (length > this.remaining) this.fail('wire.truncated', 'length exceeds its container')
    const start = this.#at
    this.#at += length
    return start
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}
