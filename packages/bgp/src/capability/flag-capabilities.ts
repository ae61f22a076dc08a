import { CAPABILITY } from '../iana.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'

/** Route refresh (RFC 2918 §2): no octets. */
export const routeRefreshCapability: CapabilityCodec<CapabilityOf<'route-refresh'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'route-refresh'>>
>({
  code: CAPABILITY.routeRefresh,
  kind: 'route-refresh',
  rfc: 'RFC 2918 §2',
  decode: () => ({ kind: 'route-refresh' }),
  encode() {},
})

/** Enhanced route refresh (RFC 7313 §3.1): no octets. */
export const enhancedRouteRefreshCapability: CapabilityCodec<CapabilityOf<'enhanced-route-refresh'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'enhanced-route-refresh'>>
>({
  code: CAPABILITY.enhancedRouteRefresh,
  kind: 'enhanced-route-refresh',
  rfc: 'RFC 7313 §3.1',
  decode: () => ({ kind: 'enhanced-route-refresh' }),
  encode() {},
})

/** Extended message (RFC 8654 §3): no octets. */
export const extendedMessageCapability: CapabilityCodec<CapabilityOf<'extended-message'>> = Object.freeze<
  CapabilityCodec<CapabilityOf<'extended-message'>>
>({
  code: CAPABILITY.extendedMessage,
  kind: 'extended-message',
  rfc: 'RFC 8654 §3',
  decode: () => ({ kind: 'extended-message' }),
  encode() {},
})
