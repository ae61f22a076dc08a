import { ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { AS_SEGMENT, AS_TRANS, ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll } from './attribute-codec.js'
import type { AsPathSegment } from './path-attributes.js'

const SEGMENT_TYPES: ReadonlyMap<number, AsPathSegment['type']> = new Map([
  [AS_SEGMENT.set, 'set'],
  [AS_SEGMENT.sequence, 'sequence'],
  [AS_SEGMENT.confedSequence, 'confed-sequence'],
  [AS_SEGMENT.confedSet, 'confed-set'],
])

const SEGMENT_CODE: Readonly<Record<AsPathSegment['type'], number>> = {
  set: AS_SEGMENT.set,
  sequence: AS_SEGMENT.sequence,
  'confed-sequence': AS_SEGMENT.confedSequence,
  'confed-set': AS_SEGMENT.confedSet,
}

/**
 * AS_PATH (RFC 4271 §4.3, RFC 6793 §4): segments of type, count and that many AS numbers of two or four octets.
 *
 *     +------+-------+-------------------------+
 *     | type | count | AS numbers              |
 *     +------+-------+-------------------------+
 */
export const asPathCodec = attributeCodec({
  type: ATTRIBUTE.asPath,
  name: 'as-path',
  property: 'asPath',
  category: 'well-known',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.2',
  decode(input, { asn4, peerType }) {
    const segments = decodeSegments(input, asn4, this.rfc)
    // A peer outside the confederation has no business with its inner structure.
    const inner = peerType === 'ebgp' && segments.some(({ type }) => type.startsWith('confed'))
    return inner ? input.fail('bgp.attribute.as-path.confederation', 'RFC 5065 §5') : segments
  },
  encode(value, out, { asn4 }) {
    encodeSegments(value, out, asn4)
  },
})

/** Segments to the end of the container. @throws WireError `bgp.attribute.as-path.*`, `wire.truncated` */
export function decodeSegments(input: ByteReader, asn4: boolean, rfc: string): AsPathSegment[] {
  return readAll(input, () => {
    const at = input.offset
    const code = input.u8()
    const type = SEGMENT_TYPES.get(code) ?? input.fail('bgp.attribute.as-path.segment-type', rfc)
    const count = input.u8()
    if (count === 0) input.fail('bgp.attribute.as-path.empty-segment', rfc)
    const content = input.sub(count * (asn4 ? 4 : 2), `segment@${at}`)
    const asns = readAll(content, () => {
      const as = asn4 ? content.u32() : content.u16()
      return as === 0 ? content.fail('bgp.attribute.as-path.as-zero', 'RFC 7607 §2') : as
    })
    return { type, asns }
  })
}

/** Writes segments; with two-octet AS numbers, those that do not fit become AS_TRANS. @throws ValueError `bgp.as-path.segment` */
export function encodeSegments(segments: readonly AsPathSegment[], out: ByteWriter, asn4: boolean): void {
  for (const { type, asns } of segments) {
    if (asns.length === 0 || asns.length > 255)
      throw new ValueError('bgp.as-path.segment', `${asns.length} AS numbers`, 'a segment of 1–255')
    out.u8(SEGMENT_CODE[type]).u8(asns.length)
    for (const as of asns) {
      if (asn4) out.u32(as)
      else out.u16(as > 0xffff ? AS_TRANS : as)
    }
  }
}

/** AS-path length of the decision process: a set counts one, confederation segments nothing (RFC 4271 §9.1.2.2, RFC 5065 §5.3). */
export function asPathLength(segments: readonly AsPathSegment[]): number {
  let length = 0
  for (const { type, asns } of segments) length += type === 'sequence' ? asns.length : type === 'set' ? 1 : 0
  return length
}

/** `65001 {65002,65003} (65010)`: sets in braces, confederation sequences in parentheses, confederation sets in brackets. */
export function formatAsPath(segments: readonly AsPathSegment[]): string {
  return segments
    .map(({ type, asns }) => {
      switch (type) {
        case 'sequence':
          return asns.join(' ')
        case 'set':
          return `{${asns.join(',')}}`
        case 'confed-sequence':
          return `(${asns.join(' ')})`
        default:
          return `[${asns.join(',')}]`
      }
    })
    .join(' ')
}
