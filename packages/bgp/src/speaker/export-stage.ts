import type { Nlri } from '../nlri/nlri.js'
import type { AdjRibOut, ExportOutput, ExportTarget } from '../rib/adj-rib-out.js'
import { addPeer, equalSets, type PeerSet } from '../rib/peer-set.js'
import type { RibTable } from '../rib/rib-table.js'
import type { ExportMember } from './export-member.js'
import type { ExportPaths, ExportScope } from './export-paths.js'

/** Destinations that one piece of work settles, and routes that one puts into messages. */
const PIECE = 512

/** Routes that go to the same peers with the same attributes; set 0: that are withdrawn. */
export interface Bundle {
  readonly set: number
  readonly peers: PeerSet
  readonly nlri: Nlri[]
}

/**
 * One stretch of destinations for some members of a group, in pieces: first all of them are settled and gathered by attribute set, then packed,
 * so that messages are full although the routes of one set are far apart. No destination is in it twice.
 */
export class ExportStage implements ExportOutput {
  #at = 0
  #scope: ExportScope | undefined
  readonly #members: PeerSet
  readonly #withdrawn: Bundle[] = []
  readonly #announced = new Map<number, Bundle[]>()
  #bundles: Bundle[] | undefined

  constructor(
    private readonly out: AdjRibOut,
    private readonly destinations: readonly number[],
    readonly members: readonly ExportMember[],
    private readonly forced: boolean,
    paths: ExportPaths,
    /** Moves the members behind the stretch. */
    readonly over: () => void,
  ) {
    this.#members = new Uint32Array(out.words)
    for (const { index } of members) addPeer(this.#members, index)
    this.#scope = paths.scope(members, this.#members)
    for (const destination of destinations) this.#table.hold(destination)
  }

  /** Settles some destinations. @returns whether all of them are settled */
  settle(): boolean {
    const scope = this.#scope
    if (scope === undefined) return true
    const end = Math.min(this.destinations.length, this.#at + PIECE)
    for (; this.#at < end; this.#at++) {
      const destination = this.destinations[this.#at]
      this.out.settle(destination, scope.targets(destination), this.#members, this.forced, this)
      this.#table.unhold(destination)
    }
    if (this.#at < this.destinations.length) return false
    scope.end()
    this.#scope = undefined
    return true
  }

  /** Gives out bundles to be packed: withdrawals first. @returns nothing when there are no more */
  bundles(): Bundle[] | undefined {
    this.#bundles ??= [...this.#withdrawn, ...[...this.#announced.values()].flat()].reverse()
    if (this.#bundles.length === 0) return undefined
    const out: Bundle[] = []
    for (let routes = 0; routes < PIECE;) {
      const bundle = this.#bundles.pop()
      if (bundle === undefined) break
      out.push(bundle)
      routes += bundle.nlri.length
    }
    return out
  }

  announce(destination: number, { set, data, pathId }: ExportTarget, peers: PeerSet): void {
    let bundles = this.#announced.get(set)
    if (bundles === undefined) this.#announced.set(set, (bundles = []))
    this.#into(bundles, set, peers).push(this.#table.nlri(destination, data, pathId))
  }

  withdraw(destination: number, pathId: number, data: number, peers: PeerSet): void {
    this.#into(this.#withdrawn, 0, peers).push(this.#table.nlri(destination, data, pathId))
  }

  get #table(): RibTable {
    return this.out.table
  }

  /** The bundle for exactly these peers; most often it is the last one, and the only one. Holds a reference to its set. */
  #into(bundles: Bundle[], set: number, peers: PeerSet): Nlri[] {
    for (let at = bundles.length - 1; at >= 0; at--) if (equalSets(bundles[at].peers, peers)) return bundles[at].nlri
    const bundle: Bundle = { set, peers: peers.slice(), nlri: [] }
    if (set !== 0) this.#table.sets.retain(set)
    bundles.push(bundle)
    return bundle.nlri
  }
}
