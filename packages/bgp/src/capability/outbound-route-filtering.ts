import { CAPABILITY } from '../iana.js'
import { familyOf } from '../nlri/family.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'
import type { OutboundRouteFilteringEntry } from './capability.js'

/** Outbound route filtering (RFC 5291 §5): per family a count of filter types, each with 1 receive, 2 send, 3 both. */
export const outboundRouteFilteringCapability: CapabilityCodec<CapabilityOf<'outbound-route-filtering'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'outbound-route-filtering'>>
>({
  code: CAPABILITY.outboundRouteFiltering,
  kind: 'outbound-route-filtering',
  rfc: 'RFC 5291 §5',
  decode(input) {
    const entries: OutboundRouteFilteringEntry[] = []
    do {
      const afi = input.u16()
      input.skip(1)
      const family = familyOf(afi, input.u8())
      const filters = input.sub(input.u8() * 2, 'filters')
      const types: OutboundRouteFilteringEntry['filters'][number][] = []
      while (filters.remaining > 0) types.push({ type: filters.u8(), sendReceive: filters.u8() })
      entries.push({ family, filters: types })
    } while (input.remaining > 0)
    return { kind: 'outbound-route-filtering', entries }
  },
  encode({ entries }, out) {
    for (const { family, filters } of entries) {
      out.u16(family.afi).u8(0).u8(family.safi).u8(filters.length)
      for (const { type, sendReceive } of filters) out.u8(type).u8(sendReceive)
    }
  },
})
