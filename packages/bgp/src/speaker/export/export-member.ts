import type { Family } from '../../nlri/family.js'
import type { RouteTargetFilter } from '../../policy/route-target-filter.js'
import type { ExportGroup } from './export-group.js'

/** A peer as its export groups see it. */
export interface MemberPeer {
  /** Index of the peer in the tables. */
  readonly peer: number
  readonly enhancedRefresh: boolean
  /** What the peer wants of VPN families; `undefined`: everything. */
  filter(): RouteTargetFilter | undefined
  /** Whether nothing of the family may be sent yet. */
  held(family: Family): boolean
  /** Whether more of the family may be packed for the peer now. */
  ready(family: Family): boolean
  /** In order. @param messages one or more, one behind the other */
  write(messages: Uint8Array): void
  /** Nothing waits in one of its groups. */
  idle(): void
}

/** A look at every destination, in a circle. */
export interface Walk {
  /** Slot at which it began. */
  readonly from: number
  /** Slot to look at next. */
  readonly at: number
  /** It has been at the end already, or began at the first slot. */
  readonly wrapped: boolean
  readonly forced: boolean
}

/** One peer's place in an export group. */
export class ExportMember {
  /** Place in the group's log from which on the peer does not know what changed. */
  place = 0
  walk: Walk | undefined
  endOfRibSent = false
  /** An end-of-refresh mark is due when nothing waits (RFC 7313 §4). */
  refreshing = false

  constructor(
    /** Bit in the group's sets of peers. */
    readonly index: number,
    readonly peer: MemberPeer,
    readonly group: ExportGroup,
  ) {}

  /** Whether nothing waits for the peer. */
  get done(): boolean {
    return this.walk === undefined && this.place >= this.group.end
  }

  /** The walk has come to slot `at`; `end` is the one behind the last. */
  advance(at: number, end: number): void {
    const { walk } = this
    if (walk === undefined) return
    if (walk.wrapped) this.walk = (walk.from === 1 ? at >= end : at >= walk.from) ? undefined : { ...walk, at }
    else this.walk = at >= end ? { ...walk, at: 1, wrapped: true } : { ...walk, at }
  }
}
