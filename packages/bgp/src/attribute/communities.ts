import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll, requireItems } from './attribute-codec.js'

/** COMMUNITIES (RFC 1997): four octets each. */
export const communitiesCodec = attributeCodec({
  type: ATTRIBUTE.communities,
  name: 'communities',
  property: 'communities',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.8',
  decode(input) {
    requireItems(input, 4, this.rfc)
    return readAll(input, () => input.u32())
  },
  encode(value, out) {
    for (const community of value) out.u32(community)
  },
})
