/** Numbers in [0, limit). */
export type Dice = (limit: number) => number

/** A seeded generator (mulberry32): a run is repeated by its seed. */
export function diceOf(seed: number): Dice {
  let state = seed >>> 0
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return Math.floor((((word ^ (word >>> 14)) >>> 0) / 4_294_967_296) * limit)
  }
}

const MAX_SIZE = 2048
const TELLING = [0, 1, 2, 3, 4, 8, 16, 17, 32, 33, 0x7f, 0x80, 0x81, 0xfe, 0xff]

/**
 * Octets with a few things wrong, as they go wrong in protocols of nested lengths: a length one more or less or far beyond its container, an
 * element left out, there twice, or before its neighbour, a cut, a bit, any value, a value that tells, a piece of another input.
 */
export function mutate(input: Uint8Array, other: Uint8Array, dice: Dice): Uint8Array {
  let bytes = input
  for (let times = 1 + dice(3); times > 0; times--) bytes = once(bytes, other, dice)
  return bytes.length > MAX_SIZE ? bytes.slice(0, MAX_SIZE) : bytes
}

function once(bytes: Uint8Array, other: Uint8Array, dice: Dice): Uint8Array {
  if (bytes.length === 0) return other.slice(0, 1 + dice(16))
  const at = dice(bytes.length)
  switch (dice(13)) {
    case 0:
      return bytes.slice(0, at)
    case 1:
      return bytes.with(at, bytes[at] ^ (1 << dice(8)))
    case 2:
      return bytes.with(at, TELLING[dice(TELLING.length)])
    case 3:
      return bytes.with(at, (bytes[at] + (dice(2) === 0 ? 1 : 255)) & 0xff)
    case 4:
      return joined(
        bytes.subarray(0, at),
        Uint8Array.from({ length: 1 + dice(8) }, () => dice(256)),
        bytes.subarray(at),
      )
    case 5:
      return joined(bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + dice(16))))
    case 6:
      return joined(bytes.subarray(0, at), other.subarray(dice(other.length + 1)))
    case 7: {
      const [from, size] = [dice(other.length + 1), 1 + dice(32)]
      return joined(bytes.subarray(0, at), other.subarray(from, from + size), bytes.subarray(at))
    }
    case 8:
      return bytes.with(at, dice(256))
    default:
      return elementWise(bytes, dice)
  }
}

/** Something done to what looks like an element: octets behind a length that fits. */
function elementWise(bytes: Uint8Array, dice: Dice): Uint8Array {
  const found = elementOf(bytes, dice)
  if (found === undefined) return bytes
  const { lengthAt, wide, start, end } = found
  const element = bytes.subarray(start, end)
  switch (dice(5)) {
    case 0: // the length lies by one
      return withLength(bytes, lengthAt, wide, end - lengthAt - (wide ? 2 : 1) + (dice(2) === 0 ? 1 : -1))
    case 1: // it points beyond the container
      return withLength(bytes, lengthAt, wide, bytes.length + dice(256))
    case 2: // twice
      return joined(bytes.subarray(0, end), element, bytes.subarray(end))
    case 3: // left out
      return joined(bytes.subarray(0, start), bytes.subarray(end))
    default: {
      // before its neighbour, where there is one
      const next = elementAt(bytes, end)
      return next === undefined ? bytes : joined(bytes.subarray(0, start), bytes.subarray(end, next), element, bytes.subarray(next))
    }
  }
}

interface Element {
  readonly lengthAt: number
  readonly wide: boolean
  /** Where the element begins, its type included. */
  readonly start: number
  readonly end: number
}

function elementOf(bytes: Uint8Array, dice: Dice): Element | undefined {
  for (let tries = 0; tries < 8; tries++) {
    const lengthAt = dice(bytes.length)
    const wide = dice(2) === 0 && lengthAt + 1 < bytes.length
    const length = wide ? (bytes[lengthAt] << 8) | bytes[lengthAt + 1] : bytes[lengthAt]
    const end = lengthAt + (wide ? 2 : 1) + length
    if (length > 0 && end <= bytes.length) return { lengthAt, wide, start: Math.max(0, lengthAt - dice(3)), end }
  }
  return undefined
}

/** Where the element that begins here ends, if its second octet is its length. */
function elementAt(bytes: Uint8Array, start: number): number | undefined {
  const end = start + 2 + bytes[start + 1]
  return start + 1 < bytes.length && end <= bytes.length ? end : undefined
}

function withLength(bytes: Uint8Array, at: number, wide: boolean, length: number): Uint8Array {
  const out = bytes.slice()
  if (wide) out[at] = (length >>> 8) & 0xff
  out[at + (wide ? 1 : 0)] = length & 0xff
  return out
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((size, { length }) => size + length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
