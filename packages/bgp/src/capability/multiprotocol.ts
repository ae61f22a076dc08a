import { CAPABILITY } from '../iana.js'
import { familyOf } from '../nlri/family.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'

/** Multiprotocol extensions (RFC 4760 §8): AFI, a reserved octet, SAFI. */
export const multiprotocolCapability: CapabilityCodec<CapabilityOf<'multiprotocol'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'multiprotocol'>>
>({
  code: CAPABILITY.multiprotocol,
  kind: 'multiprotocol',
  rfc: 'RFC 4760 §8',
  decode(input) {
    const afi = input.u16()
    input.skip(1)
    return { kind: 'multiprotocol', family: familyOf(afi, input.u8()) }
  },
  encode({ family }, out) {
    out.u16(family.afi).u8(0).u8(family.safi)
  },
})
