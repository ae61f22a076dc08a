import type { IpAddress } from '@heddle/wire'
import type { PathAttributes } from '../attribute/path-attributes.js'
import type { Capability } from '../capability/capability.js'
import type { NextHop } from '../next-hop/next-hop.js'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import type { OutboundRouteFilters } from './outbound-route-filter.js'

/** OPEN (RFC 4271 §4.2). */
export interface OpenMessage {
  readonly type: 'open'
  /** The whole AS number: that of the four-octet AS capability where there is one (RFC 6793 §4.1), never AS_TRANS in its place. */
  readonly as: number
  /** Seconds: 0 or 3–65,535. */
  readonly holdTime: number
  /** BGP identifier, four octets that are not all zero (RFC 6286). */
  readonly routerId: IpAddress
  readonly capabilities: readonly Capability[]
}

/** Reachable routes of one family. */
export interface Announcement {
  readonly family: Family
  /** Absent where the family has none (FlowSpec), or its form is not known (`rawNextHop`). */
  readonly nextHop?: NextHop
  /** The next hop field of a family whose next hops are not taken apart. */
  readonly rawNextHop?: Uint8Array
  readonly nlri: readonly Nlri[]
  /** Whether it is in MP_REACH_NLRI; `false` is the NLRI field of RFC 4271, which only IPv4 unicast can use. */
  readonly multiprotocol: boolean
}

/** Unreachable routes of one family. */
export interface Withdrawal {
  readonly family: Family
  readonly nlri: readonly Nlri[]
  /** Whether it is in MP_UNREACH_NLRI; `false` is the withdrawn routes field of RFC 4271. */
  readonly multiprotocol: boolean
}

/** UPDATE (RFC 4271 §4.3, RFC 4760). */
export interface UpdateMessage {
  readonly type: 'update'
  /** Withdrawn routes field first, then MP_UNREACH_NLRI. */
  readonly withdrawn: readonly Withdrawal[]
  readonly attributes: PathAttributes
  /** MP_REACH_NLRI first, then the NLRI field. */
  readonly announced: readonly Announcement[]
  /** The family that this message ends the initial dump of (RFC 4724 §2). */
  readonly endOfRib?: Family
}

/** NOTIFICATION (RFC 4271 §4.5). */
export interface NotificationMessage {
  readonly type: 'notification'
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
  /** Shutdown communication of administrative shutdown and reset (RFC 9003 §2). */
  readonly shutdown?: string
}

/** KEEPALIVE (RFC 4271 §4.4). */
export interface KeepaliveMessage {
  readonly type: 'keepalive'
}

/** ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2). */
export interface RouteRefreshMessage {
  readonly type: 'route-refresh'
  readonly family: Family
  /** 0 request, 1 beginning of refresh, 2 end of refresh; others are to be ignored. */
  readonly subtype: number
  /** Outbound route filters of a request (RFC 5291 §4). */
  readonly orf?: OutboundRouteFilters
  /** What stands in their place and is none. */
  readonly rawOrf?: Uint8Array
}

/** Any BGP message. */
export type BgpMessage = OpenMessage | UpdateMessage | NotificationMessage | KeepaliveMessage | RouteRefreshMessage
