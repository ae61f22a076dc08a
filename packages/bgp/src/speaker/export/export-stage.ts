import { ValueError } from '@heddle/wire'
import type { AdjRibOut, ExportOutput, ExportTarget } from '../../rib/adj-rib-out.js'
import { addPeer, type PeerSet } from '../../rib/peer-set.js'
import type { RibTable } from '../../rib/rib-table.js'
import type { ExportBundles } from './export-bundles.js'
import type { ExportMember } from './export-member.js'
import { NOTHING, type ExportPaths, type ExportScope } from './export-paths.js'

/** Destinations that one piece of work settles, and routes that one puts into messages. */
const PIECE = 512

/** What a stage needs besides its destinations. */
export interface ExportStageOptions {
  /** Is empty, and gets what is found. */
  readonly gathered: ExportBundles
  /** Nothing else keeps the slots of its destinations from being used again. */
  readonly holds: boolean
  /** Moves the members behind the stretch. */
  over(): void
  /** A route cannot stand in a message. */
  failed(error: ValueError): void
}

/**
 * One stretch of destinations for some members of a group, in pieces: first all of them are settled and gathered by attribute set, then packed,
 * so that messages are full although the routes of one set are far apart. No destination is in it twice.
 */
export class ExportStage implements ExportOutput {
  #at = 0
  #scope: ExportScope | undefined
  readonly #members: PeerSet
  #bundles: readonly number[] | undefined
  #packed = 0

  constructor(
    private readonly out: AdjRibOut,
    private readonly destinations: readonly number[],
    readonly members: readonly ExportMember[],
    private readonly forced: boolean,
    paths: ExportPaths,
    private readonly options: ExportStageOptions,
  ) {
    this.#members = new Uint32Array(out.words)
    for (const { index } of members) addPeer(this.#members, index)
    this.#scope = paths.scope(members, this.#members)
    if (options.holds) for (const destination of destinations) this.#table.hold(destination)
  }

  /** Settles some destinations. @returns whether all of them are settled */
  settle(): boolean {
    const scope = this.#scope
    if (scope === undefined) return true
    const end = Math.min(this.destinations.length, this.#at + PIECE)
    for (; this.#at < end; this.#at++) {
      const destination = this.destinations[this.#at]
      // what is not known yet comes once it is decided; but who is to be sent all anew must not take what it holds for confirmed
      const targets = scope.targets(destination) ?? (this.forced ? NOTHING : undefined)
      if (targets !== undefined) this.out.settle(destination, targets, this.#members, this.forced, this)
      if (this.options.holds) this.#table.unhold(destination)
    }
    if (this.#at < this.destinations.length) return false
    scope.end()
    this.#scope = undefined
    return true
  }

  /** Gives out bundles to be packed: withdrawals first. @returns nothing when there are no more */
  bundles(): readonly number[] | undefined {
    const { gathered } = this.options
    this.#bundles ??= gathered.finish()
    const from = this.#packed
    if (from === this.#bundles.length) return undefined
    for (let routes = 0; routes < PIECE && this.#packed < this.#bundles.length;) routes += gathered.countOf(this.#bundles[this.#packed++])
    return this.#bundles.slice(from, this.#packed)
  }

  /** Moves the members behind the stretch. */
  over(): void {
    this.options.gathered.clear()
    this.options.over()
  }

  announce(destination: number, { set, data, pathId }: ExportTarget, peers: PeerSet): void {
    try {
      this.options.gathered.add(set, peers, destination, pathId, data)
    } catch (error) {
      if (!(error instanceof ValueError)) throw error
      this.options.failed(error)
      this.withdraw(destination, pathId, data, peers) // RFC 4271 §9.2: what cannot be sent is not announced
    }
  }

  withdraw(destination: number, pathId: number, data: number, peers: PeerSet): void {
    this.options.gathered.add(0, peers, destination, pathId, data)
  }

  get #table(): RibTable {
    return this.out.table
  }
}
