import { ValueError } from '@heddle/wire'
import { CAPABILITY } from '../iana.js'
import { familyOf } from '../nlri/family.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'
import type { GracefulRestartCapability } from './capability.js'

const RESTARTING = 0x8000
const NOTIFICATION = 0x4000
const FORWARDING = 0x80

/**
 * Graceful restart (RFC 4724 §3; N bit: RFC 8538 §2).
 *
 *     +---+---+----+------------------+----------------------------+
 *     | R | N | 00 | restart time (12)| AFI (2), SAFI, F + 0 (7) …  |
 *     +---+---+----+------------------+----------------------------+
 */
export const gracefulRestartCapability: CapabilityCodec<CapabilityOf<'graceful-restart'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'graceful-restart'>>
>({
  code: CAPABILITY.gracefulRestart,
  kind: 'graceful-restart',
  rfc: 'RFC 4724 §3',
  decode(input) {
    const head = input.u16()
    const families: GracefulRestartCapability['families'][number][] = []
    while (input.remaining > 0) {
      const family = familyOf(input.u16(), input.u8())
      families.push({ family, forwardingPreserved: (input.u8() & FORWARDING) !== 0 })
    }
    return {
      kind: 'graceful-restart',
      restarting: (head & RESTARTING) !== 0,
      notification: (head & NOTIFICATION) !== 0,
      restartTime: head & 0xfff,
      families,
    }
  },
  encode({ restarting, notification, restartTime, families }, out) {
    if (restartTime > 0xfff) throw new ValueError('bgp.capability.restart-time', String(restartTime), '0–4,095 seconds')
    out.u16((restarting ? RESTARTING : 0) | (notification ? NOTIFICATION : 0) | restartTime)
    for (const { family, forwardingPreserved } of families)
      out
        .u16(family.afi)
        .u8(family.safi)
        .u8(forwardingPreserved ? FORWARDING : 0)
  },
})
