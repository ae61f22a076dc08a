import { extendedCommunityFromWords, extendedCommunityWords } from '../community/extended.js'
import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll, requireItems } from './attribute-codec.js'

/** EXTENDED_COMMUNITIES (RFC 4360): eight octets each. */
export const extendedCommunitiesCodec = attributeCodec({
  type: ATTRIBUTE.extendedCommunities,
  name: 'extended-communities',
  property: 'extendedCommunities',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.14',
  decode(input) {
    requireItems(input, 8, this.rfc)
    return readAll(input, () => extendedCommunityFromWords(input.u32(), input.u32()))
  },
  encode(value, out) {
    for (const community of value) {
      const [high, low] = extendedCommunityWords(community)
      out.u32(high).u32(low)
    }
  },
})
