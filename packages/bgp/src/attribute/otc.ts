import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, requireLength } from './attribute-codec.js'

/** Only to customer (RFC 9234 §5): the AS that marked the route. */
export const otcCodec = attributeCodec({
  type: ATTRIBUTE.otc,
  name: 'otc',
  property: 'otc',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 9234 §5',
  decode(input) {
    requireLength(input, 4, this.rfc)
    const as = input.u32()
    return as === 0 ? input.fail('bgp.attribute.otc.as-zero', 'RFC 7607 §2') : as
  },
  encode(value, out) {
    out.u32(value)
  },
})
