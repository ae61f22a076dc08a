import type { IpAddress } from '@heddle/wire'
import type { AttributeSet } from '../attribute/attribute-set.js'
import type { AsPathSegment, PathAttributes } from '../attribute/path-attributes.js'
import { passOn } from '../attribute/pass-on.js'
import { AFI, SAFI, WELL_KNOWN_COMMUNITY } from '../iana.js'
import { hasMixedNextHops } from '../next-hop/codec.js'
import type { NextHop } from '../next-hop/next-hop.js'
import type { BgpRole } from '../capability/capability.js'
import { isFlowspecFamily, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import {
  hasAs,
  overridden,
  prepended,
  prependedConfederation,
  withoutConfederation,
  withoutPrivate,
  type PrivateAsHandling,
} from './as-path-rules.js'
import type { CompiledPolicy } from './compiled-policy.js'
import { leaksTo, otcTo } from './roles.js'

/**
 * Everything about a peer that what it is sent depends on. Export reads nothing else, so two peers of equal signature are sent the same
 * octets, but for what their route-target membership leaves out.
 */
export interface ExportSignature {
  /** `ebgp` too for a peer in another member AS of our confederation, which `member` tells apart. */
  readonly peerType: 'ibgp' | 'ebgp'
  /** The peer is a client of ours (RFC 4456). */
  readonly client: boolean
  /** What stands for us in AS_PATH: our AS, our member AS, or towards the outside our confederation's. */
  readonly localAs: number
  readonly routerId: IpAddress
  readonly clusterId: IpAddress
  /** Our address in the session. */
  readonly localAddress: IpAddress
  readonly nextHop: 'auto' | 'self' | 'unchanged'
  /** Keys of IPv4 families that may have IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: ReadonlySet<number>
  /** In another member AS of our confederation (RFC 5065). */
  readonly member?: boolean
  /** AS to be replaced by ours wherever it stands in AS_PATH: the peer's, where it would take its own for a loop. */
  readonly overrideAs?: number
  /** What becomes of private AS numbers towards other ASes. Default: they stay. */
  readonly privateAs?: PrivateAsHandling
  /** A route server does not appear in AS_PATH, and leaves next hop and MED alone (RFC 7947 §2.2). */
  readonly transparent?: boolean
  /** We are about to leave: routes are marked so that others are preferred (RFC 8326 §4). */
  readonly gracefulShutdown?: boolean
  /** Our role towards the peer (RFC 9234). */
  readonly role?: BgpRole
  /** The peer knows what long-lived stale routes are; others are not sent them (RFC 9494 §4.3). Default `false`. */
  readonly llgr?: boolean
  /** Of several paths to a destination the best so many. Default: all. */
  readonly addPathLimit?: number
  readonly policy?: CompiledPolicy
}

/** Where a path came from. */
export interface RouteSource {
  readonly kind: 'local' | 'ibgp' | 'ebgp'
  /** From a client of ours. */
  readonly client: boolean
  /** The peer's BGP identifier. */
  readonly routerId: IpAddress
  /** From another member AS of our confederation. */
  readonly member?: boolean
  /** The peer's address, or `local`; policies match on it. */
  readonly name?: string
}

/** Why a path is not sent to a peer. */
export type ExportRefusal =
  /** From a non-client to a non-client (RFC 4456 §6). */
  | 'not-reflected'
  | 'no-advertise'
  | 'no-export'
  /** The next hop is of a kind that the peer does not take for the family (RFC 8950). */
  | 'next-hop-family'
  /** It would be a route leak (RFC 9234 §5). */
  | 'role-leak'
  /** Stale for long, and the peer does not know what that means (RFC 9494 §4.3). */
  | 'llgr-stale'
  /** The export policy rejects it. */
  | 'policy'

/** What a peer is told of a path, or why it is not told. */
export type ExportResult =
  | {
      readonly set: AttributeSet
      /** The term of the policy that accepted it. */
      readonly term?: string
    }
  | { readonly refused: ExportRefusal; readonly term?: string }

/**
 * The attributes with which a path goes out to peers of `to`, or why it does not. Pure.
 *
 * @param nlri the route, for policies that look at it; without it no policy is applied
 */
export function exportSet(set: AttributeSet, family: Family, source: RouteSource, to: ExportSignature, nlri?: Nlri): ExportResult {
  const refused = refusalOf(set, family, source, to)
  if (refused !== undefined) return { refused }
  const result = nlri === undefined ? undefined : to.policy?.apply(policyRoute(set, family, source, nlri))
  if (result?.verdict === 'reject') return { refused: 'policy', term: result.term }
  const chosen = result?.set ?? set
  const nextHop = nextHopOf(chosen, family, source, { ...to, nextHop: result?.nextHop ?? to.nextHop }, result?.nextHop !== undefined)
  if (nextHop !== undefined && !suits(nextHop, family, to)) return { refused: 'next-hop-family' }
  return {
    set: {
      attributes: attributesFor(chosen.attributes, family, source, to, result?.med ?? false),
      ...(nextHop === undefined ? {} : { nextHop }),
      ...(set.rawNextHop === undefined ? {} : { rawNextHop: set.rawNextHop }),
    },
    ...(result === undefined ? {} : { term: result.term }),
  }
}

function refusalOf({ attributes }: AttributeSet, family: Family, source: RouteSource, to: ExportSignature): ExportRefusal | undefined {
  const internal = to.peerType === 'ibgp'
  // RFC 4456 §6: what a non-client told goes to clients only
  if (internal && source.kind === 'ibgp' && !source.client && !to.client) return 'not-reflected'
  const has = (community: number): boolean => attributes.communities?.includes(community) === true
  if (has(WELL_KNOWN_COMMUNITY.noAdvertise)) return 'no-advertise'
  if (!internal && has(WELL_KNOWN_COMMUNITY.noExportSubconfed)) return 'no-export'
  if (!internal && to.member !== true && has(WELL_KNOWN_COMMUNITY.noExport)) return 'no-export'
  if (has(WELL_KNOWN_COMMUNITY.llgrStale) && to.llgr !== true) return 'llgr-stale'
  if (to.role !== undefined && leaksTo(to.role, attributes, family)) return 'role-leak'
  return undefined
}

function attributesFor(
  attributes: PathAttributes,
  family: Family,
  source: RouteSource,
  to: ExportSignature,
  keepMed: boolean,
): PathAttributes {
  let out = source.kind === 'local' ? attributes : passedOn(attributes)
  if (to.role !== undefined) out = otcTo(to.role, out, family, to.localAs)
  if (to.gracefulShutdown === true) out = withCommunity(out, WELL_KNOWN_COMMUNITY.gracefulShutdown)
  if (to.peerType === 'ibgp') return internalAttributes(out, source, to, family.safi === SAFI.rtc)
  return to.member === true ? memberAttributes(out, to) : externalAttributes(out, source, to, keepMed)
}

function policyRoute(
  set: AttributeSet,
  family: Family,
  { kind, name = 'local' }: RouteSource,
  nlri: Nlri,
): Parameters<CompiledPolicy['apply']>[0] {
  return { family, nlri, set, peer: name, source: kind }
}

/** The attributes with one more community, once. */
export function withCommunity(attributes: PathAttributes, community: number): PathAttributes {
  const { communities = [] } = attributes
  return communities.includes(community) ? attributes : { ...attributes, communities: [...communities, community] }
}

const LABELED: ReadonlySet<number> = new Set([
  SAFI.labeledUnicast,
  SAFI.vpn,
  SAFI.vpnMulticast,
  SAFI.evpn,
  SAFI.vpls,
  SAFI.mcastVpn,
  SAFI.mup,
])

/** Whether a family's routes carry labels or the like, which mean something to their next hop only. */
function isLabeled({ safi }: Family): boolean {
  return LABELED.has(safi)
}

/** RFC 4271 §5.1.3, RFC 4456 §10; RFC 4684 §3.2 for memberships. */
function nextHopOf(set: AttributeSet, family: Family, source: RouteSource, to: ExportSignature, explicit: boolean): NextHop | undefined {
  if (set.rawNextHop !== undefined) return undefined
  const self: NextHop = { address: to.localAddress }
  if (family.safi === SAFI.rtc) return self
  if (set.nextHop === undefined) return source.kind === 'local' && !isFlowspecFamily(family) ? self : undefined
  if (to.nextHop === 'self') return self
  if (source.kind === 'local' || to.nextHop === 'unchanged' || to.peerType === 'ibgp' || isLabeled(family)) return set.nextHop
  if (explicit || to.member === true || to.transparent === true) return set.nextHop // RFC 5065 §5.1, RFC 7947 §2.2.1
  return self
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

/** To another member AS: as within the AS, but for the path (RFC 5065 §4, §5.1). */
function memberAttributes(attributes: PathAttributes, to: ExportSignature): PathAttributes {
  const { originatorId: _id, clusterList: _list, ...rest } = attributes
  return { ...rest, localPref: attributes.localPref ?? 100, asPath: prependedConfederation(attributes.asPath ?? [], to.localAs) }
}

function externalAttributes(attributes: PathAttributes, source: RouteSource, to: ExportSignature, keepMed: boolean): PathAttributes {
  const { localPref: _pref, originatorId: _id, clusterList: _list, aigp: _aigp, med, ...rest } = attributes
  let path: readonly AsPathSegment[] = withoutConfederation(attributes.asPath ?? [])
  if (to.privateAs !== undefined) path = withoutPrivate(path, to.privateAs, to.localAs)
  if (to.overrideAs !== undefined && hasAs(path, to.overrideAs)) path = overridden(path, to.overrideAs, to.localAs)
  const transparent = to.transparent === true
  const passMed = keepMed || transparent || source.kind === 'local' // RFC 4271 §5.1.4: another AS's MED stays here
  return { ...rest, asPath: transparent ? path : prepended(path, to.localAs), ...(med === undefined || !passMed ? {} : { med }) }
}

function passedOn(attributes: PathAttributes): PathAttributes {
  const { unknown, ...rest } = attributes
  if (unknown === undefined) return attributes
  const kept = passOn(unknown)
  return kept.length === 0 ? rest : { ...rest, unknown: kept }
}
