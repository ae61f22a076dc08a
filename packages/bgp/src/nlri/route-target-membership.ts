import { RouteTarget } from '@heddle/wire'

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
