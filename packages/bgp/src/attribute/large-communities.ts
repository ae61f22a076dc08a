import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll, requireItems } from './attribute-codec.js'

/** LARGE_COMMUNITY (RFC 8092): twelve octets each. */
export const largeCommunitiesCodec = attributeCodec({
  type: ATTRIBUTE.largeCommunities,
  name: 'large-communities',
  property: 'largeCommunities',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 8092 §6',
  decode(input) {
    requireItems(input, 12, this.rfc)
    return readAll(input, () => ({ globalAdministrator: input.u32(), localData1: input.u32(), localData2: input.u32() }))
  },
  encode(value, out) {
    for (const { globalAdministrator, localData1, localData2 } of value) out.u32(globalAdministrator).u32(localData1).u32(localData2)
  },
})
