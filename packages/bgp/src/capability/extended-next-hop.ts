import { CAPABILITY } from '../iana.js'
import { familyOf } from '../nlri/family.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'
import type { ExtendedNextHopEntry } from './capability.js'

/** Extended next hop encoding (RFC 8950 §4): AFI, SAFI and next hop AFI, two octets each. */
export const extendedNextHopCapability: CapabilityCodec<CapabilityOf<'extended-next-hop'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'extended-next-hop'>>
>({
  code: CAPABILITY.extendedNextHop,
  kind: 'extended-next-hop',
  rfc: 'RFC 8950 §4',
  decode(input) {
    const entries: ExtendedNextHopEntry[] = []
    while (input.remaining > 0) {
      const afi = input.u16()
      const safi = input.u16()
      if (safi > 0xff) input.fail('bgp.capability.safi', this.rfc)
      entries.push({ family: familyOf(afi, safi), nextHopAfi: input.u16() })
    }
    return { kind: 'extended-next-hop', entries }
  },
  encode({ entries }, out) {
    for (const { family, nextHopAfi } of entries) out.u16(family.afi).u16(family.safi).u16(nextHopAfi)
  },
})
