import type { ByteReader } from '../byte-reader.js'

/**
 * ERSPAN type II header (draft-foschiano-erspan-03 §4.2): behind a GRE header of EtherType 0x88BE with a sequence number, before a mirrored Ethernet
 * frame.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |  Ver  |          VLAN         | COS | En|T|    Session ID     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |      Reserved         |                  Index                |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Frames of a virtual router have no VLAN tag: VLAN, COS and En are 0.
 */
export interface ErspanHeader {
  /** Tells mirrors of one source apart, 0–1,023. */
  readonly session: number
  /** Whether the frame was cut. */
  readonly truncated: boolean
  /** Where in the source the frame was seen, 0–1,048,575; what it means is the source's affair. */
  readonly index: number
}

/** Octets of the header. */
export const ERSPAN_HEADER_SIZE = 8

/** EtherType of ERSPAN type II in a GRE header. */
export const ETHER_TYPE_ERSPAN = 0x88be

const VERSION_TYPE_II = 1
const TRUNCATED = 0x400

/** Writes the header at `offset`; returns the offset behind it. */
export function encodeErspanHeader({ session, truncated, index }: ErspanHeader, out: DataView, offset: number): number {
  out.setUint32(offset, (VERSION_TYPE_II << 28) | (truncated ? TRUNCATED : 0) | session)
  out.setUint32(offset + 4, index)
  return offset + ERSPAN_HEADER_SIZE
}

/** Reads the header. @throws WireError `wire.truncated`, `wire.erspan.version` for any other type than II */
export function decodeErspanHeader(input: ByteReader): ErspanHeader {
  const word = input.u32()
  if (word >>> 28 !== VERSION_TYPE_II) input.fail('wire.erspan.version', 'draft-foschiano-erspan-03 §4.2')
  const index = input.u32() & 0xfffff
  return { session: word & 0x3ff, truncated: (word & TRUNCATED) !== 0, index }
}
