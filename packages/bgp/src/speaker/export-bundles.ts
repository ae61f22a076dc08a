import { ByteWriter } from '@heddle/wire'
import { NO_ENTRY, type EncodedNlri } from '../message/update-batch.js'
import { nlriMode } from '../nlri/nlri-mode.js'
import { equalSets, type PeerSet } from '../rib/peer-set.js'
import type { RibTable } from '../rib/rib-table.js'

/** Routes that there is room for to begin with. */
const ROUTES = 1024

/** Routes that go to the same peers with the same attributes; set 0: that are withdrawn. */
export interface Bundle extends EncodedNlri {
  readonly set: number
  readonly peers: PeerSet
  readonly count: number
}

/**
 * Routes on their way into messages: written where they are found, and gathered by what they have in common, so that messages are full although
 * the routes of one set are far apart. A route is an entry of columns, and a bundle a list of them; both stay valid until `clear`.
 */
export class ExportBundles {
  readonly #octets = new ByteWriter(1 << 12)
  /** By set: its bundles, the last one first. */
  readonly #bySet = new Map<number, GatheredBundle>()
  #order: GatheredBundle[] = []
  #last: GatheredBundle | undefined
  readonly #routes = new GatheredRoutes()

  constructor(
    private readonly table: RibTable,
    private readonly addPath: boolean,
  ) {}

  /** One more route. @throws ValueError `bgp.nlri.*` when it cannot stand in a message; then nothing was gathered */
  add(set: number, peers: PeerSet, destination: number, pathId: number, data: number): void {
    const octets = this.#octets
    const start = octets.length
    try {
      this.table.writeNlri(destination, data, pathId, nlriMode(this.addPath, set === 0), octets)
    } catch (error) {
      octets.truncate(start)
      throw error
    }
    this.#into(set, peers).put(this.#routes.add(octets.length))
  }

  /** All of them, each with a reference to its set: withdrawals first, which make room at the peer. */
  finish(): Bundle[] {
    this.#routes.octets = this.#octets.view()
    return [...this.#order.filter(({ set }) => set === 0), ...this.#order.filter(({ set }) => set !== 0)]
  }

  /** Forgets all of them. */
  clear(): void {
    this.#octets.truncate(0)
    this.#routes.clear()
    this.#bySet.clear()
    this.#order = []
    this.#last = undefined
  }

  /** The bundle for exactly these peers; most often it is the last one, and the only one of its set. */
  #into(set: number, peers: PeerSet): GatheredBundle {
    const last = this.#last
    if (last?.set === set && equalSets(last.peers, peers)) return last
    const first = this.#bySet.get(set)
    let bundle = first
    while (bundle !== undefined && !equalSets(bundle.peers, peers)) bundle = bundle.other
    if (bundle === undefined) {
      const shared = last !== undefined && equalSets(last.peers, peers) ? last.peers : peers.slice()
      bundle = new GatheredBundle(set, shared, this.#routes, first)
      if (set !== 0) this.table.sets.retain(set)
      this.#bySet.set(set, bundle)
      this.#order.push(bundle)
    }
    this.#last = bundle
    return bundle
  }
}

/** Routes of all bundles, one behind the other in `octets`. */
class GatheredRoutes {
  octets: Uint8Array = new Uint8Array()
  /** Where each ends, which is where the next one begins. */
  #ends = new Uint32Array(ROUTES)
  /** The next one of the same bundle. */
  #next = new Int32Array(ROUTES)
  #count = 0

  /** @returns the route that ends there */
  add(end: number): number {
    if (this.#count === this.#ends.length) {
      this.#ends = longer(this.#ends, new Uint32Array(this.#count * 2))
      this.#next = longer(this.#next, new Int32Array(this.#count * 2))
    }
    this.#ends[this.#count] = end
    this.#next[this.#count] = NO_ENTRY
    return this.#count++
  }

  link(route: number, next: number): void {
    this.#next[route] = next
  }

  next(route: number): number {
    return this.#next[route]
  }

  startOf(route: number): number {
    return route === 0 ? 0 : this.#ends[route - 1]
  }

  endOf(route: number): number {
    return this.#ends[route]
  }

  clear(): void {
    this.#count = 0
  }
}

function longer<T extends Uint32Array | Int32Array>(before: T, after: T): T {
  after.set(before)
  return after
}

class GatheredBundle implements Bundle {
  first = NO_ENTRY
  count = 0
  #end = NO_ENTRY

  constructor(
    readonly set: number,
    readonly peers: PeerSet,
    private readonly routes: GatheredRoutes,
    /** Another one of the same set, for other peers. */
    readonly other: GatheredBundle | undefined,
  ) {}

  get octets(): Uint8Array {
    return this.routes.octets
  }

  put(route: number): void {
    if (this.count++ === 0) this.first = route
    else this.routes.link(this.#end, route)
    this.#end = route
  }

  next(route: number): number {
    return this.routes.next(route)
  }

  startOf(route: number): number {
    return this.routes.startOf(route)
  }

  endOf(route: number): number {
    return this.routes.endOf(route)
  }
}
