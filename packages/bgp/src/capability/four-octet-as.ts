import { CAPABILITY } from '../iana.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'

/** Four-octet AS number (RFC 6793 §3). */
export const fourOctetAsCapability: CapabilityCodec<CapabilityOf<'four-octet-as'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'four-octet-as'>>
>({
  code: CAPABILITY.fourOctetAs,
  kind: 'four-octet-as',
  rfc: 'RFC 6793 §3',
  decode: (input) => ({ kind: 'four-octet-as', as: input.u32() }),
  encode({ as }, out) {
    out.u32(as)
  },
})
