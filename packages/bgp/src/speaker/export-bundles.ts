import { ByteWriter } from '@heddle/wire'
import type { EncodedNlri } from '../message/update-batch.js'
import type { NlriMode } from '../nlri/nlri-mode.js'
import { equalSets, type PeerSet } from '../rib/peer-set.js'
import type { RibTable } from '../rib/rib-table.js'

const NOTHING = new Uint8Array()

/** Routes that go to the same peers with the same attributes; set 0: that are withdrawn. */
export interface Bundle extends EncodedNlri {
  readonly set: number
  readonly peers: PeerSet
}

/**
 * Routes on their way into messages: written where they are found, and gathered by what they have in common, so that messages are full although
 * the routes of one set are far apart.
 */
export class ExportBundles {
  readonly #octets = new ByteWriter(1 << 12)
  /** By set: its bundles, the last one first. */
  readonly #bySet = new Map<number, GatheredBundle>()
  readonly #order: GatheredBundle[] = []
  readonly #announced: NlriMode
  readonly #withdrawn: NlriMode
  #last: GatheredBundle | undefined

  constructor(
    private readonly table: RibTable,
    addPath: boolean,
  ) {
    this.#announced = { addPath, withdraw: false }
    this.#withdrawn = { addPath, withdraw: true }
  }

  /** One more route. @throws ValueError `bgp.nlri.*` when it cannot stand in a message; then nothing was gathered */
  add(set: number, peers: PeerSet, destination: number, pathId: number, data: number): void {
    const octets = this.#octets
    const start = octets.length
    try {
      this.table.writeNlri(destination, data, pathId, set === 0 ? this.#withdrawn : this.#announced, octets)
    } catch (error) {
      octets.truncate(start)
      throw error
    }
    this.#into(set, peers).put(start, octets.length)
  }

  /** All of them, each with a reference to its set: withdrawals first, which make room at the peer. */
  finish(): Bundle[] {
    const octets = this.#octets.view()
    for (const bundle of this.#order) bundle.octets = octets
    return [...this.#order.filter(({ set }) => set === 0), ...this.#order.filter(({ set }) => set !== 0)]
  }

  /** The bundle for exactly these peers; most often it is the last one, and the only one of its set. */
  #into(set: number, peers: PeerSet): GatheredBundle {
    const last = this.#last
    if (last?.set === set && equalSets(last.peers, peers)) return last
    let bundle = this.#bySet.get(set)
    while (bundle !== undefined && !equalSets(bundle.peers, peers)) bundle = bundle.other
    if (bundle === undefined) {
      const shared = last !== undefined && equalSets(last.peers, peers) ? last.peers : peers.slice()
      bundle = new GatheredBundle(set, shared, this.#bySet.get(set))
      if (set !== 0) this.table.sets.retain(set)
      this.#bySet.set(set, bundle)
      this.#order.push(bundle)
    }
    this.#last = bundle
    return bundle
  }
}

class GatheredBundle implements Bundle {
  octets: Uint8Array = NOTHING
  readonly #bounds: number[] = []

  constructor(
    readonly set: number,
    readonly peers: PeerSet,
    /** Another one of the same set, for other peers. */
    readonly other: GatheredBundle | undefined,
  ) {}

  get count(): number {
    return this.#bounds.length >>> 1
  }

  put(start: number, end: number): void {
    this.#bounds.push(start, end)
  }

  startOf(at: number): number {
    return this.#bounds[at * 2]
  }

  endOf(at: number): number {
    return this.#bounds[at * 2 + 1]
  }
}
