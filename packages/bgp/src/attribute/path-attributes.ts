import type { IpAddress } from '@heddle/wire'
import type { ExtendedCommunity } from '../community/extended.js'
import type { Ipv6ExtendedCommunity } from '../community/ipv6.js'
import type { LargeCommunity } from '../community/large.js'
import type { LinkStateTlv } from '../nlri/bgp-ls.js'
import type { AttrSet } from './attr-set.js'
import type { BfdDiscriminator } from './bfd-discriminator.js'
import type { DomainPath } from './domain-path.js'
import type { PmsiTunnel } from './pmsi-tunnel.js'
import type { PrefixSidTlv } from './prefix-sid.js'
import type { TunnelEncapsulation } from './tunnel-encapsulation.js'

/** ORIGIN (RFC 4271 §5.1.1); on the wire 0, 1, 2. */
export type Origin = 'igp' | 'egp' | 'incomplete'

/** A segment of AS_PATH (RFC 4271 §4.3, RFC 5065 §3). */
export interface AsPathSegment {
  readonly type: 'set' | 'sequence' | 'confed-set' | 'confed-sequence'
  /** 1–255 AS numbers of up to 32 bits. */
  readonly asns: readonly number[]
}

/** AGGREGATOR (RFC 4271 §5.1.7). */
export interface Aggregator {
  readonly as: number
  readonly address: IpAddress
}

/** An attribute that is kept as octets: unknown, or known by its shape only. */
export interface UnknownAttribute {
  /** 0–255. */
  readonly type: number
  /** Optional, transitive and partial bits as they came (RFC 4271 §4.3), without the extended-length bit. */
  readonly flags: number
  readonly value: Uint8Array
}

/**
 * The attributes of a path, without NLRI. Absent ones are absent. With two-octet peers AS_PATH and AGGREGATOR are merged with their AS4
 * companions already (RFC 6793 §4.2.3), so that AS numbers are always whole.
 */
export interface PathAttributes {
  readonly origin?: Origin
  readonly asPath?: readonly AsPathSegment[]
  /** NEXT_HOP, which belongs to IPv4 unicast in the base fields; other families have theirs in the announcement. */
  readonly nextHop?: IpAddress
  readonly med?: number
  readonly localPref?: number
  readonly atomicAggregate?: true
  readonly aggregator?: Aggregator
  /** Communities as 32-bit numbers (RFC 1997). */
  readonly communities?: readonly number[]
  readonly originatorId?: IpAddress
  readonly clusterList?: readonly IpAddress[]
  readonly extendedCommunities?: readonly ExtendedCommunity[]
  readonly pmsiTunnel?: PmsiTunnel
  readonly tunnelEncapsulation?: TunnelEncapsulation
  /** IPv6 address specific extended communities (RFC 5701). */
  readonly ipv6ExtendedCommunities?: readonly Ipv6ExtendedCommunity[]
  /** The metric of the AIGP TLV (RFC 7311 §3). */
  readonly aigp?: bigint
  /** BGP-LS attribute (RFC 9552 §5.3), TLV by TLV. */
  readonly linkState?: readonly LinkStateTlv[]
  readonly largeCommunities?: readonly LargeCommunity[]
  /** Only to customer (RFC 9234 §5). */
  readonly otc?: number
  /** Domains that the route has gone through (draft-ietf-bess-evpn-ipvpn-interworking §4). */
  readonly domainPath?: DomainPath
  readonly bfdDiscriminator?: BfdDiscriminator
  /** Segment identifiers, SRv6 services among them (RFC 8669, RFC 9252). */
  readonly prefixSid?: readonly PrefixSidTlv[]
  /** What the route's attributes are in a customer's AS (RFC 6368). */
  readonly attrSet?: AttrSet
  /** Types of the optional transitive attributes above that came with the Partial bit, which stays set (RFC 4271 §5). */
  readonly partial?: readonly number[]
  /** Unknown ones, and those known by their shape only, ordered by type. */
  readonly unknown?: readonly UnknownAttribute[]
}
