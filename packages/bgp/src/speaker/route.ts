import type { IpAddress } from '@heddle/wire'
import type { AttributeSet } from '../attribute/attribute-set.js'
import type { PathAttributes } from '../attribute/path-attributes.js'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'

/** A route that this speaker originates. Its identity is (VRF, family, NLRI without labels). */
export interface LocalRoute {
  readonly family: Family
  readonly nlri: Nlri
  /** The VRF that it is in, and from which it goes to other PEs as VPN route. Default: none. */
  readonly vrf?: string
  /** Default: our address in the session with each peer. */
  readonly nextHop?: IpAddress
  /** Default: origin `igp`, an empty AS path. What BGP itself writes on the way (AS_PATH, CLUSTER_LIST, ORIGINATOR_ID) is left out. */
  readonly attributes?: PathAttributes
}

/** Names a local route; labels in `nlri` do not matter. */
export type LocalRouteKey = Pick<LocalRoute, 'family' | 'nlri' | 'vrf'>

/** The name that paths of our own have in place of a peer's address. */
export const LOCAL_PEER = 'local'

/** What happened to one path that a peer sent us. Its identity is (VRF, family, peer, NLRI without labels, path id). */
export type RouteChange = RouteAnnouncement | RouteWithdrawal

interface RouteIdentity {
  readonly family: Family
  readonly nlri: Nlri
  /** The VRF that the peer is a customer of (RFC 4364); absent for one of ours. */
  readonly vrf?: string
  /** ADD-PATH identifier, 0 without. */
  readonly pathId: number
  /** The peer's address. */
  readonly peer: string
}

/** A path that is there, new or changed. */
export interface RouteAnnouncement extends RouteIdentity {
  readonly kind: 'announce'
  readonly attributes: PathAttributes
  /** Absent where the family has none. */
  readonly nextHop?: IpAddress
  readonly peerType: 'ibgp' | 'ebgp'
  /** BGP identifier of the peer. */
  readonly peerRouterId: IpAddress
  /** Kept over the restart of its peer (RFC 4724 §4.2). */
  readonly stale: boolean
}

/** A path that is gone. `nlri` has the labels that it had. */
export interface RouteWithdrawal extends RouteIdentity {
  readonly kind: 'withdraw'
}

/** Why a path that was received is not used. */
export type InvalidReason =
  /** Our AS is in AS_PATH more often than is allowed (RFC 4271 §9.1.2). */
  | 'as-loop'
  /** Our identifier is ORIGINATOR_ID (RFC 4456 §8). */
  | 'originator-loop'
  /** Our cluster is in CLUSTER_LIST (RFC 4456 §8). */
  | 'cluster-loop'
  /** Our member AS is in a confederation segment (RFC 5065 §5.3). */
  | 'confederation-loop'
  /** The import policy rejects it. */
  | 'policy'
  /** A route leak by the roles of the two ends and OTC (RFC 9234 §5). */
  | 'role-leak'
  /** AS_PATH is longer than the peer may send. */
  | 'as-path-length'
  /** The attributes have more octets than the peer may send. */
  | 'attribute-size'
  /** AS_PATH does not begin with the peer's AS (RFC 4271 §6.3). */
  | 'first-as'
  /** A peer outside our confederation sent confederation segments, or one in another member AS a path that begins with none (RFC 5065 §5). */
  | 'confederation-segment'
  /** A rule of FlowSpec whose destination is not the peer's to say anything of (RFC 8955 §6). */
  | 'infeasible'

/** A path as `routes()` shows it. */
export interface RouteView extends RouteIdentity {
  /** In: attributes as received, or as they count. Out: as sent. */
  readonly set: AttributeSet
  readonly best: boolean
  /** Used beside the best path, or is the best of several that are. */
  readonly multipath: boolean
  readonly stale: boolean
  /** Absent for a path that takes part in the decision. */
  readonly invalid?: InvalidReason
}
