import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll, requireItems } from './attribute-codec.js'

/** IPv6 address specific extended communities (RFC 5701): twenty octets each, kept as they are. */
export const ipv6ExtendedCommunitiesCodec = attributeCodec({
  type: ATTRIBUTE.ipv6ExtendedCommunities,
  name: 'ipv6-extended-communities',
  property: 'ipv6ExtendedCommunities',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.15',
  decode(input) {
    requireItems(input, 20, this.rfc)
    return readAll(input, () => input.octets(20).slice())
  },
  encode(value, out) {
    for (const community of value) out.octets(community)
  },
})
