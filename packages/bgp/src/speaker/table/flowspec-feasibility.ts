import type { PathAttributes } from '../../attribute/path-attributes.js'
import { SAFI } from '../../iana.js'
import { familyOf, isFlowspecFamily, type Family } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import { isConfederation } from '../../policy/as-path-rules.js'
import type { RibTable } from '../../rib/rib-table.js'
import { FlowspecTargets, type UnicastFacts, type UnicastPlace } from './flowspec-targets.js'
import type { Scheduler } from '../scheduler.js'
import type { TableObservers } from './table-observers.js'

/** What validation asks of the speaker. */
export interface FeasibilityContext {
  readonly scheduler: Scheduler
  readonly observers: TableObservers
  /** The table of a family that is in no VRF. */
  tableOf(family: Family): RibTable
  /** Destinations of the table may be dirty. */
  touched(table: RibTable): void
  /** Who a peer is to us, where its rules are validated; `undefined` where they are not. */
  validated(peer: number): 'external' | 'internal' | undefined
  /** A peer's address, with its device where it needs one. */
  nameOf(peer: number): string
}

/** What counts of a path with a rule of FlowSpec. */
export interface RuleFacts extends UnicastFacts {
  readonly external: boolean
  /** No AS outside of ours, or of our confederation, stands in AS_PATH. */
  readonly isOurs: boolean
}

/**
 * Whether a rule of FlowSpec may be followed: what its destination's unicast routes say of who gave it (RFC 8955 §6, RFC 9117 §4). Pure.
 *
 * @param best of the longest prefix that covers the destination; `undefined`: none does
 * @param isContested a more specific route came from another neighboring AS, or it is not known yet that none did
 */
export function isFeasible(rule: RuleFacts, best: UnicastFacts | undefined, isContested: boolean): boolean {
  // where nothing covers it there is nothing to tell its originator by, and nothing to contest
  if (best === undefined) return rule.isOurs && !rule.external
  if (rule.originator !== best.originator && (rule.external || !rule.isOurs)) return false
  if (rule.external && (rule.neighborAs === 0 || rule.neighborAs !== best.neighborAs)) return false
  return !isContested
}

/**
 * Keeps rules of FlowSpec that others may not have given out of the decision. They are looked at when they are decided, so that none is followed
 * before it was, and again whenever the unicast routes of their destination change.
 */
export class FlowspecFeasibility {
  readonly #targets = new Map<RibTable, FlowspecTargets>()

  constructor(private readonly context: FeasibilityContext) {}

  /** What has to be done with each destination of a table before it is decided; nothing where it has no rules. */
  judgeOf(table: RibTable): ((destination: number) => void) | undefined {
    return isFlowspecFamily(table.family) ? (destination) => this.#judge(table, destination) : undefined
  }

  #judge(table: RibTable, destination: number): void {
    const paths = table.pathsOf(destination).filter((path) => this.context.validated(table.peerOf(path)) !== undefined)
    const place = paths.length === 0 ? undefined : placeOf(table.nlri(destination, 0, 0))
    const targets = place === undefined ? this.#targets.get(table) : this.#targetsOf(table)
    if (place === undefined || targets === undefined) {
      targets?.forget(destination)
      for (const path of paths) settle(table, path, false) // RFC 8955 §6 a
      return
    }
    const { best, isContested } = targets.verdict(place, destination)
    for (const path of paths) settle(table, path, isFeasible(this.#factsOf(table, path), best, isContested))
  }

  #factsOf(table: RibTable, path: number): RuleFacts {
    const { originatorOf } = this
    const received = table.receivedOf(path)
    return {
      external: this.context.validated(table.peerOf(path)) === 'external',
      isOurs: isOurs(table.sets.get(received).attributes),
      neighborAs: table.sets.neighborAs(received),
      originator: originatorOf(table, path),
    }
  }

  /** RFC 8955 §6: ORIGINATOR_ID, or the peer's address without it. */
  readonly originatorOf = (table: RibTable, path: number): string => {
    const { sets } = table
    const { originatorId } = sets.get(table.receivedOf(path)).attributes
    return originatorId === undefined ? this.context.nameOf(table.peerOf(path)) : String(originatorId)
  }

  #targetsOf(table: RibTable): FlowspecTargets {
    const known = this.#targets.get(table)
    if (known !== undefined) return known
    const { afi, safi } = table.family
    const made = new FlowspecTargets({
      ...this.context,
      unicast: this.context.tableOf(familyOf(afi, safi === SAFI.flowspec ? SAFI.unicast : SAFI.vpn)),
      originatorOf: this.originatorOf,
      changed: (destinations) => {
        for (const destination of destinations) this.#judge(table, destination)
        this.context.touched(table)
      },
    })
    this.#targets.set(table, made)
    return made
  }
}

/** The destination that a rule names; a pattern behind an offset names none (RFC 8956 §5). */
function placeOf(nlri: Nlri): UnicastPlace | undefined {
  if (nlri.kind !== 'flowspec') return undefined
  for (const component of nlri.components) {
    if (component.type !== 'destination-prefix') continue
    const { prefix, offset } = component
    return offset === undefined ? { prefix, ...(nlri.rd === undefined ? {} : { rd: nlri.rd }) } : undefined
  }
  return undefined
}

function isOurs({ asPath = [] }: PathAttributes): boolean {
  return asPath.every(isConfederation)
}

/** Has a path take part in the decision, or not, unless something else keeps it out. */
function settle(table: RibTable, path: number, feasible: boolean): void {
  const before = table.invalidOf(path)
  const after = feasible ? undefined : 'infeasible'
  if (before === after || (before !== undefined && before !== 'infeasible')) return
  const [set, received] = [table.setOf(path), table.receivedOf(path)]
  table.sets.retain(set)
  if (received !== set) table.sets.retain(received)
  table.reimport(path, set, after, received === set ? 0 : received)
}
