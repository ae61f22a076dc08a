import { ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'

/** A comparison with a number (RFC 8955 §4.2.1.1). */
export interface NumericMatch {
  /** Joined to the comparison before it by "and" rather than "or"; never set on the first. */
  readonly and: boolean
  /** `true` and `false` match always and never. */
  readonly operator: '==' | '!=' | '<' | '<=' | '>' | '>=' | 'true' | 'false'
  /** A `bigint` where 53 bits are not enough. */
  readonly value: number | bigint
  /** Octets on the wire, where they are more than the value needs: rules are compared by their octets. */
  readonly size?: 2 | 4 | 8
}

/** A test of bits (RFC 8955 §4.2.1.2). */
export interface BitmaskMatch {
  /** Joined to the test before it by "and" rather than "or"; never set on the first. */
  readonly and: boolean
  /** The result of the test is turned around. */
  readonly not: boolean
  /** All bits of the value must be set, rather than any. */
  readonly all: boolean
  readonly value: number | bigint
  /** Octets on the wire, where they are more than the value needs. */
  readonly size?: 2 | 4 | 8
}

interface MatchOf {
  readonly numeric: NumericMatch
  readonly bitmask: BitmaskMatch
}

const END = 0x80
const AND = 0x40
const NOT = 0x02
const ALL = 0x01

/** By the low three bits: less, greater, equal. */
const OPERATORS: readonly NumericMatch['operator'][] = ['false', '==', '>', '>=', '<', '<=', '!=', 'true']

/**
 * Operators and values, up to the one that is marked as the end.
 *
 *       0   1   2   3   4   5   6   7               0   1   2   3   4   5   6   7
 *     +---+---+---+---+---+---+---+---+           +---+---+---+---+---+---+---+---+
 *     | e | a |  len  | 0 |lt |gt |eq |  numeric  | e | a |  len  | 0 | 0 |not| m |  bitmask
 *     +---+---+---+---+---+---+---+---+           +---+---+---+---+---+---+---+---+
 *
 * @throws WireError `wire.truncated` when the container ends before the last one
 */
export function decodeMatches<K extends keyof MatchOf>(input: ByteReader, kind: K): MatchOf[K][] {
  const out: (NumericMatch | BitmaskMatch)[] = []
  for (;;) {
    const octet = input.u8()
    const size = 1 << ((octet >>> 4) & 3)
    const value = readNumber(input, size)
    // The bit must be 0 on the first, and is ignored when it is not (§4.2.1.1).
    const and = (octet & AND) !== 0 && out.length > 0
    const wide = size > sizeFor(value) ? { size: size as 2 | 4 | 8 } : {}
    if (kind === 'numeric') out.push({ and, operator: OPERATORS[octet & 7], value, ...wide })
    else out.push({ and, not: (octet & NOT) !== 0, all: (octet & ALL) !== 0, value, ...wide })
    if ((octet & END) !== 0) return out as MatchOf[K][]
  }
}

/** Writes operators and values; the last is marked. @throws ValueError `bgp.nlri.flowspec.matches`, `bgp.nlri.flowspec.value` */
export function encodeMatches<K extends keyof MatchOf>(matches: readonly MatchOf[K][], out: ByteWriter, kind: K): void {
  if (matches.length === 0) throw new ValueError('bgp.nlri.flowspec.matches', 'none', 'at least one comparison')
  matches.forEach((match, index) => {
    const needed = sizeFor(match.value)
    const size = Math.max(needed, match.size ?? 1)
    const flags = (index === matches.length - 1 ? END : 0) | (match.and && index > 0 ? AND : 0) | (Math.log2(size) << 4)
    out.u8(flags | operatorBits(match, kind))
    writeNumber(out, match.value, size)
  })
}

function operatorBits(match: NumericMatch | BitmaskMatch, kind: keyof MatchOf): number {
  if (kind === 'numeric') return OPERATORS.indexOf((match as NumericMatch).operator)
  const { not, all } = match as BitmaskMatch
  return (not ? NOT : 0) | (all ? ALL : 0)
}

function sizeFor(value: number | bigint): 1 | 2 | 4 | 8 {
  if (value < 0 || value > 0xffff_ffff_ffff_ffffn) throw new ValueError('bgp.nlri.flowspec.value', String(value), '0 to 2^64 - 1')
  return value <= 0xff ? 1 : value <= 0xffff ? 2 : value <= 0xffff_ffff ? 4 : 8
}

function readNumber(input: ByteReader, size: number): number | bigint {
  if (size === 1) return input.u8()
  if (size === 2) return input.u16()
  if (size === 4) return input.u32()
  const value = input.u64()
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

function writeNumber(out: ByteWriter, value: number | bigint, size: number): void {
  if (size === 8) out.u64(BigInt(value))
  else if (size === 4) out.u32(Number(value))
  else if (size === 2) out.u16(Number(value))
  else out.u8(Number(value))
}
