import { ByteWriter, type ValueError } from '@heddle/wire'
import { encodeEndOfRib } from '../../message/pack.js'
import { usesPathIds, type EncodeOptions } from '../../message/options.js'
import { ROUTE_REFRESH_SUBTYPE, encodeRouteRefresh } from '../../message/route-refresh.js'
import type { Family } from '../../nlri/family.js'
import { AdjRibOut } from '../../rib/adj-rib-out.js'
import { equalSets, nextPeer, peerSetWords, type PeerSet } from '../../rib/peer-set.js'
import type { RibTable } from '../../rib/rib-table.js'
import { UpdateLog } from '../../rib/update-log.js'
import { ExportBundles } from './export-bundles.js'
import { ExportMember, type MemberPeer } from './export-member.js'
import { ExportPaths, type ExportRules } from './export-paths.js'
import { ExportStage } from './export-stage.js'
import type { Task } from '../scheduler.js'
import { UpdatePacker } from './update-packer.js'

/** Destinations that are looked at before their routes are packed. */
const STRETCH = 8192
/** Entries of a peer that has left that are looked at in one piece. */
const DROPS = 2048

/** What a group needs from its surroundings. */
export interface GroupContext {
  readonly rules: ExportRules
  readonly encode: EncodeOptions
  /** Has `task` run soon. */
  wake(task: Task): void
  /** Messages of the group were packed. */
  packed(messages: number): void
  /** A piece of work is over. */
  worked(): void
  /** Routes could not be put into messages (RFC 4271 §9.2). */
  failed(family: Family, error: ValueError): void
}

/** Messages on their way to members, and the bit of the first one that may not have them yet. */
interface PackedMessages {
  readonly messages: Uint8Array
  readonly peers: PeerSet
  next: number
}

/**
 * The peers of equal export signature in one family. What changes is queued once for all of them; those that are equally far move together, so
 * that each UPDATE is packed once and handed to all. A peer that is slower goes on from where it stands, and meets the others again.
 */
export class ExportGroup {
  readonly out: AdjRibOut
  readonly #log: UpdateLog
  readonly #paths: ExportPaths
  readonly #packer: UpdatePacker
  /* Of the stage under way. */
  readonly #stretch: number[] = []
  readonly #gathered: ExportBundles
  readonly #members: (ExportMember | undefined)[] = []
  readonly #task: Task = { work: 'export', run: () => this.#piece() }
  /** Peers that have left, and the entries at which it is to be forgotten what they held. */
  readonly #leaving: { readonly index: number; next: number }[] = []
  #size = 0
  #stage: ExportStage | undefined
  readonly #packed: PackedMessages[] = []
  /** Where the stage under way ends, when it is one of a walk. */
  #walking: { readonly end: number; readonly forced: boolean } | undefined

  constructor(
    readonly key: string,
    readonly table: RibTable,
    private readonly context: GroupContext,
  ) {
    this.out = new AdjRibOut(table)
    this.#log = new UpdateLog(table)
    this.#gathered = new ExportBundles(table, usesPathIds(context.encode, table.family.key))
    this.#packer = new UpdatePacker(table, context.encode, (error) => context.failed(table.family, error))
    this.#paths = new ExportPaths(table, context.rules, {
      fitsAny: (set) => this.#packer.fitsAny(set),
      fits: (path, set) => this.#packer.fits(set, this.#octetsOf(path)),
    })
  }

  /** Members. */
  get size(): number {
    return this.#size
  }

  /** Whether all is forgotten of peers that have left. */
  get idle(): boolean {
    return this.#leaving.length === 0
  }

  /** Destinations that wait for at least one peer. */
  get pending(): number {
    return this.#log.size
  }

  /** Octets that what is held and what waits take. */
  get octets(): number {
    return this.out.octets + this.#log.octets
  }

  /** The place behind everything that has changed. */
  get end(): number {
    return this.#log.end
  }

  /** A peer is to hold what the table has, from now on. */
  join(peer: MemberPeer): ExportMember {
    let index = 0
    while (this.#members[index] !== undefined || this.#leaving.some((gone) => gone.index === index)) index++
    if (peerSetWords(index + 1) > this.out.words) this.#completeStage()
    this.out.reserve(index + 1)
    const member = new ExportMember(index, peer, this)
    this.#members[index] = member
    this.#size++
    member.place = this.#log.end
    this.walk(member, false)
    return member
  }

  /** A member of another group comes over, with what it holds: it is sent what is different. */
  take(other: ExportMember): ExportMember {
    other.group.#completeStage()
    const member = this.join(other.peer)
    other.group.out.held(other.index, (...entry) => this.out.adopt(member.index, ...entry))
    member.endOfRibSent = other.endOfRibSent
    member.refreshing = other.refreshing
    if (other.walk?.forced === true) this.walk(member, true)
    other.group.leave(other)
    return member
  }

  leave(member: ExportMember): void {
    this.#completeStage()
    this.#members[member.index] = undefined
    this.#size--
    this.#leaving.push({ index: member.index, next: 1 })
    this.#trim()
    this.wake()
  }

  /** A destination's best path is another one; with path identifiers every change counts. */
  changed(destination: number, best: boolean): void {
    if (this.#size === 0 || (!best && !this.context.rules.allPaths)) return
    this.#log.append(destination)
    this.wake()
  }

  /** What held a peer back may be over. */
  wake(): void {
    this.context.wake(this.#task)
  }

  /** Every peer looks at everything again, because the rules gave other results. */
  reconsider(): void {
    for (const member of this.#live()) this.walk(member, member.walk?.forced ?? false)
  }

  /** The peer looks at every destination again; with `forced` all of it is sent again. One that joins a walk under way begins where that is. */
  walk(member: ExportMember, forced: boolean): void {
    const other = this.#live().find(({ walk }) => walk !== undefined && walk.forced === forced)?.walk
    const under = this.#walking?.forced === forced ? this.#walking.end : other?.at
    const from = member.walk === undefined && under !== undefined && under < this.table.slots ? under : 1
    member.walk = { from, at: from, wrapped: from === 1, forced }
    this.wake()
  }

  /** Answers a ROUTE-REFRESH (RFC 2918 §4, RFC 7313 §4). */
  refresh(member: ExportMember): void {
    const { family } = this.table
    if (member.peer.enhancedRefresh && member.endOfRibSent) {
      member.peer.write(encodeRouteRefresh({ type: 'route-refresh', family, subtype: ROUTE_REFRESH_SUBTYPE.begin }))
      member.refreshing = true
    }
    this.walk(member, true)
  }

  /** @returns tells whether what waits now for the member has been packed, as far as it may be sent at all */
  backlog(member: ExportMember): () => boolean {
    const { end } = this.#log
    const { walk } = member
    return () => member.peer.held(this.table.family) || (member.place >= end && (walk === undefined || member.walk !== walk))
  }

  /** Why paths to a destination do or do not go to a member. */
  get paths(): ExportPaths {
    return this.#paths
  }

  #live(): ExportMember[] {
    return this.#members.filter((member) => member !== undefined)
  }

  #piece(): boolean {
    const { family } = this.table
    this.#dropSome()
    const stage = this.#stage ?? this.#nextStage()
    if (stage !== undefined) {
      this.#stage = stage
      if (stage.settle() && !this.#packSome(stage)) this.#endStage(stage)
    }
    const ready = this.#live().filter((member) => member.peer.ready(family))
    if (this.#stage === undefined) for (const member of ready) if (member.done) this.#finish(member)
    this.context.worked()
    return this.#stage !== undefined || !this.idle || ready.some((member) => !member.done && member.peer.ready(family))
  }

  /** Forgets what a peer held that has left. */
  #dropSome(): void {
    const [gone] = this.#leaving
    if (gone === undefined) return
    gone.next = this.out.drop(gone.index, gone.next, DROPS)
    if (gone.next === 0) this.#leaving.shift()
  }

  /** A stretch for those that are ready: of what changed, or else of a walk. */
  #nextStage(): ExportStage | undefined {
    const ready = this.#live().filter((member) => member.peer.ready(this.table.family))
    return ready.length === 0 ? undefined : (this.#readLog(ready) ?? this.#walkOn(ready))
  }

  /** Those that are furthest behind read on, up to where the next ones stand. */
  #readLog(ready: readonly ExportMember[]): ExportStage | undefined {
    const first = Math.min(...ready.map(({ place }) => place))
    if (first >= this.#log.end) return undefined
    const members = ready.filter(({ place }) => place === first)
    const until = Math.min(this.#log.end, ...ready.map(({ place }) => (place > first ? place : Infinity)))
    const next = this.#log.read(first, until, STRETCH, this.#stretch)
    return this.#stageOf(this.#stretch, members, 'log', () => {
      for (const member of members) member.place = next
      this.#trim()
    })
  }

  /** Those that walk, from one place, go on. Walks are in a circle, so that who begins later shares the rest of it. */
  #walkOn(ready: readonly ExportMember[]): ExportStage | undefined {
    const leader = ready.find(({ walk }) => walk !== undefined)?.walk
    if (leader === undefined) return undefined
    const { at, forced } = leader
    const members = ready.filter(({ walk }) => walk?.at === at && walk.forced === forced)
    const stops = ready.flatMap(({ walk }) => (walk === undefined ? [] : [walk.at, walk.from])).filter((stop) => stop > at)
    const end = Math.max(at, Math.min(this.table.slots, at + STRETCH, ...stops))
    const destinations: number[] = []
    for (let slot = at; slot < end; slot++) if (this.table.uses(slot)) destinations.push(slot)
    const walks = members.map(({ walk }) => walk)
    this.#walking = { end, forced }
    return this.#stageOf(destinations, members, forced ? 'forced-walk' : 'walk', () => {
      this.#walking = undefined
      // one that began anew meanwhile has its own way
      members.forEach((member, position) => {
        if (member.walk === walks[position]) member.advance(end, this.table.slots)
      })
    })
  }

  /** What is in the log is held by it until the members are behind the stretch. */
  #stageOf(
    destinations: readonly number[],
    members: readonly ExportMember[],
    of: 'log' | 'walk' | 'forced-walk',
    over: () => void,
  ): ExportStage {
    return new ExportStage(this.out, destinations, members, of === 'forced-walk', this.#paths, {
      gathered: this.#gathered,
      holds: of !== 'log',
      over,
      failed: (error) => this.context.failed(this.table.family, error),
    })
  }

  /** @returns whether there was something */
  #packSome(stage: ExportStage): boolean {
    const bundles = stage.bundles()
    if (bundles === undefined) return false
    const gathered = this.#gathered
    for (let from = 0, to = 0; from < bundles.length; from = to) {
      const peers = gathered.peersOf(bundles[from])
      for (to = from + 1; to < bundles.length && equalSets(gathered.peersOf(bundles[to]), peers);) to++
      const batch = this.#packer.pack(gathered, bundles, from, to)
      this.context.packed(batch.count)
      this.#packed.push({ messages: batch.finish(), peers, next: 0 })
    }
    for (const bundle of bundles) {
      const set = gathered.setOf(bundle)
      if (set !== 0) this.table.sets.release(set)
    }
    this.#handOut()
    return true
  }

  #endStage(stage: ExportStage): void {
    if (this.#stage !== stage) return
    this.#stage = undefined
    stage.over()
  }

  /** Brings what was begun to its end at once: who is in the group is about to change. */
  #completeStage(): void {
    const stage = this.#stage
    if (stage === undefined) return
    while (!stage.settle());
    while (this.#packSome(stage));
    this.#handOut()
    this.#endStage(stage)
  }

  /**
   * Gives members what was packed for them. Who follows the messages of one may have a member leave at any of them, which brings the stage to its end
   * within this; so nothing about where this is stands but in `#packed`.
   */
  #handOut(): void {
    while (this.#packed.length > 0) {
      const [first] = this.#packed
      const index = nextPeer(first.peers, first.next)
      first.next = index + 1
      if (index < 0) this.#packed.shift()
      else this.#members[index]?.peer.write(first.messages)
    }
  }

  /** Nothing waits for the peer: marks that wait for this go out. */
  #finish(member: ExportMember): void {
    const { family } = this.table
    if (!member.endOfRibSent) {
      member.endOfRibSent = true
      member.peer.write(encodeEndOfRib(family))
    }
    if (member.refreshing) {
      member.refreshing = false
      member.peer.write(encodeRouteRefresh({ type: 'route-refresh', family, subtype: ROUTE_REFRESH_SUBTYPE.end }))
    }
    member.peer.idle()
  }

  /** Size of a path's NLRI. */
  #octetsOf(path: number): number {
    const { table, context } = this
    const out = new ByteWriter(64)
    const mode = { addPath: usesPathIds(context.encode, table.family.key), withdraw: false }
    table.writeNlri(table.destinationOf(path), table.dataOf(path), path, mode, out)
    return out.length
  }

  #trim(): void {
    const places = this.#live().map(({ place }) => place)
    this.#log.trim(places.length === 0 ? this.#log.end : Math.min(...places))
  }
}
