import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, requireLength } from './attribute-codec.js'

/** MULTI_EXIT_DISC (RFC 4271 §5.1.4): four octets. */
export const medCodec = attributeCodec({
  type: ATTRIBUTE.med,
  name: 'med',
  property: 'med',
  category: 'optional-non-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.4',
  decode(input) {
    requireLength(input, 4, this.rfc)
    return input.u32()
  },
  encode(value, out) {
    out.u32(value)
  },
})
