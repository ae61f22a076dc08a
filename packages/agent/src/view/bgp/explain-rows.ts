import type { AttributeSet, Explanation, Nlri, PathVerdict, Speaker } from '@heddle/bgp'
import { formatAsPath, formatNlri } from '@heddle/bgp'
import { filterOf, isWanted, rdOf, spokenFamilies, type BgpRouteQuery } from './route-rows.js'

/** Why a destination is what it is. */
export interface BgpExplainRow {
  readonly family: string
  readonly rd: string | null
  readonly destination: string
  readonly paths: readonly BgpPathRow[]
  readonly advertised: readonly BgpAdvertisementRow[]
  /** What VRFs make of a VPN route; empty for every other. */
  readonly imported: readonly BgpImportRow[]
}

/** What a VRF makes of a VPN route. */
export interface BgpImportRow {
  readonly vrf: string
  /** Import targets of the VRF that the route has. */
  readonly targets: readonly string[]
  /** Why the VRF does not import it; null when it does. */
  readonly because: string | null
}

/** A path with its place. */
export interface BgpPathRow {
  readonly peer: string
  readonly pathId: number
  /** `best`, `multipath`, `lost`, `invalid` or `unreachable`. */
  readonly verdict: string
  /** The step of the decision that left it alone or put it behind (RFC 4271 §9.1.2.2), or the reason why it is not used. */
  readonly because: string
  /** The term of the import policy that decided; null without a policy. */
  readonly term: string | null
  readonly nextHop: string | null
  readonly localPref: number | null
  readonly med: number | null
  readonly asPath: string
  readonly stale: boolean
}

/** What a neighbor is told. */
export interface BgpAdvertisementRow {
  readonly neighbor: string
  /** Whether the neighbor holds the route. */
  readonly holds: boolean
  readonly nextHop: string | null
  /** Why it does not hold what it should, or holds nothing; null when it holds what it should. */
  readonly because: string | null
  /** The term of the export policy that decided; null without a policy. */
  readonly term: string | null
}

/**
 * Explains the destinations that a query finds: every path with the step that ranked it or why it is not used, and every neighbor with what it is
 * told or why not. Between them come `undefined`, as of `bgpRouteRows`.
 */
export function* bgpExplainRows(
  speaker: Speaker,
  query: Pick<BgpRouteQuery, 'families' | 'match' | 'vrf'>,
): Generator<BgpExplainRow | undefined> {
  const filter = filterOf(query.match)
  const vrf = query.vrf === undefined ? {} : { vrf: query.vrf }
  for (const family of query.families ?? spokenFamilies(speaker)) {
    const found = new Map<string, Nlri>()
    for (const route of speaker.routes({ family, ...vrf })) {
      const name = `${rdOf(route.nlri)} ${formatNlri(route.nlri)}`
      if (!found.has(name) && isWanted(route, filter)) found.set(name, route.nlri)
      yield undefined
    }
    for (const nlri of found.values()) yield explainRow(speaker.explain({ family, nlri, ...vrf }), nlri)
  }
}

function explainRow({ family, paths, advertised, imported }: Explanation, nlri: Nlri): BgpExplainRow {
  return {
    family,
    rd: rdOf(nlri),
    destination: formatNlri(nlri),
    paths: paths.map(pathRow).toSorted((a, b) => RANK.indexOf(a.verdict) - RANK.indexOf(b.verdict)),
    advertised: advertised.map(({ neighbor, set, reason, term }) => ({
      neighbor,
      holds: set !== undefined,
      nextHop: nextHopOf(set),
      because: reason ?? null,
      term: term ?? null,
    })),
    imported: imported.map(({ vrf, targets, reason }) => ({ vrf, targets, because: reason ?? null })),
  }
}

const RANK = ['best', 'multipath', 'lost', 'unreachable', 'invalid']

function pathRow({ peer, pathId, verdict, term, set, stale }: Explanation['paths'][number]): BgpPathRow {
  const { localPref, med, asPath = [] } = set.attributes
  return {
    peer,
    pathId,
    ...wordsOf(verdict),
    term: term ?? null,
    nextHop: nextHopOf(set),
    localPref: localPref ?? null,
    med: med ?? null,
    asPath: formatAsPath(asPath),
    stale,
  }
}

function wordsOf(verdict: PathVerdict): { readonly verdict: string; readonly because: string } {
  switch (verdict.kind) {
    case 'best':
      return { verdict: 'best', because: verdict.step }
    case 'lost':
      return { verdict: verdict.multipath ? 'multipath' : 'lost', because: verdict.step }
    case 'invalid':
      return { verdict: 'invalid', because: verdict.reason }
    default:
      return { verdict: 'unreachable', because: 'next-hop' }
  }
}

function nextHopOf(set: AttributeSet | undefined): string | null {
  return set?.nextHop === undefined ? null : String(set.nextHop.address.unmapped())
}
