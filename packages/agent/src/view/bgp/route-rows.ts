import {
  LOCAL_PEER,
  SPOKEN_FAMILIES,
  communityTexts,
  compilePolicy,
  formatAsPath,
  formatNlri,
  routeTargetsOf,
  toJson,
  type CompiledPolicy,
  type FamilyName,
  type Json,
  type PolicyMatch,
  type RouteView,
  type Speaker,
} from '@heddle/bgp'

/** The tables that routes are shown of (RFC 4271 §1.1): what peers sent, what is chosen, what peers are sent. */
export const BGP_TABLES = ['adj-in', 'loc-rib', 'adj-out'] as const
/** One of `BGP_TABLES`. */
export type BgpTable = (typeof BGP_TABLES)[number]

/** Which routes are asked for. */
export interface BgpRouteQuery {
  /** Default: those that some neighbor speaks, and those of routes of our own. */
  readonly families?: readonly FamilyName[]
  /** Default `adj-in`. */
  readonly table?: BgpTable
  /** A neighbor's address, or `local`. Default: all. */
  readonly peer?: string
  /** Routes of this VRF of the speaker. Default: of the neighbor's, where one is named; else those of no VRF. */
  readonly vrf?: string
  /** As in policies; all conditions must hold. */
  readonly match?: PolicyMatch
}

/** A route of BGP. */
export interface BgpRouteRow {
  readonly family: string
  /** The peer that it came from, or that it was sent to; `local` for our own. */
  readonly peer: string
  readonly rd: string | null
  /** The destination without route distinguisher: `formatNlri`. */
  readonly destination: string
  /** ADD-PATH identifier, 0 without. */
  readonly pathId: number
  readonly labels: readonly number[]
  readonly nextHop: string | null
  readonly origin: string | null
  readonly asPath: string
  readonly localPref: number | null
  readonly med: number | null
  readonly communities: readonly string[]
  readonly routeTargets: readonly string[]
  readonly best: boolean
  readonly multipath: boolean
  readonly stale: boolean
  /** Why it is not used; null for a route that takes part in the decision. */
  readonly invalid: string | null
  /** All attributes, as `messageToJson` has them. */
  readonly attributes: Json
}

/**
 * Routes of a speaker, made one by one as they are asked for. A route that the query leaves out comes as `undefined`, so that who iterates can
 * let others work in between however few match.
 *
 * @throws SpeakerError `speaker.neighbor-unknown`; PolicyError for a condition that cannot be
 */
export function* bgpRouteRows(speaker: Speaker, query: BgpRouteQuery): Generator<BgpRouteRow | undefined> {
  const filter = filterOf(query.match)
  for (const family of query.families ?? spokenFamilies(speaker)) {
    for (const route of routesOf(speaker, family, query)) yield isWanted(route, filter) ? bgpRouteRow(route) : undefined
  }
}

/** Families that some neighbor speaks, and those that there are routes of; memberships (RFC 4684) are for who speaks of them only. */
export function spokenFamilies(speaker: Speaker): FamilyName[] {
  const spoken = speaker.neighbors().flatMap(({ config }) => config.families)
  const filled = new Set(speaker.metrics().routes.flatMap(({ family, paths }) => (paths > 0 && family !== 'rtc' ? [family] : [])))
  return [...new Set([...spoken, ...SPOKEN_FAMILIES.filter((family) => filled.has(family))])]
}

/** Conditions as a policy, which decides. @throws PolicyError */
export function filterOf(match: PolicyMatch | undefined): CompiledPolicy | undefined {
  return match === undefined ? undefined : compilePolicy({ terms: [{ match, verdict: 'accept' }] })
}

function* routesOf(speaker: Speaker, family: FamilyName, { table = 'adj-in', peer, vrf }: BgpRouteQuery): Generator<RouteView> {
  const only = { ...(peer === undefined ? {} : { neighbor: peer }), ...(vrf === undefined ? {} : { vrf }) }
  if (table === 'adj-in') return yield* speaker.routes({ family, ...only })
  if (table === 'loc-rib') {
    for (const route of speaker.routes({ family, ...only, postPolicy: true })) if (route.best || route.multipath) yield route
    return
  }
  const neighbors = speaker
    .neighbors()
    .filter(({ config }) => config.families.includes(family) && (vrf === undefined || config.vrf === vrf))
  const peers = peer === undefined ? neighbors.map(({ address }) => address) : [peer]
  for (const neighbor of peers) yield* speaker.routes({ family, neighbor, direction: 'out' })
}

/** Whether a filter lets a route through. */
export function isWanted(
  { family, nlri, set, peer }: Pick<RouteView, 'family' | 'nlri' | 'set' | 'peer'>,
  filter: CompiledPolicy | undefined,
): boolean {
  if (filter === undefined) return true
  const source = peer === LOCAL_PEER ? 'local' : 'ebgp'
  return filter.apply({ family, nlri, set, peer, source }).verdict === 'accept'
}

/** A route as plain data. */
export function bgpRouteRow({ family, nlri, pathId, peer, set, best, multipath, stale, invalid }: RouteView): BgpRouteRow {
  const { attributes, nextHop } = set
  return {
    family: family.name,
    peer,
    rd: rdOf(nlri),
    destination: formatNlri(nlri),
    pathId,
    labels: 'labels' in nlri ? nlri.labels : [],
    nextHop: nextHop === undefined ? null : String(nextHop.address.unmapped()),
    origin: attributes.origin ?? null,
    asPath: formatAsPath(attributes.asPath ?? []),
    localPref: attributes.localPref ?? null,
    med: attributes.med ?? null,
    communities: [
      ...communityTexts('community', attributes),
      ...communityTexts('largeCommunity', attributes),
      ...communityTexts('extendedCommunity', attributes).filter((text) => !text.startsWith('rt:')),
    ],
    routeTargets: routeTargetsOf(attributes.extendedCommunities).map(String),
    best,
    multipath,
    stale,
    invalid: invalid ?? null,
    attributes: toJson(attributes),
  }
}

/** The route distinguisher of a destination, where its family has one. */
export function rdOf(nlri: RouteView['nlri']): string | null {
  return 'rd' in nlri && nlri.rd !== undefined ? String(nlri.rd) : null
}
