import { CAPABILITY } from '../iana.js'
import { familyOf } from '../nlri/family.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'
import type { AddPathEntry } from './capability.js'

const DIRECTIONS: readonly AddPathEntry['direction'][] = ['receive', 'send', 'both']

/** ADD-PATH (RFC 7911 §4): AFI, SAFI, and 1 receive, 2 send, 3 both; an entry with another value is to be ignored. */
export const addPathCapability: CapabilityCodec<CapabilityOf<'add-path'>> = Object.freeze<CapabilityCodec<CapabilityOf<'add-path'>>>({
  code: CAPABILITY.addPath,
  kind: 'add-path',
  rfc: 'RFC 7911 §4',
  decode(input) {
    const families: AddPathEntry[] = []
    while (input.remaining > 0) {
      const family = familyOf(input.u16(), input.u8())
      const direction = DIRECTIONS[input.u8() - 1]
      if (direction !== undefined) families.push({ family, direction })
    }
    return { kind: 'add-path', families }
  },
  encode({ families }, out) {
    for (const { family, direction } of families)
      out
        .u16(family.afi)
        .u8(family.safi)
        .u8(DIRECTIONS.indexOf(direction) + 1)
  },
})
