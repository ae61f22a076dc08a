import { IpAddress } from '@heddle/wire'
import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, requireLength } from './attribute-codec.js'

/** ORIGINATOR_ID (RFC 4456 §8): the BGP identifier of who brought the route into the AS. */
export const originatorIdCodec = attributeCodec({
  type: ATTRIBUTE.originatorId,
  name: 'originator-id',
  property: 'originatorId',
  category: 'optional-non-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.9',
  internalOnly: true,
  decode(input) {
    requireLength(input, 4, this.rfc)
    return IpAddress.v4(input.u32())
  },
  encode(value, out) {
    out.u32(value.w0)
  },
})
