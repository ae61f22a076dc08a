import { ATTRIBUTE } from '../iana.js'
import { attributeCodec } from './attribute-codec.js'

const AIGP_TLV = 1
/** Type, length and eight octets of metric. */
const AIGP_TLV_SIZE = 11

/** AIGP (RFC 7311 §3): TLVs whose length covers their head; the first of type 1 has the metric. */
export const aigpCodec = attributeCodec({
  type: ATTRIBUTE.aigp,
  name: 'aigp',
  property: 'aigp',
  category: 'optional-non-transitive',
  malformed: 'attribute-discard',
  flagsConflict: 'attribute-discard',
  rfc: 'RFC 7311 §3.2',
  internalOnly: true,
  decode(input) {
    let metric: bigint | undefined
    while (input.remaining > 0) {
      const type = input.u8()
      const length = input.u16()
      if (length < 3 || (type === AIGP_TLV && length !== AIGP_TLV_SIZE)) input.fail('bgp.attribute.aigp.length', this.rfc)
      const content = input.sub(length - 3, 'tlv')
      if (type === AIGP_TLV) metric ??= content.u64()
    }
    return metric ?? input.fail('bgp.attribute.aigp.missing', this.rfc)
  },
  encode(value, out) {
    out.u8(AIGP_TLV).u16(AIGP_TLV_SIZE).u64(value)
  },
})
