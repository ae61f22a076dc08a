import type { IpAddress, IpPrefix } from '@heddle/wire'
import type { Family } from '../nlri/family.js'

/** What every record has (RFC 6396 §2, §3). */
interface MrtCommon {
  /** Seconds since 1970. */
  readonly timestamp: number
  /** Where the type has them (RFC 6396 §3). */
  readonly microseconds?: number
}

/** A peer of a table (RFC 6396 §4.3.1); routes name it by its place. */
export interface MrtPeer {
  readonly routerId: IpAddress
  readonly address: IpAddress
  readonly as: number
  /** AS numbers above 65,535 can be written; `true` wherever the AS number needs it. */
  readonly as4: boolean
}

/** The peers to whom the routes that follow belong (RFC 6396 §4.3.1). */
export interface MrtPeerIndexTable extends MrtCommon {
  readonly kind: 'peer-index-table'
  readonly collectorId: IpAddress
  readonly viewName: string
  readonly peers: readonly MrtPeer[]
}

/** A path to a destination (RFC 6396 §4.3.4, RFC 8050 §4.1). */
export interface MrtRibEntry {
  readonly peerIndex: number
  /** Seconds since 1970. */
  readonly originated: number
  readonly pathId?: number
  /** Path attributes with four-octet AS numbers and MP_REACH_NLRI in its short form; `mrtAttributes` reads them. */
  readonly attributes: Uint8Array
}

/** The paths to one destination (RFC 6396 §4.3.2, §4.3.3). */
export interface MrtRib extends MrtCommon {
  readonly kind: 'rib'
  /** Subtypes of a family of its own, or the generic one. */
  readonly generic: boolean
  readonly addPath: boolean
  readonly sequence: number
  readonly family: Family
  /** One entry of NLRI, octet for octet; `mrtNlri` reads it. */
  readonly nlri: Uint8Array
  readonly entries: readonly MrtRibEntry[]
}

/** A route of a table in the old form (RFC 6396 §4.2). */
export interface MrtTableDump extends MrtCommon {
  readonly kind: 'table-dump'
  readonly view: number
  readonly sequence: number
  readonly prefix: IpPrefix
  /** As the collector wrote the address: bits behind the length may be set. */
  readonly address: IpAddress
  readonly status: number
  readonly originated: number
  readonly peerAddress: IpAddress
  readonly peerAs: number
  /** With two-octet AS numbers; `mrtAttributes` reads them. */
  readonly attributes: Uint8Array
}

/** Who talked to whom (RFC 6396 §4.4). */
export interface MrtSession {
  readonly peerAs: number
  readonly localAs: number
  readonly interfaceIndex: number
  readonly peerAddress: IpAddress
  readonly localAddress: IpAddress
  /** AS numbers have four octets, in the record and in the message. */
  readonly as4: boolean
}

/** A BGP message (RFC 6396 §4.4.2, §4.4.3, RFC 8050 §3). */
export interface MrtMessage extends MrtCommon, MrtSession {
  readonly kind: 'message'
  /** Sent by the collector rather than received (RFC 6396 §4.4.4). */
  readonly local: boolean
  /** NLRI of the message have path identifiers. */
  readonly addPath: boolean
  /** The whole message, header included; `mrtMessage` reads it. */
  readonly pdu: Uint8Array
}

/** A change of the session's state (RFC 6396 §4.4.1): one of `MRT_STATE`. */
export interface MrtStateChange extends MrtCommon, MrtSession {
  readonly kind: 'state-change'
  readonly oldState: number
  readonly newState: number
}

/** A BGP message in the form of before BGP4MP (RFC 6396 appendix B.2). */
export interface MrtLegacyMessage extends MrtCommon {
  readonly kind: 'legacy-message'
  /** Two octets, as in the message. */
  readonly peerAs: number
  /** IPv4. */
  readonly peerAddress: IpAddress
  readonly localAs: number
  readonly localAddress: IpAddress
  /** The whole message, with the header that the record leaves out; `mrtMessage` reads it. */
  readonly pdu: Uint8Array
}

/** A change of state in that form. */
export interface MrtLegacyStateChange extends MrtCommon {
  readonly kind: 'legacy-state-change'
  readonly peerAs: number
  readonly peerAddress: IpAddress
  readonly oldState: number
  readonly newState: number
}

/** A record that is not taken apart. */
export interface MrtOther extends MrtCommon {
  readonly kind: 'other'
  readonly type: number
  readonly subtype: number
  readonly body: Uint8Array
}

/** Any record. */
export type MrtRecord =
  | MrtPeerIndexTable
  | MrtRib
  | MrtTableDump
  | MrtMessage
  | MrtStateChange
  | MrtLegacyMessage
  | MrtLegacyStateChange
  | MrtOther
