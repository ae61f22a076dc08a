import { ByteWriter } from '@heddle/wire'
import { NO_ENTRY, type EncodedNlri } from '../../message/update-batch.js'
import { nlriMode } from '../../nlri/nlri-mode.js'
import { equalSets, type PeerSet } from '../../rib/peer-set.js'
import type { RibTable } from '../../rib/rib-table.js'
import { BundlePlaces } from './bundle-places.js'

/** Routes that there is room for to begin with. */
const ROUTES = 1024

/**
 * Routes on their way into messages: written where they are found, and gathered by what they have in common, so that messages are full although
 * the routes of one set are far apart. Those that go to the same peers with the same attributes are a bundle, a small number; set 0: that are
 * withdrawn. Routes are entries of columns, and so are bundles, which are lists of routes; all of them stay valid until `clear`.
 */
export class ExportBundles implements EncodedNlri {
  readonly #octets = new ByteWriter(1 << 12)
  /* Of bundles. */
  readonly #sets: number[] = []
  readonly #peers: PeerSet[] = []
  readonly #firsts: number[] = []
  readonly #lasts: number[] = []
  readonly #counts: number[] = []
  readonly #places = new BundlePlaces()
  #bundles = 0
  /** The one that got the last route. */
  #last = -1
  /* Of routes: where each ends, which is where the next one begins, and the next one of the same bundle. */
  #ends = new Uint32Array(ROUTES)
  #next = new Int32Array(ROUTES)
  #routes = 0

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
    this.#put(this.#into(set, peers), this.#route(octets.length))
  }

  /** All bundles, each with a reference to its set: withdrawals first, which make room at the peer. */
  finish(): number[] {
    const all = Array.from({ length: this.#bundles }, (_, bundle) => bundle)
    return [...all.filter((bundle) => this.#sets[bundle] === 0), ...all.filter((bundle) => this.#sets[bundle] !== 0)]
  }

  setOf(bundle: number): number {
    return this.#sets[bundle]
  }

  peersOf(bundle: number): PeerSet {
    return this.#peers[bundle]
  }

  /** Routes of a bundle. */
  countOf(bundle: number): number {
    return this.#counts[bundle]
  }

  /** The first route of a bundle. */
  firstOf(bundle: number): number {
    return this.#firsts[bundle]
  }

  get octets(): Uint8Array {
    return this.#octets.buffer
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

  /** Forgets all of them. */
  clear(): void {
    this.#octets.truncate(0)
    this.#places.clear()
    this.#peers.length = 0
    this.#bundles = 0
    this.#routes = 0
    this.#last = -1
  }

  /** The bundle for exactly these peers; most often it is the last one, and the only one of its set. */
  #into(set: number, peers: PeerSet): number {
    const last = this.#last
    if (last >= 0 && this.#sets[last] === set && equalSets(this.#peers[last], peers)) return last
    let bundle = this.#places.first(set)
    while (bundle >= 0 && !(this.#sets[bundle] === set && equalSets(this.#peers[bundle], peers))) bundle = this.#places.next()
    if (bundle < 0) bundle = this.#add(set, last >= 0 && equalSets(this.#peers[last], peers) ? this.#peers[last] : peers.slice())
    return (this.#last = bundle)
  }

  #add(set: number, peers: PeerSet): number {
    const bundle = this.#bundles++
    this.#sets[bundle] = set
    this.#peers[bundle] = peers
    this.#firsts[bundle] = NO_ENTRY
    this.#counts[bundle] = 0
    this.#places.add(bundle, set)
    if (set !== 0) this.table.sets.retain(set)
    return bundle
  }

  /** @returns the route that ends there */
  #route(end: number): number {
    if (this.#routes === this.#ends.length) {
      this.#ends = longer(this.#ends, new Uint32Array(this.#routes * 2))
      this.#next = longer(this.#next, new Int32Array(this.#routes * 2))
    }
    this.#ends[this.#routes] = end
    this.#next[this.#routes] = NO_ENTRY
    return this.#routes++
  }

  #put(bundle: number, route: number): void {
    if (this.#counts[bundle]++ === 0) this.#firsts[bundle] = route
    else this.#next[this.#lasts[bundle]] = route
    this.#lasts[bundle] = route
  }
}

function longer<T extends Uint32Array | Int32Array>(before: T, after: T): T {
  after.set(before)
  return after
}
