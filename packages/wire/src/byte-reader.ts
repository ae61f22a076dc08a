import { WireError } from './wire-error.js'

/**
 * Reads big-endian fields from one container and cannot see past its end.
 *
 * A length field never becomes a bound by hand: `sub(length, name)` hands its content to the next decoder as a reader of exactly that
 * many octets, so a length that lies is found where it is read and not three decoders further in.
 */
export class ByteReader {
  readonly #view: DataView
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
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

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
    return this.#view.getUint8(this.#take(1))
  }

  /** Two octets, 0–65,535. */
  u16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  /** Three octets, 0–16,777,215. */
  u24(): number {
    const at = this.#take(3)
    return (this.#view.getUint8(at) << 16) | this.#view.getUint16(at + 1)
  }

  /** Four octets, 0–4,294,967,295. */
  u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  /** Eight octets. */
  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8))
  }

  /** The next octet without taking it. */
  peekU8(): number {
    if (this.remaining < 1) this.fail('wire.truncated', 'length exceeds its container')
    return this.#view.getUint8(this.#at)
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
