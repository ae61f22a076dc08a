import type { ByteReader } from '../byte-reader.js'
import { checksumHolds, internetChecksum } from './checksum.js'
import { octetsOf, u16At } from './octets.js'

/**
 * GRE header (RFC 2784 §2, with the key and sequence number of RFC 2890 §2).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |C|0|K|S|       0       | Ver |         Protocol Type           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |    Checksum, if C             |     Reserved, if C            |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |    Key, if K                                                  |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |    Sequence Number, if S                                      |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface GreHeader {
  /** EtherType of the payload. */
  readonly protocol: number
  /** Whether a checksum over header and payload is there. */
  readonly checksum: boolean
  /** 0–4,294,967,295. */
  readonly key?: number
  /** 0–4,294,967,295. */
  readonly sequence?: number
}

/** Octets of a header without options. */
export const GRE_HEADER_SIZE = 4

const CHECKSUM = 0x8000
const ROUTING = 0x4000
const KEY = 0x2000
const SEQUENCE = 0x1000
/** Bits 1–5 must be zero for a receiver that does not do RFC 1701; K and S are defined since (RFC 2784 §2.3, RFC 2890 §2). */
const RESERVED_REFUSED = 0x0c00
const VERSION = 0x0007

/** Octets that `encodeGreHeader` writes, 4–16. */
export function greHeaderSize({ checksum, key, sequence }: GreHeader): number {
  return GRE_HEADER_SIZE + (checksum ? 4 : 0) + (key === undefined ? 0 : 4) + (sequence === undefined ? 0 : 4)
}

/**
 * Writes `header` at `offset`; returns the offset behind it.
 *
 * @param end offset behind the payload, which must be in place when a checksum is asked for
 */
export function encodeGreHeader(header: GreHeader, out: DataView, offset: number, end: number = offset + greHeaderSize(header)): number {
  const { protocol, checksum, key, sequence } = header
  const flags = (checksum ? CHECKSUM : 0) | (key === undefined ? 0 : KEY) | (sequence === undefined ? 0 : SEQUENCE)
  out.setUint16(offset, flags)
  out.setUint16(offset + 2, protocol)
  let at = offset + GRE_HEADER_SIZE
  if (checksum) {
    out.setUint32(at, 0)
    at += 4
  }
  if (key !== undefined) {
    out.setUint32(at, key)
    at += 4
  }
  if (sequence !== undefined) {
    out.setUint32(at, sequence)
    at += 4
  }
  if (checksum) out.setUint16(offset + GRE_HEADER_SIZE, internetChecksum(octetsOf(out), offset, end - offset))
  return at
}

/**
 * Reads the header; the checksum, if there is one, is verified over everything that is left in the container.
 *
 * @throws WireError `wire.truncated`, `wire.gre.version`, `wire.gre.routing`, `wire.gre.reserved`, `wire.gre.checksum`
 */
export function decodeGreHeader(input: ByteReader): GreHeader {
  const start = input.position
  const flags = input.u16()
  if ((flags & VERSION) !== 0) input.fail('wire.gre.version', 'RFC 2784 §2.3.1')
  if ((flags & ROUTING) !== 0) input.fail('wire.gre.routing', 'RFC 2784 §2.3')
  if ((flags & RESERVED_REFUSED) !== 0) input.fail('wire.gre.reserved', 'RFC 2784 §2.3')
  const protocol = input.u16()
  const checksum = (flags & CHECKSUM) !== 0
  if (checksum) input.skip(4)
  const key = (flags & KEY) === 0 ? undefined : input.u32()
  const sequence = (flags & SEQUENCE) === 0 ? undefined : input.u32()
  if (checksum && !checksumHolds(input.bytes, start, input.bytes.length - start)) input.fail('wire.gre.checksum', 'RFC 2784 §2.5')
  return { protocol, checksum, ...(key !== undefined && { key }), ...(sequence !== undefined && { sequence }) }
}

/* The hot path: `at` is the offset of the header. */

/** Why the GRE packet at `at` cannot be taken, or `ok`. */
export type GreVerdict = 'ok' | 'truncated' | 'version' | 'routing' | 'reserved' | 'checksum'

/** Checks the header of the packet that lies between `at` and `end`, and its checksum if it has one. */
export function greVerdict(bytes: Uint8Array, at: number, end: number): GreVerdict {
  if (at + GRE_HEADER_SIZE > end) return 'truncated'
  const flags = u16At(bytes, at)
  if ((flags & VERSION) !== 0) return 'version'
  if ((flags & ROUTING) !== 0) return 'routing'
  if ((flags & RESERVED_REFUSED) !== 0) return 'reserved'
  if (at + greHeaderLength(bytes, at) > end) return 'truncated'
  return (flags & CHECKSUM) !== 0 && !checksumHolds(bytes, at, end - at) ? 'checksum' : 'ok'
}

/** Octets up to the payload. */
export function greHeaderLength(bytes: Uint8Array, at: number): number {
  const flags = bytes[at]
  return GRE_HEADER_SIZE + ((flags & 0x80) >>> 5) + ((flags & 0x20) >>> 3) + ((flags & 0x10) >>> 2)
}

/** EtherType of the payload. */
export function greProtocol(bytes: Uint8Array, at: number): number {
  return u16At(bytes, at + 2)
}
