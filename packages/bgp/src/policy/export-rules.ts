import type { IpAddress } from '@heddle/wire'
import type { AttributeSet } from '../attribute/attribute-set.js'
import type { AsPathSegment, PathAttributes } from '../attribute/path-attributes.js'
import { passOn } from '../attribute/pass-on.js'
import { AFI, SAFI, WELL_KNOWN_COMMUNITY } from '../iana.js'
import { hasMixedNextHops } from '../next-hop/codec.js'
import type { NextHop } from '../next-hop/next-hop.js'
import type { Family } from '../nlri/family.js'

/**
 * Everything about a peer that what it is sent depends on. Export reads nothing else, so two peers of equal signature are sent the same
 * octets, but for what their route-target membership leaves out.
 */
export interface ExportSignature {
  readonly peerType: 'ibgp' | 'ebgp'
  /** The peer is a client of ours (RFC 4456). */
  readonly client: boolean
  readonly localAs: number
  readonly routerId: IpAddress
  readonly clusterId: IpAddress
  /** Our address in the session. */
  readonly localAddress: IpAddress
  readonly nextHop: 'auto' | 'self' | 'unchanged'
  /** Keys of IPv4 families that may have IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: ReadonlySet<number>
}

/** Where a path came from. */
export interface RouteSource {
  readonly kind: 'local' | 'ibgp' | 'ebgp'
  /** From a client of ours. */
  readonly client: boolean
  /** The peer's BGP identifier. */
  readonly routerId: IpAddress
}

/** Why a path is not sent to a peer. */
export type ExportRefusal = 'not-reflected' | 'no-advertise' | 'no-export' | 'next-hop-family'

/** The attributes to send, or why nothing is sent. */
export type ExportResult = { readonly set: AttributeSet } | { readonly refused: ExportRefusal }

/** AS numbers that one segment holds. */
const SEGMENT_LIMIT = 255

/** The attributes with which a path goes out to peers of `to`, or why it does not. Pure. */
export function exportSet(set: AttributeSet, family: Family, source: RouteSource, to: ExportSignature): ExportResult {
  const { attributes } = set
  const internal = to.peerType === 'ibgp'
  const membership = family.safi === SAFI.rtc
  // RFC 4456 §6: what a non-client told goes to clients only
  if (internal && source.kind === 'ibgp' && !source.client && !to.client) return { refused: 'not-reflected' }
  const has = (community: number): boolean => attributes.communities?.includes(community) === true
  if (has(WELL_KNOWN_COMMUNITY.noAdvertise)) return { refused: 'no-advertise' }
  if (!internal && (has(WELL_KNOWN_COMMUNITY.noExport) || has(WELL_KNOWN_COMMUNITY.noExportSubconfed))) return { refused: 'no-export' }
  const nextHop = nextHopOf(set, family, source, to)
  if (nextHop !== undefined && !suits(nextHop, family, to)) return { refused: 'next-hop-family' }
  const passed = source.kind === 'local' ? attributes : passedOn(attributes)
  const changed = internal ? internalAttributes(passed, source, to, membership) : externalAttributes(passed, source, to)
  return {
    set: {
      attributes: changed,
      ...(nextHop === undefined ? {} : { nextHop }),
      ...(set.rawNextHop === undefined ? {} : { rawNextHop: set.rawNextHop }),
    },
  }
}

/** Whether a family's routes carry labels, which mean something to their next hop only. */
function isLabeled({ safi }: Family): boolean {
  return safi === SAFI.labeledUnicast || safi === SAFI.vpn || safi === SAFI.vpnMulticast || safi === SAFI.evpn
}

/** RFC 4271 §5.1.3, RFC 4456 §10; RFC 4684 §3.2 for memberships. */
function nextHopOf(set: AttributeSet, family: Family, source: RouteSource, to: ExportSignature): NextHop | undefined {
  if (set.rawNextHop !== undefined) return undefined
  const self: NextHop = { address: to.localAddress }
  if (family.safi === SAFI.rtc) return self
  if (set.nextHop === undefined) return source.kind === 'local' && !isFlowspec(family) ? self : undefined
  if (to.nextHop === 'self') return self
  if (source.kind === 'local' || to.nextHop === 'unchanged' || to.peerType === 'ibgp' || isLabeled(family)) return set.nextHop
  return self
}

function isFlowspec({ safi }: Family): boolean {
  return safi === SAFI.flowspec || safi === SAFI.flowspecVpn
}

/** An IPv4 family has IPv6 next hops only where both said so (RFC 8950 §4). */
function suits({ address }: NextHop, family: Family, to: ExportSignature): boolean {
  return address.family === 4 || family.afi !== AFI.ipv4 || hasMixedNextHops(family) || to.extendedNextHop.has(family.key)
}

function internalAttributes(attributes: PathAttributes, source: RouteSource, to: ExportSignature, membership: boolean): PathAttributes {
  const localPref = attributes.localPref ?? 100
  if (membership && to.client) {
    // RFC 4684 §3.2: a client must take it even when it is the one that it gave
    const { clusterList: _list, ...rest } = attributes
    return { ...rest, localPref, originatorId: to.routerId }
  }
  if (source.kind !== 'ibgp') {
    const { originatorId: _id, clusterList: _list, ...rest } = attributes
    return { ...rest, localPref }
  }
  const { originatorId = source.routerId, clusterList = [] } = attributes
  return { ...attributes, localPref, originatorId, clusterList: [to.clusterId, ...clusterList] } // RFC 4456 §8
}

function externalAttributes(attributes: PathAttributes, source: RouteSource, to: ExportSignature): PathAttributes {
  const { localPref: _pref, originatorId: _id, clusterList: _list, aigp: _aigp, med, ...rest } = attributes
  return {
    ...rest,
    asPath: prepended(attributes.asPath ?? [], to.localAs),
    ...(med === undefined || source.kind !== 'local' ? {} : { med }), // RFC 4271 §5.1.4: another AS's MED stays here
  }
}

function passedOn(attributes: PathAttributes): PathAttributes {
  const { unknown, ...rest } = attributes
  if (unknown === undefined) return attributes
  const kept = passOn(unknown)
  return kept.length === 0 ? rest : { ...rest, unknown: kept }
}

/** RFC 4271 §5.1.2; confederation segments end at the border (RFC 5065 §4). */
function prepended(path: readonly AsPathSegment[], as: number): AsPathSegment[] {
  const outside = path.filter(({ type }) => type === 'sequence' || type === 'set')
  const [first, ...rest] = outside
  return first?.type === 'sequence' && first.asns.length < SEGMENT_LIMIT
    ? [{ type: 'sequence', asns: [as, ...first.asns] }, ...rest]
    : [{ type: 'sequence', asns: [as] }, ...outside]
}
