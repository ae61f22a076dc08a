import { IpAddress, type ByteReader, type ByteWriter } from '@heddle/wire'
import { readAll } from './attribute-codec.js'

/** A sub-TLV of a segment list (RFC 9830 §2.4.4, RFC 9831): its weight, or a segment. */
export type SegmentSubTlv =
  | { readonly kind: 'weight'; readonly flags: number; readonly weight: number }
  /** Type A: a label, as a whole stack entry (RFC 9830 §2.4.4.2.1). */
  | { readonly kind: 'label'; readonly flags: number; readonly entry: number }
  /** Type B: an SRv6 segment; `behavior` where the B flag is set, as octets of behaviour and structure (RFC 9830 §2.4.4.2.2). */
  | { readonly kind: 'srv6'; readonly flags: number; readonly sid: IpAddress; readonly behavior?: Uint8Array }
  /** Types C to K (RFC 9831), and what is not known. */
  | { readonly kind: 'unknown'; readonly type: number; readonly value: Uint8Array }

const WEIGHT = 9
const TYPE_A = 1
const TYPE_B = 13
const BEHAVIOR_SIZE = 8

/** Type, length (1 octet), value, to the end of the container. @throws WireError `wire.truncated` */
export function decodeSegments(input: ByteReader): SegmentSubTlv[] {
  return readAll(input, (): SegmentSubTlv => {
    const type = input.u8()
    const value = input.sub(input.u8(), `segment-${type}`)
    const size = value.remaining
    if ((type === WEIGHT || type === TYPE_A) && size === 6) {
      const flags = value.u8()
      value.skip(1)
      return type === WEIGHT ? { kind: 'weight', flags, weight: value.u32() } : { kind: 'label', flags, entry: value.u32() }
    }
    if (type === TYPE_B && (size === 18 || size === 18 + BEHAVIOR_SIZE)) {
      const flags = value.u8()
      value.skip(1)
      const sid = IpAddress.fromBytes(value.octets(16))
      return value.remaining === 0 ? { kind: 'srv6', flags, sid } : { kind: 'srv6', flags, sid, behavior: value.rest().slice() }
    }
    return { kind: 'unknown', type, value: value.rest().slice() }
  })
}

/** Writes segments. */
export function encodeSegments(segments: readonly SegmentSubTlv[], out: ByteWriter): void {
  for (const segment of segments) {
    out.u8(segment.kind === 'unknown' ? segment.type : segment.kind === 'weight' ? WEIGHT : segment.kind === 'label' ? TYPE_A : TYPE_B)
    const close = out.reserveU8()
    if (segment.kind === 'unknown') out.octets(segment.value)
    else out.u8(segment.flags).u8(0)
    if (segment.kind === 'weight') out.u32(segment.weight)
    if (segment.kind === 'label') out.u32(segment.entry)
    if (segment.kind === 'srv6') out.octets(segment.sid.toBytes()).octets(segment.behavior ?? new Uint8Array())
    close()
  }
}
