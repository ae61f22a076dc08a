import type { IpAddress } from '@heddle/wire'
import type { BmpInformation } from './information.js'
import type { BmpPeer } from './peer.js'
import type { BmpStatistic } from './statistics.js'

/** One UPDATE of a monitored table (RFC 7854 §4.6). */
export interface BmpRouteMonitoring {
  readonly type: 'route-monitoring'
  readonly peer: BmpPeer
  /** The whole BGP message, header included; `bmpMessage` reads it. */
  readonly pdu: Uint8Array
  /** Octets behind the UPDATE, where some routers write TLVs of their own; absent where there are none, as RFC 7854 has it. */
  readonly trailer?: Uint8Array
}

/** RFC 7854 §4.8. */
export interface BmpStatisticsReport {
  readonly type: 'statistics-report'
  readonly peer: BmpPeer
  readonly statistics: readonly BmpStatistic[]
}

/** A session that ended (RFC 7854 §4.9, RFC 9069 §5.3). */
export interface BmpPeerDown {
  readonly type: 'peer-down'
  readonly peer: BmpPeer
  /** One of `BMP_PEER_DOWN`. */
  readonly reason: number
  /** What follows the reason: a NOTIFICATION (1, 3), the number of an FSM event (2), information TLVs (6). */
  readonly data: Uint8Array
}

/** A session that came up (RFC 7854 §4.10). */
export interface BmpPeerUp {
  readonly type: 'peer-up'
  readonly peer: BmpPeer
  readonly localAddress: IpAddress
  readonly localPort: number
  readonly remotePort: number
  /** The OPENs, whole messages. */
  readonly sentOpen: Uint8Array
  readonly receivedOpen: Uint8Array
  readonly information: readonly BmpInformation[]
}

/** RFC 7854 §4.3. */
export interface BmpInitiation {
  readonly type: 'initiation'
  readonly information: readonly BmpInformation[]
}

/** RFC 7854 §4.5. */
export interface BmpTermination {
  readonly type: 'termination'
  readonly tlvs: readonly BmpTerminationTlv[]
}

/** Why the session with the station ends: 0 administratively, 1 unspecified, 2 out of resources, 3 redundant, 4 permanently. */
export type BmpTerminationTlv =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'reason'; readonly reason: number }
  | { readonly kind: 'unknown'; readonly type: number; readonly value: Uint8Array }

/** Messages as they were received, octet for octet (RFC 7854 §4.7). */
export interface BmpRouteMirroring {
  readonly type: 'route-mirroring'
  readonly peer: BmpPeer
  readonly tlvs: readonly BmpMirroringTlv[]
}

/** `message` holds a whole BGP message; `information` is 0 for an erroneous one, 1 for messages lost. */
export type BmpMirroringTlv =
  | { readonly kind: 'message'; readonly pdu: Uint8Array }
  | { readonly kind: 'information'; readonly code: number }
  | { readonly kind: 'unknown'; readonly type: number; readonly value: Uint8Array }

/** Any BMP message. */
export type BmpMessage =
  | BmpRouteMonitoring
  | BmpStatisticsReport
  | BmpPeerDown
  | BmpPeerUp
  | BmpInitiation
  | BmpTermination
  | BmpRouteMirroring
