import fc from 'fast-check'
import { ByteReader } from '../byte-reader.js'
import { WireError } from '../wire-error.js'

/** A codec as `checkCodec` sees it. */
export interface CheckedCodec<T> {
  /** Values that must survive the wire. */
  readonly arbitrary: fc.Arbitrary<T>
  /** Octets that `encode` writes. */
  readonly size: (value: T) => number
  /** Writes `value` at `offset`; returns the offset behind it. */
  readonly encode: (value: T, out: DataView, offset: number) => number
  /** Reads a value; throws `WireError` and nothing else. */
  readonly decode: (input: ByteReader) => T
  /**
   * Whether every proper beginning of an encoded value must be refused; true by default. False for what takes all that its container has, such as the
   * data of an echo: then a beginning may be a value, or be refused.
   */
  readonly delimited?: boolean
  /** Passed on to `fc.assert`. */
  readonly parameters?: fc.Parameters<unknown>
}

/** What a codec did wrong, with the value or octets it did it to. */
export class CodecCheckError extends Error {
  override readonly name = 'CodecCheckError'

  constructor(
    /** `size`, `round-trip`, `overrun`, `truncation` or `foreign-error`. */
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}

const DIRT = 0xa5
const MARGIN = 3

/**
 * Checks a codec by properties: a value written into a dirty buffer changes nothing before or behind it and reads back equal; its size is as told; each
 * truncation of it is refused with a `WireError`; random octets, and a value of which a few octets were changed, yield a value or a `WireError`.
 *
 * @throws what `fc.assert` throws, with the seed and the smallest counterexample; its cause is a `CodecCheckError`
 */
export function checkCodec<T>({ arbitrary, size, encode, decode, delimited = true, parameters = {} }: CheckedCodec<T>): void {
  const checkValue = (value: T): void => {
    const length = size(value)
    const buffer = new Uint8Array(length + 2 * MARGIN).fill(DIRT)
    const behind = encode(value, new DataView(buffer.buffer), MARGIN)
    if (behind !== MARGIN + length) throw new CodecCheckError('size', `size says ${length}, encode wrote ${behind - MARGIN}`)
    for (let margin = 0; margin < MARGIN; margin++) {
      if (buffer[margin] !== DIRT || buffer[behind + margin] !== DIRT)
        throw new CodecCheckError('overrun', 'encode wrote outside its octets')
    }
    const bytes = buffer.subarray(MARGIN, behind)
    const decoded = decode(new ByteReader(bytes))
    if (!isSame(decoded, value)) {
      throw new CodecCheckError('round-trip', `${fc.stringify(value)} came back as ${fc.stringify(decoded)}`)
    }
    for (let end = 0; end < length; end++) {
      const isRefused = refuses(decode, bytes.subarray(0, end))
      if (delimited && !isRefused) throw new CodecCheckError('truncation', `the first ${end} of ${length} octets were taken`)
    }
  }
  fc.assert(fc.property(arbitrary, checkValue), parameters as fc.Parameters<[T]>)
  fc.assert(
    // Left to itself, fast-check makes no more than ten octets.
    fc.property(fc.uint8Array({ maxLength: 128, size: 'max' }), (bytes) => {
      refuses(decode, bytes)
    }),
    parameters as fc.Parameters<[Uint8Array]>,
  )
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(0xff)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(arbitrary, damage, (value, changes) => {
      const bytes = new Uint8Array(size(value))
      encode(value, new DataView(bytes.buffer), 0)
      for (const [at, octet] of changes) if (bytes.length > 0) bytes[at % bytes.length] = octet
      refuses(decode, bytes)
    }),
    parameters as fc.Parameters<[T, [number, number][]]>,
  )
}

/** Whether `decode` refuses `bytes` as it should; anything but a `WireError` is a fault. */
function refuses(decode: (input: ByteReader) => unknown, bytes: Uint8Array): boolean {
  try {
    decode(new ByteReader(bytes))
    return false
  } catch (error) {
    if (error instanceof WireError) return true
    throw new CodecCheckError(
      'foreign-error',
      `decode threw ${String(error)} for ${fc.stringify(bytes)}; what it refuses it must refuse by a WireError, such as \`reader.fail(…)\` throws`,
      { cause: error },
    )
  }
}

/** Equal by content: own enumerable fields whatever their order and prototype, elements of arrays and octets. */
function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const [left, right] = [Object.entries(a), Object.entries(b)]
  if (left.length !== right.length) return false
  const others = new Map<string, unknown>(right)
  return left.every(([key, value]) => others.has(key) && isSame(value, others.get(key)))
}
