import { IPV6_EXTENDED_COMMUNITY_SIZE, decodeIpv6ExtendedCommunity, encodeIpv6ExtendedCommunity } from '../community/ipv6.js'
import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll, requireItems } from './attribute-codec.js'

/** IPv6 address specific extended communities (RFC 5701): twenty octets each. */
export const ipv6ExtendedCommunitiesCodec = attributeCodec({
  type: ATTRIBUTE.ipv6ExtendedCommunities,
  name: 'ipv6-extended-communities',
  property: 'ipv6ExtendedCommunities',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.15',
  decode(input) {
    requireItems(input, IPV6_EXTENDED_COMMUNITY_SIZE, this.rfc)
    return readAll(input, () => decodeIpv6ExtendedCommunity(input))
  },
  encode(value, out) {
    for (const community of value) encodeIpv6ExtendedCommunity(community, out)
  },
})
