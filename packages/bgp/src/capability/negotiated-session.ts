import type { IpAddress } from '@heddle/wire'
import type { Family } from '../nlri/family.js'
import type { BgpRole, ExtendedNextHopEntry, LlgrEntry } from './capability.js'

/** What two OPENs agree on; made by `negotiate`. */
export interface NegotiatedSession {
  readonly remoteAs: number
  readonly remoteRouterId: IpAddress
  readonly peerType: 'ibgp' | 'ebgp'
  /** AS_PATH has four-octet AS numbers. */
  readonly asn4: boolean
  /** Families that both announced; IPv4 unicast when the peer announced none (RFC 4760 §8). */
  readonly families: readonly Family[]
  /** `familyKey`s in which path identifiers are used, by direction. */
  readonly addPath: { readonly send: ReadonlySet<number>; readonly receive: ReadonlySet<number> }
  readonly extendedMessage: boolean
  readonly extendedNextHop: readonly ExtendedNextHopEntry[]
  readonly routeRefresh: boolean
  readonly enhancedRouteRefresh: boolean
  /** What the peer announced, cut to the negotiated families; absent unless both sent the capability. */
  readonly gracefulRestart?: {
    /** The peer has just restarted. */
    readonly restarting: boolean
    /** Both sides set the N bit (RFC 8538 §2). */
    readonly notification: boolean
    /** The peer's restart time in seconds. */
    readonly restartTime: number
    readonly families: readonly { readonly family: Family; readonly forwardingPreserved: boolean }[]
  }
  /** What the peer announced; absent unless both sent this and graceful restart. */
  readonly longLivedGracefulRestart?: readonly LlgrEntry[]
  readonly remoteRole?: BgpRole
  /** Seconds: the smaller of both; 0 means no keepalives. */
  readonly holdTime: number
}
