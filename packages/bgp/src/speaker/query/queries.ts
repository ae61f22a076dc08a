import type { Family } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import type { FamilyName } from '../config.js'

/** Which routes `Speaker.routes` shows. */
export interface RoutesQuery {
  readonly family: Family | FamilyName
  /** A peer's address, or `local`. Default: all. Needed for `out`. */
  readonly neighbor?: string
  /** Routes of this VRF. Default: of the neighbor's, where one is named; else those of no VRF. */
  readonly vrf?: string
  /** `in`: paths that were received (with `best` marking the Loc-RIB); `out`: what the neighbor was sent. Default `in`. */
  readonly direction?: 'in' | 'out'
  /** Of `in`: paths as they count, after import policy, and only those that do. Default `false`: as received. */
  readonly postPolicy?: boolean
}

/** Which destination `Speaker.explain` is asked about. */
export interface ExplainQuery {
  readonly family: Family | FamilyName
  /** Labels and path identifier do not matter. */
  readonly nlri: Nlri
  /** Default: none. */
  readonly vrf?: string
}

/** How a speaker stops. */
export interface StopOptions {
  /** Close without a NOTIFICATION, so that peers keep the routes until a new process takes this one's place (RFC 4724 §4.1). Default `false`. */
  readonly graceful?: boolean
  /** Text for the peers (RFC 9003): 255 octets of UTF-8; what is beyond is cut off. */
  readonly message?: string
}
