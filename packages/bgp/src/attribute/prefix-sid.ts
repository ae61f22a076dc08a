import { IpAddress, ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll } from './attribute-codec.js'
import { decodeSrv6SubTlvs, encodeSrv6SubTlvs, type Srv6ServiceSubTlv } from './srv6-service.js'

/** A TLV of the BGP Prefix-SID attribute (RFC 8669 §3, RFC 9252 §2). Reserved octets are not kept. */
export type PrefixSidTlv =
  /** Index of the label in the segment routing global block (RFC 8669 §3.1). */
  | { readonly kind: 'label-index'; readonly flags: number; readonly labelIndex: number }
  /** Label blocks of the originator: first label and size, 24 bits each (RFC 8669 §3.2). */
  | {
      readonly kind: 'originator-srgb'
      readonly flags: number
      readonly ranges: readonly { readonly base: number; readonly size: number }[]
    }
  /** Segment identifiers of an overlay service: END.DT4, END.DT6 and the like (RFC 9252 §2). */
  | { readonly kind: 'srv6-l3-service' | 'srv6-l2-service'; readonly subTlvs: readonly Srv6ServiceSubTlv[] }
  | { readonly kind: 'unknown'; readonly type: number; readonly value: Uint8Array }

const LABEL_INDEX = 1
const LABEL_INDEX_SIZE = 7
const ORIGINATOR_SRGB = 3
const SRGB_RANGE_SIZE = 6
const SRV6_L3_SERVICE = 5
const SRV6_L2_SERVICE = 6

/**
 * Prefix-SID (RFC 8669 §3): TLVs of one-octet type and two-octet length.
 *
 *     +----------+------------+-------------------+
 *     | type (1) | length (2) | value (variable)  |
 *     +----------+------------+-------------------+
 */
export const prefixSidCodec = attributeCodec({
  type: ATTRIBUTE.prefixSid,
  name: 'prefix-sid',
  property: 'prefixSid',
  category: 'optional-transitive',
  malformed: 'attribute-discard',
  flagsConflict: 'attribute-discard',
  rfc: 'RFC 8669 §6',
  decode(input) {
    if (input.remaining === 0) input.fail('bgp.attribute.length', this.rfc)
    return decodePrefixSidTlvs(input, this.rfc)
  },
  encode(value, out) {
    encodePrefixSidTlvs(value, out)
  },
})

/** TLVs to the end of the container. @throws WireError `bgp.attribute.prefix-sid.*`, `wire.truncated` */
export function decodePrefixSidTlvs(input: ByteReader, rfc: string): PrefixSidTlv[] {
  return readAll(input, (): PrefixSidTlv => {
    const type = input.u8()
    const content = input.sub(input.u16(), `tlv-${type}`)
    switch (type) {
      case 0:
        return content.fail('bgp.attribute.prefix-sid.tlv', rfc)
      case LABEL_INDEX: {
        if (content.remaining !== LABEL_INDEX_SIZE) content.fail('bgp.attribute.prefix-sid.tlv', rfc)
        content.skip(1)
        return { kind: 'label-index', flags: content.u16(), labelIndex: content.u32() }
      }
      case ORIGINATOR_SRGB: {
        const size = content.remaining
        if (size < 2 + SRGB_RANGE_SIZE || (size - 2) % SRGB_RANGE_SIZE !== 0) content.fail('bgp.attribute.prefix-sid.tlv', rfc)
        const flags = content.u16()
        return { kind: 'originator-srgb', flags, ranges: readAll(content, () => ({ base: content.u24(), size: content.u24() })) }
      }
      case SRV6_L3_SERVICE:
      case SRV6_L2_SERVICE:
        content.skip(1)
        return { kind: type === SRV6_L3_SERVICE ? 'srv6-l3-service' : 'srv6-l2-service', subTlvs: decodeSrv6SubTlvs(content) }
      default:
        return { kind: 'unknown', type, value: content.rest().slice() }
    }
  })
}

/** Writes TLVs. */
export function encodePrefixSidTlvs(tlvs: readonly PrefixSidTlv[], out: ByteWriter): void {
  for (const tlv of tlvs) {
    out.u8(typeOf(tlv))
    const close = out.reserveU16()
    switch (tlv.kind) {
      case 'label-index':
        out.u8(0).u16(tlv.flags).u32(tlv.labelIndex)
        break
      case 'originator-srgb':
        out.u16(tlv.flags)
        for (const { base, size } of tlv.ranges) out.u24(base).u24(size)
        break
      case 'unknown':
        out.octets(tlv.value)
        break
      default:
        encodeSrv6SubTlvs(tlv.subTlvs, out.u8(0))
    }
    close()
  }
}

function typeOf(tlv: PrefixSidTlv): number {
  switch (tlv.kind) {
    case 'label-index':
      return LABEL_INDEX
    case 'originator-srgb':
      return ORIGINATOR_SRGB
    case 'srv6-l3-service':
      return SRV6_L3_SERVICE
    case 'srv6-l2-service':
      return SRV6_L2_SERVICE
    default:
      return tlv.type
  }
}

/**
 * The segment identifier of a route whose label field holds a part of it (RFC 9252 §4): `transpositionLength` bits of the label, most
 * significant first, take the place of those at `transpositionOffset`.
 *
 * @param label the 20 bits of the label, or the 24 of an EVPN label field
 * @param labelBits 20 or 24
 * @throws ValueError `bgp.srv6.transposition` when the bits do not fit
 */
export function transposeSid(
  sid: IpAddress,
  { transpositionOffset, transpositionLength }: { readonly transpositionOffset: number; readonly transpositionLength: number },
  label: number,
  labelBits: 20 | 24,
): IpAddress {
  if (transpositionLength > labelBits || transpositionOffset + transpositionLength > 128) {
    throw new ValueError('bgp.srv6.transposition', `${transpositionLength} bits at ${transpositionOffset}`, `at most ${labelBits} of 128`)
  }
  const bytes = sid.toBytes()
  for (let bit = 0; bit < transpositionLength; bit++) {
    const set = (label >>> (labelBits - 1 - bit)) & 1
    const at = transpositionOffset + bit
    const mask = 0x80 >>> (at & 7)
    bytes[at >>> 3] = set === 1 ? bytes[at >>> 3] | mask : bytes[at >>> 3] & ~mask
  }
  return IpAddress.fromBytes(bytes)
}
