import { CAPABILITY } from '../iana.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'

/** Dynamic capability (draft-ietf-idr-dynamic-cap §3): codes of the capabilities that may change while the session lives, one octet each. */
export const dynamicCapability: CapabilityCodec<CapabilityOf<'dynamic'>> = Object.freeze<CapabilityCodec<CapabilityOf<'dynamic'>>>({
  code: CAPABILITY.dynamic,
  kind: 'dynamic',
  rfc: 'draft-ietf-idr-dynamic-cap §3',
  decode: (input) => ({ kind: 'dynamic', codes: [...input.rest()] }),
  encode({ codes }, out) {
    for (const code of codes) out.u8(code)
  },
})
