import { RouteTarget, ValueError } from '@heddle/wire'
import type { NlriCodec } from './nlri-codec.js'
import { decodePrefixField, writePathId } from './prefix-field.js'

/**
 * Route target membership (RFC 4684 §4): which route targets a speaker wants VPN routes for.
 *
 *     +-------------------------------+
 *     | origin AS        (4 octets)   |
 *     +-------------------------------+
 *     | route target     (8 octets)   |   as a prefix of 0 or 32–96 bits over both
 *     +-------------------------------+
 */
export interface RouteTargetMembershipNlri {
  readonly kind: 'rtc'
  /** 0 (the default: every route target) or 32–96 bits. */
  readonly length: number
  /** 0 for the default. */
  readonly originAs: number
  /** The first four octets of the route target, bits behind the prefix cleared. */
  readonly high: number
  /** The last four octets of the route target, bits behind the prefix cleared. */
  readonly low: number
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/** The default membership: send me every VPN route (RFC 4684 §3.2). */
export const RTC_DEFAULT: RouteTargetMembershipNlri = Object.freeze({ kind: 'rtc', length: 0, originAs: 0, high: 0, low: 0 })

/** Membership of exactly one route target. */
export function routeTargetMembership(originAs: number, target: RouteTarget): RouteTargetMembershipNlri {
  return { kind: 'rtc', length: 96, originAs, high: target.high, low: target.low }
}

/** The route target, when `nlri` names exactly one. */
export function routeTargetOf(nlri: RouteTargetMembershipNlri): RouteTarget | undefined {
  return nlri.length === 96 ? RouteTarget.fromWords(nlri.high, nlri.low) : undefined
}

/** Length, origin AS and route target (RFC 4684 §4). */
export const routeTargetMembershipCodec: NlriCodec<RouteTargetMembershipNlri> = Object.freeze<NlriCodec<RouteTargetMembershipNlri>>({
  kind: 'rtc',
  decode: (input, family, mode) =>
    decodePrefixField(input, family, mode, ({ length, w0: originAs, w1: high, w2: low, pathId }) =>
      mode.addPath ? { kind: 'rtc', length, originAs, high, low, pathId } : { kind: 'rtc', length, originAs, high, low },
    ),
  encode(nlri, out, _family, mode) {
    const { length, originAs, high, low } = nlri
    if (length !== 0 && !(length >= 32 && length <= 96)) throw new ValueError('bgp.nlri.length', String(length), '0 or 32–96 bits')
    writePathId(out, nlri, mode)
    out.u8(length)
    const end = out.length + ((length + 7) >>> 3)
    if (length > 0) out.u32(originAs).u32(high).u32(low).truncate(end)
  },
})
