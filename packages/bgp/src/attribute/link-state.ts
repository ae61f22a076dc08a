import { ATTRIBUTE } from '../iana.js'
import { decodeLinkStateTlvs, encodeLinkStateTlvs } from '../nlri/bgp-ls.js'
import { attributeCodec } from './attribute-codec.js'

/** BGP-LS attribute (RFC 9552 §5.3): TLVs of two-octet type and length; a broken one costs the attribute, not the route (§8.2.2). */
export const linkStateAttributeCodec = attributeCodec({
  type: ATTRIBUTE.bgpLs,
  name: 'bgp-ls',
  property: 'linkState',
  category: 'optional-non-transitive',
  malformed: 'attribute-discard',
  flagsConflict: 'attribute-discard',
  rfc: 'RFC 9552 §8.2.2',
  decode(input) {
    if (input.remaining === 0) input.fail('bgp.attribute.length', this.rfc)
    return decodeLinkStateTlvs(input)
  },
  encode(value, out) {
    encodeLinkStateTlvs(value, out)
  },
})
