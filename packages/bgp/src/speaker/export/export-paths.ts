import { SAFI } from '../../iana.js'
import { exportSet, type ExportSignature, type RouteSource } from '../../policy/export-rules.js'
import { isReflection, judgeReflection } from '../../policy/reflect-octets.js'
import { isFlowspecFamily } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import type { ExportTarget } from '../../rib/adj-rib-out.js'
import { PATH, type RibTable } from '../../rib/rib-table.js'
import type { PeerSet } from '../../rib/peer-set.js'
import { removePeer } from '../../rib/peer-set.js'
import type { ExportMember } from './export-member.js'

/** What decides which paths a group is told, and with which attributes. */
export interface ExportRules {
  readonly signature: ExportSignature
  /** All usable paths with identifiers, not the best one alone (RFC 7911). */
  readonly allPaths: boolean
  sourceOf(peer: number): RouteSource
  /** The best paths to a destination, the best first. */
  ranked(destination: number, count: number): readonly number[]
}

/** Whether there is room in a message to the group. */
export interface MessageRoom {
  /** For any path with the attributes of a set, as far as that can be told without a closer look. */
  fitsAny(set: number): boolean
  /** For a path with the attributes of a set. */
  fits(path: number, set: number): boolean
}

/** Which paths of a table the peers of one export group are to hold. */
export class ExportPaths {
  constructor(
    private readonly table: RibTable,
    readonly rules: ExportRules,
    readonly room: MessageRoom,
  ) {}

  /** Whether a member is to be told a path, as far as that depends on the member itself. */
  isFor({ peer }: ExportMember, path: number): 'yes' | 'from-this-peer' | 'not-wanted' {
    const { table, rules } = this
    const { client, peerType } = rules.signature
    const { safi } = table.family
    const returned = safi === SAFI.rtc && client && peerType === 'ibgp'
    if (table.peerOf(path) === peer.peer && !returned) return 'from-this-peer'
    if (safi !== SAFI.vpn && safi !== SAFI.evpn) return 'yes'
    return peer.filter()?.wants(table.sets.get(table.setOf(path)).attributes.extendedCommunities) === false ? 'not-wanted' : 'yes'
  }

  /** For one piece of work on some members: what is found out is kept until `end`, together with a reference to each attribute set, asked for or found. */
  scope(members: readonly ExportMember[], all: PeerSet): ExportScope {
    return new ExportScope(this.table, this.rules, this.room, members, all)
  }
}

export const NOTHING: readonly ExportTarget[] = []

/** See `ExportPaths.scope`. */
export class ExportScope {
  /** By source and set: the set with which it goes out, or 0; of those that took a look at values. */
  readonly #exported = new Map<number, Map<number, number>>()
  /** References to sets that were asked for, whose numbers no others may get meanwhile, and to those that were found. */
  readonly #held: number[] = []
  /** By set: who wants it. */
  readonly #wanting = new Map<number, PeerSet>()
  readonly #byPeer: ReadonlyMap<number, ExportMember>
  readonly #filtered: readonly ExportMember[]
  readonly #target: { pathId: number; set: number; data: number; to: PeerSet }
  /** That target alone. */
  readonly #one: readonly ExportTarget[]
  readonly #all: ExportTarget[] = []
  /* The set, source and outcome that were asked for last: routes of one set come one behind the other. */
  #lastSet = 0
  #lastPeer = 0
  #lastOut = 0
  #lastFits = false
  readonly #paths: number[] = []

  constructor(
    private readonly table: RibTable,
    private readonly rules: ExportRules,
    private readonly room: MessageRoom,
    members: readonly ExportMember[],
    private readonly all: PeerSet,
  ) {
    this.#byPeer = new Map(members.map((member) => [member.peer.peer, member]))
    const { safi } = table.family
    const byMembership = safi === SAFI.vpn || safi === SAFI.evpn
    this.#filtered = byMembership ? members.filter(({ peer }) => peer.filter() !== undefined) : []
    this.#target = { pathId: 0, set: 0, data: 0, to: new Uint32Array(all.length) }
    this.#one = [this.#target]
  }

  /** Valid until the next call. @returns nothing where that is not known before the destination was decided */
  targets(destination: number): readonly ExportTarget[] | undefined {
    const { table, rules } = this
    if (rules.allPaths) {
      // whether a rule may be followed is looked at when it is decided (RFC 8955 §6)
      if (isFlowspecFamily(table.family) && table.isDue(destination)) return undefined
      this.#all.length = 0
      const { addPathLimit } = rules.signature
      const paths = addPathLimit === undefined ? table.pathsOf(destination, this.#paths) : rules.ranked(destination, addPathLimit)
      for (const path of paths) {
        if (table.invalidOf(path) !== undefined || table.has(path, PATH.dead)) continue
        const set = this.#setFor(path)
        if (set !== 0)
          this.#all.push({ pathId: path, set, data: table.dataOf(path), to: this.#peersFor(path, new Uint32Array(this.all.length)) })
      }
      return this.#all
    }
    const best = table.best(destination)
    const set = best === 0 ? 0 : this.#setFor(best)
    if (set === 0) return NOTHING
    this.#target.set = set
    this.#target.data = table.dataOf(best)
    this.#peersFor(best, this.#target.to)
    return this.#one
  }

  end(): void {
    for (let at = 0; at < this.#held.length; at++) this.table.sets.release(this.#held[at])
  }

  #setFor(path: number): number {
    const { table, rules } = this
    const set = table.setOf(path)
    const peer = table.peerOf(path)
    if (rules.signature.policy?.dependsOnNlri === true) this.#forOne(path, set, peer)
    else if (set !== this.#lastSet || peer !== this.#lastPeer) this.#forAll(path, set, peer)
    const out = this.#lastOut
    return this.#lastFits || out === 0 || this.room.fits(path, out) ? out : 0 // RFC 4271 §9.2: what does not fit is not announced
  }

  /** Finds the set with which all paths of a set and source go out, or 0. */
  #forAll(path: number, set: number, peer: number): void {
    this.#remember(set)
    const source = this.rules.sourceOf(peer)
    let out = isReflection(source, this.rules.signature, this.table.family) ? this.#reflect(set, source) : undefined
    out ??= this.#exported.get(peer)?.get(set)
    if (out === undefined) {
      out = this.#export(path, set, source)
      let exported = this.#exported.get(peer)
      if (exported === undefined) this.#exported.set(peer, (exported = new Map<number, number>()))
      exported.set(set, out)
    }
    this.#lastSet = set
    this.#lastPeer = peer
    this.#found(out)
  }

  /** Finds the set with which this path alone goes out, or 0. */
  #forOne(path: number, set: number, peer: number): void {
    this.#found(this.#export(path, set, this.rules.sourceOf(peer)))
  }

  #found(out: number): void {
    this.#lastOut = out
    this.#lastFits = out !== 0 && this.room.fitsAny(out)
  }

  /** @returns the set with which a path goes out in a reflection, or 0; nothing when that takes a look at values */
  #reflect(set: number, source: RouteSource): number | undefined {
    const { sets, family } = this.table
    const { signature } = this.rules
    const { bytes, from, to } = sets.locate(set)
    const verdict = judgeReflection(bytes, family, source, signature, from, to)
    if (verdict === 'values') return undefined
    return verdict === 'refused' ? 0 : this.#hold(sets.reflect(set, source.routerId.w0, signature.clusterId.w0))
  }

  /** @returns the set with which a path goes out by its values, or 0 */
  #export(path: number, set: number, source: RouteSource): number {
    const { sets, family } = this.table
    const result = exportSet(sets.get(set), family, source, this.rules.signature, this.#nlriFor(path))
    return 'refused' in result ? 0 : this.#hold(sets.intern(result.set))
  }

  /** Something is kept of a set that is a path's. */
  #remember(set: number): void {
    this.table.sets.retain(set)
    this.#held.push(set)
  }

  /** Takes over a reference to a set. */
  #hold(set: number): number {
    this.#held.push(set)
    return set
  }

  #nlriFor(path: number): Nlri | undefined {
    return this.rules.signature.policy === undefined ? undefined : this.table.nlriOf(path)
  }

  /** Everyone but who gave the path, and who does not want its route targets (RFC 4684 §6). */
  #peersFor(path: number, to: PeerSet): PeerSet {
    const from = this.#filtered.length === 0 ? this.all : this.#wantingOf(this.table.setOf(path))
    for (let at = 0; at < to.length; at++) to[at] = from[at]
    const { client, peerType } = this.rules.signature
    const giver = this.#byPeer.get(this.table.peerOf(path))
    const returned = this.table.family.safi === SAFI.rtc && client && peerType === 'ibgp' // RFC 4684 §3.2
    if (giver !== undefined && !returned) removePeer(to, giver.index)
    return to
  }

  #wantingOf(set: number): PeerSet {
    let wanting = this.#wanting.get(set)
    if (wanting !== undefined) return wanting
    this.#remember(set)
    wanting = this.all.slice()
    const { extendedCommunities } = this.table.sets.get(set).attributes
    for (const { index, peer } of this.#filtered) if (peer.filter()?.wants(extendedCommunities) === false) removePeer(wanting, index)
    this.#wanting.set(set, wanting)
    return wanting
  }
}
