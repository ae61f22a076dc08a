import { CAPABILITY } from '../iana.js'
import { familyOf } from '../nlri/family.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'
import type { LlgrEntry } from './capability.js'

const FORWARDING = 0x80

/** Long-lived graceful restart (RFC 9494 §3.1): AFI, SAFI, flags, and a stale time of three octets. */
export const longLivedGracefulRestartCapability: CapabilityCodec<CapabilityOf<'long-lived-graceful-restart'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'long-lived-graceful-restart'>>
>({
  code: CAPABILITY.longLivedGracefulRestart,
  kind: 'long-lived-graceful-restart',
  rfc: 'RFC 9494 §3.1',
  decode(input) {
    const families: LlgrEntry[] = []
    while (input.remaining > 0) {
      const family = familyOf(input.u16(), input.u8())
      families.push({ family, forwardingPreserved: (input.u8() & FORWARDING) !== 0, staleTime: input.u24() })
    }
    return { kind: 'long-lived-graceful-restart', families }
  },
  encode({ families }, out) {
    for (const { family, forwardingPreserved, staleTime } of families) {
      out
        .u16(family.afi)
        .u8(family.safi)
        .u8(forwardingPreserved ? FORWARDING : 0)
        .u24(staleTime)
    }
  },
})
