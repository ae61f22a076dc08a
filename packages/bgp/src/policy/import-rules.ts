import type { AttributeSet } from '../attribute/attribute-set.js'
import type { PathAttributes } from '../attribute/path-attributes.js'
import type { BgpRole } from '../capability/capability.js'
import { WELL_KNOWN_COMMUNITY } from '../iana.js'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import type { InvalidReason } from '../speaker/route.js'
import { asCount, countAs, isConfederation } from './as-path-rules.js'
import type { CompiledPolicy } from './compiled-policy.js'
import { withCommunity } from './export-rules.js'
import type { OriginValidation } from './policy.js'
import { leaksFrom, otcFrom } from './roles.js'

/** Who we are, as far as loops go. */
export interface LoopIdentity {
  readonly as: number
  /** BGP identifier as a word. */
  readonly routerId: number
  /** Cluster id as a word. */
  readonly clusterId: number
  /** AS number of our confederation; `as` is then the member AS (RFC 5065). */
  readonly confederation?: number
}

/**
 * Why a path with these attributes has come round to us, or `undefined`: our AS in AS_PATH (RFC 4271 §9.1.2), our identifier as ORIGINATOR_ID,
 * our cluster in CLUSTER_LIST (RFC 4456 §8), our member AS in a confederation segment (RFC 5065 §5.3).
 *
 * @param allowed how often our AS may stand in AS_PATH. Default 0.
 */
export function loopOf(
  { asPath = [], originatorId, clusterList }: PathAttributes,
  self: LoopIdentity,
  allowed = 0,
): InvalidReason | undefined {
  const outside = self.confederation ?? self.as
  const all = countAs(asPath, outside, false) + (self.confederation === undefined ? countAs(asPath, outside, true) : 0)
  if (all > allowed) return 'as-loop'
  if (self.confederation !== undefined && countAs(asPath, self.as, true) > allowed) return 'confederation-loop'
  if (originatorId?.w0 === self.routerId) return 'originator-loop'
  if (clusterList?.some(({ w0 }) => w0 === self.clusterId) === true) return 'cluster-loop'
  return undefined
}

/** Everything that what is made of a peer's paths depends on. */
export interface ImportRules {
  readonly self: LoopIdentity
  /** The peer's address. */
  readonly peer: string
  readonly peerAs: number
  /** `ebgp` too for another member AS of our confederation, which `member` tells apart. */
  readonly peerType: 'ibgp' | 'ebgp'
  readonly member?: boolean
  /** How often our AS may stand in AS_PATH. Default 0. */
  readonly allowAsIn?: number
  /** AS_PATH must begin with the peer's AS (RFC 4271 §6.3). Default `false`. */
  readonly enforceFirstAs?: boolean
  /** The peer or the way to it is about to go: its paths are the last choice (RFC 8326 §4). */
  readonly gracefulShutdown?: boolean
  /** Our role towards the peer (RFC 9234). */
  readonly role?: BgpRole
  /** AS numbers that AS_PATH may have. Default: no limit. */
  readonly asPathLimit?: number
  /** Octets that the attributes may have. Default: no limit. */
  readonly attributeLimit?: number
  readonly policy?: CompiledPolicy
  /** State of a route's origin (RFC 6811). */
  readonly validate?: (nlri: Nlri, attributes: PathAttributes) => OriginValidation
}

/** What is made of a path. */
export interface ImportResult {
  readonly set: AttributeSet
  readonly invalid?: InvalidReason
  /** The term of the policy that decided. */
  readonly term?: string
}

/** Whether routes of equal attributes may come to different results. */
export function importDependsOnNlri({ policy }: ImportRules): boolean {
  return policy?.dependsOnNlri === true
}

/**
 * What is made of a path that a peer sent: the attributes that count, and why it is not used where it is not. Pure.
 *
 * @param octets size of the attributes
 */
export function importSet(set: AttributeSet, family: Family, nlri: Nlri | undefined, rules: ImportRules, octets = 0): ImportResult {
  const { attributes } = set
  const invalid = faultOf(attributes, family, rules, octets)
  if (invalid !== undefined) return { set, invalid }
  let changed = attributes
  if (rules.role !== undefined) changed = otcFrom(rules.role, changed, family, rules.peerAs)
  if (rules.gracefulShutdown === true) changed = withCommunity(changed, WELL_KNOWN_COMMUNITY.gracefulShutdown)
  const leaving = changed.communities?.includes(WELL_KNOWN_COMMUNITY.gracefulShutdown) === true
  // RFC 8326 §3: within an AS the one that took the route in has done it
  if (leaving && (rules.peerType === 'ebgp' || rules.gracefulShutdown === true)) changed = { ...changed, localPref: 0 }
  const seen: AttributeSet = changed === attributes ? set : { ...set, attributes: changed }
  if (rules.policy === undefined || nlri === undefined) return { set: seen }
  const validation = rules.validate?.(nlri, attributes)
  const {
    verdict,
    set: after,
    term,
  } = rules.policy.apply({
    family,
    nlri,
    set: seen,
    peer: rules.peer,
    source: rules.peerType,
    ...(validation === undefined ? {} : { validation }),
  })
  return { set: after, term, ...(verdict === 'reject' ? { invalid: 'policy' as const } : {}) }
}

function faultOf(attributes: PathAttributes, family: Family, rules: ImportRules, octets: number): InvalidReason | undefined {
  const { asPath = [] } = attributes
  if (asCount(asPath) > (rules.asPathLimit ?? Infinity)) return 'as-path-length'
  if (octets > (rules.attributeLimit ?? Infinity)) return 'attribute-size'
  const outside = rules.peerType === 'ebgp' && rules.member !== true
  if (outside && asPath.some(isConfederation)) return 'confederation-segment'
  if (rules.member === true && asPath[0]?.type !== 'confed-sequence') return 'confederation-segment'
  if (outside && rules.enforceFirstAs === true && asPath[0]?.asns[0] !== rules.peerAs) return 'first-as'
  if (rules.role !== undefined && leaksFrom(rules.role, attributes, family, rules.peerAs)) return 'role-leak'
  return loopOf(attributes, rules.self, rules.allowAsIn)
}
