import type { AttributeSet } from '../../attribute/attribute-set.js'
import type { Nlri } from '../../nlri/nlri.js'
import { exportSet, type ExportRefusal } from '../../policy/export-rules.js'
import { importSet, type ImportRules } from '../../policy/import-rules.js'
import type { BestPathStep, Eliminations } from '../../rib/best-path.js'
import { PATH, type RibTable } from '../../rib/rib-table.js'
import type { Decision } from '../table/decision.js'
import type { ExportPaths } from '../export/export-paths.js'
import type { Peer } from '../peer/peer.js'
import type { InvalidReason } from '../route.js'

/** Where a path stands in the decision, and why. */
export type PathVerdict =
  /** It is the best; `step` left it alone. */
  | { readonly kind: 'best'; readonly step: BestPathStep }
  /** Usable, but another one is better by `step`; `multipath` when it is used beside that one. */
  | { readonly kind: 'lost'; readonly step: BestPathStep; readonly multipath: boolean }
  | { readonly kind: 'invalid'; readonly reason: InvalidReason }
  /** The next hop cannot be reached (RFC 4271 §9.1.2.1). */
  | { readonly kind: 'unreachable' }

/** One path, and what was made of it. */
export interface PathExplanation {
  /** The peer's address, or `local`. */
  readonly peer: string
  readonly pathId: number
  readonly nlri: Nlri
  /** As received. */
  readonly received: AttributeSet
  /** As it counts, after import policy. */
  readonly set: AttributeSet
  readonly stale: boolean
  readonly verdict: PathVerdict
  /** The term of the import policy that decided, where there is a policy. */
  readonly term?: string
}

/** Why a neighbor is not told the best path: by the rules of BGP and policy, or… */
export type NotAdvertised =
  | ExportRefusal
  /** it is the one that gave it; */
  | 'from-this-peer'
  /** it does not want its route targets (RFC 4684); */
  | 'not-wanted'
  /** its attributes leave no room in a message to the peer (RFC 4271 §9.2); */
  | 'too-large'
  /** nothing of the family may be sent yet; */
  | 'held'
  /** no session, or not for this family; */
  | 'no-session'
  /** there is none; */
  | 'no-path'
  /** it waits for its turn. */
  | 'queued'

/** What one neighbor is told of the destination. */
export interface AdvertisementExplanation {
  readonly neighbor: string
  /** The attributes that it holds now; absent: it holds nothing. */
  readonly set?: AttributeSet
  /** Absent when what it holds is what it should. */
  readonly reason?: NotAdvertised
  /** The term of the export policy that decided, where there is a policy. */
  readonly term?: string
}

/** Why a VRF does not import the best path of a VPN destination. */
export type NotImported =
  /** It has none of the VRF's import targets; */
  | 'no-target'
  /** it is the VRF's own; */
  | 'own-route'
  /** there is none. */
  | 'no-path'

/** What one VRF makes of a VPN destination. */
export interface ImportExplanation {
  readonly vrf: string
  /** Import targets of the VRF that the best path has. */
  readonly targets: readonly string[]
  /** Absent when it imports the path. */
  readonly reason?: NotImported
}

/** Everything about one destination: every path with its place, every neighbor with what it is told, and every VRF with what it imports. */
export interface Explanation {
  readonly family: string
  readonly paths: readonly PathExplanation[]
  readonly advertised: readonly AdvertisementExplanation[]
  /** Of a destination of VPNv4 and VPNv6. */
  readonly imported: readonly ImportExplanation[]
}

/** What an explanation is made from. */
export interface ExplainSources {
  readonly table: RibTable
  readonly decision: Decision
  readonly peers: readonly Peer[]
  nameOf(index: number): string
  rulesOf(index: number): ImportRules | undefined
  importsOf(destination: number): readonly ImportExplanation[]
}

/** @param destination slot, or 0 when nobody has told of it */
export function explain(sources: ExplainSources, destination: number): Explanation {
  const { table } = sources
  return {
    family: table.family.name,
    paths: destination === 0 ? [] : explainPaths(sources, destination),
    advertised: sources.peers.map((peer) => explainPeer(table, destination, peer)),
    imported: sources.importsOf(destination),
  }
}

function explainPaths(sources: ExplainSources, destination: number): PathExplanation[] {
  const { table, decision } = sources
  const lost: Eliminations = new Map()
  const best = decision.decide(table, destination, lost)
  const verdictOf = (path: number): PathVerdict => {
    const reason = table.invalidOf(path)
    if (reason !== undefined) return { kind: 'invalid', reason }
    if (path === best.path) return { kind: 'best', step: best.step }
    if (!decision.isReachable(table, path)) return { kind: 'unreachable' }
    return { kind: 'lost', step: lost.get(path) ?? best.step, multipath: best.multipath.includes(path) }
  }
  return table.pathsOf(destination).map((path) => {
    const peer = table.peerOf(path)
    const received = table.sets.get(table.receivedOf(path))
    const rules = sources.rulesOf(peer)
    const term = rules?.policy === undefined ? undefined : importSet(received, table.family, table.nlriOf(path), rules).term
    return {
      peer: sources.nameOf(peer),
      pathId: table.pathIdOf(path),
      nlri: table.nlriOf(path),
      received,
      set: table.sets.get(table.setOf(path)),
      stale: table.has(path, PATH.stale),
      verdict: verdictOf(path),
      ...(term === undefined ? {} : { term }),
    }
  })
}

function explainPeer(table: RibTable, destination: number, peer: Peer): AdvertisementExplanation {
  const neighbor = peer.name
  const member = peer.flows?.member(table.family)
  if (member === undefined) return { neighbor, reason: 'no-session' }
  const held = member.group.out.setOf(member.index, destination)
  const holding = held === 0 ? {} : { set: table.sets.get(held) }
  const best = destination === 0 ? 0 : table.best(destination)
  if (best === 0) return { neighbor, ...holding, reason: held === 0 ? 'no-path' : 'queued' }
  const { rules } = member.group.paths
  const source = rules.sourceOf(table.peerOf(best))
  const value = table.sets.get(table.setOf(best))
  const result = exportSet(value, table.family, source, rules.signature, table.nlriOf(best))
  const term = result.term === undefined ? {} : { term: result.term }
  const should = member.group.paths.isFor(member, best)
  if (should === 'yes' && !('refused' in result)) {
    if (!hasRoom(table, best, result.set, member.group.paths))
      return { neighbor, ...holding, ...term, reason: held === 0 ? 'too-large' : 'queued' }
    const is = held !== 0 && member.done
    const reason = is ? {} : { reason: member.peer.held(table.family) ? ('held' as const) : ('queued' as const) }
    return { neighbor, ...holding, ...term, ...reason }
  }
  const reason = should !== 'yes' ? should : 'refused' in result ? result.refused : 'queued'
  return { neighbor, ...holding, ...term, reason }
}

function hasRoom({ sets }: RibTable, path: number, value: AttributeSet, { room }: ExportPaths): boolean {
  const set = sets.intern(value)
  try {
    return room.fits(path, set)
  } finally {
    sets.release(set)
  }
}
