import { IpAddress, type ByteReader, type ByteWriter } from '@heddle/wire'
import { AS_TRANS, ATTRIBUTE } from '../iana.js'
import { attributeCodec, requireLength, type AttributeContext, type AttributeRule } from './attribute-codec.js'
import type { Aggregator } from './path-attributes.js'

/** Decoder and encoder of an AS number and an address, for AGGREGATOR and AS4_AGGREGATOR. */
export function aggregatorFields(asn4: (context: AttributeContext) => boolean): {
  decode(this: AttributeRule, input: ByteReader, context: AttributeContext): Aggregator
  encode(value: Aggregator, out: ByteWriter, context: AttributeContext): void
} {
  return {
    decode(input, context) {
      const whole = asn4(context)
      requireLength(input, whole ? 8 : 6, this.rfc)
      const as = whole ? input.u32() : input.u16()
      if (as === 0) input.fail('bgp.attribute.aggregator.as-zero', 'RFC 7607 §2')
      return { as, address: IpAddress.v4(input.u32()) }
    },
    encode({ as, address }, out, context) {
      if (asn4(context)) out.u32(as)
      else out.u16(as > 0xffff ? AS_TRANS : as)
      out.u32(address.w0)
    },
  }
}

/** AGGREGATOR (RFC 4271 §5.1.7): who formed the aggregate; six octets, or eight with four-octet AS numbers. */
export const aggregatorCodec = attributeCodec({
  type: ATTRIBUTE.aggregator,
  name: 'aggregator',
  property: 'aggregator',
  category: 'optional-transitive',
  malformed: 'attribute-discard',
  rfc: 'RFC 7606 §7.7',
  ...aggregatorFields(({ asn4 }) => asn4),
})
