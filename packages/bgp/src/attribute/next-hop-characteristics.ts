import { ATTRIBUTE } from '../iana.js'
import type { AttributeShape } from './attribute-codec.js'

/** Next hop dependent characteristics (draft-ietf-idr-nhc §2): the next hop they speak of, then TLVs of two-octet code and length. */
export const nextHopCharacteristicsShape: AttributeShape = Object.freeze<AttributeShape>({
  type: ATTRIBUTE.nextHopCharacteristics,
  name: 'next-hop-characteristics',
  category: 'optional-transitive',
  malformed: 'attribute-discard',
  flagsConflict: 'attribute-discard',
  rfc: 'draft-ietf-idr-nhc §2',
  check(input) {
    const afi = input.u16()
    input.skip(1)
    const size = input.u8()
    input.skip(size)
    if (afi === 0 || (afi > 2 && afi !== 25) || ![4, 12, 16, 24, 32, 48].includes(size)) {
      input.fail('bgp.attribute.next-hop-characteristics.next-hop', this.rfc)
    }
    while (input.remaining > 0) {
      input.skip(2)
      input.skip(input.u16())
    }
  },
})
