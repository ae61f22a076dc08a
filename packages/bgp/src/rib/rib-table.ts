import type { ByteWriter } from '@heddle/wire'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import type { NlriMode } from '../nlri/nlri-mode.js'
import type { InvalidReason } from '../speaker/route.js'
import type { AttributeSets } from './attribute-sets.js'
import { capacityFor, grown } from './column.js'
import { DestinationIndex } from './destination-index.js'
import { NlriKey } from './nlri-key.js'

/** Flags of a path. */
export const PATH = {
  /** Kept over the restart of its peer (RFC 4724). */
  stale: 1,
  /** Not yet announced again in a refresh (RFC 7313). */
  refreshing: 2,
  /** Gone; only kept until the feed has told so. */
  dead: 4,
  /** In the feed's queue. */
  queued: 8,
  /** The feed's consumer knows it. */
  delivered: 16,
  /** Stale for long, which makes it the last choice (RFC 9494 §4.3). */
  llgrStale: 32,
  /** Used beside the best path. */
  multipath: 64,
} as const

const INVALID_SHIFT = 8
const REASONS: readonly (InvalidReason | undefined)[] = [
  undefined,
  'as-loop',
  'originator-loop',
  'cluster-loop',
  'policy',
  'confederation-loop',
  'role-leak',
  'as-path-length',
  'attribute-size',
  'first-as',
  'confederation-segment',
]

/** Index of the paths that the speaker originates, in the place of a peer's. */
export const LOCAL = 0

/** Flags of a destination. */
const DIRTY = 1
/** The best path itself has changed or gone since the last decision. */
const BEST_TOUCHED = 2

/** What one family's tables tell of changes, as slots of paths. */
export interface PathSink {
  /** The path is new, has changed, or is dead. */
  changed(table: RibTable, path: number): void
}

/**
 * All routes of one family as columns: destinations, and the paths to them that peers and the speaker itself gave. The paths of one peer are
 * its Adj-RIB-In; the best path of each destination is the Loc-RIB (RFC 4271 §3.2). Destinations and paths are slots from 1; a slot is used
 * again once nothing refers to it.
 */
export class RibTable {
  readonly key: NlriKey
  readonly #index: DestinationIndex
  /* Destinations. */
  #first = new Int32Array(16)
  #best = new Int32Array(16)
  #holds = new Int32Array(16)
  #state = new Uint8Array(16)
  #dirty: number[] = []
  #dirtyHead = 0
  #decided = 0
  /* Paths. */
  #destination = new Int32Array(16)
  #next = new Int32Array(16)
  #set = new Uint32Array(16)
  #data = new Uint32Array(16)
  #pathId = new Uint32Array(16)
  #peer = new Uint16Array(16)
  /** What the peer sent, where policy made something else of it; 0: the same. */
  #received = new Uint32Array(16)
  #flags = new Uint16Array(16)
  #peerNext = new Int32Array(16)
  #peerPrevious = new Int32Array(16)
  readonly #freePaths: number[] = []
  #nextPath = 1
  /* Peers. */
  #peerFirst = new Int32Array(16)
  #peerPaths = new Int32Array(16)
  #peerStale = new Int32Array(16)

  constructor(
    readonly family: Family,
    readonly sets: AttributeSets,
    public sink?: PathSink,
  ) {
    this.key = new NlriKey(family)
    this.#index = new DestinationIndex(this.key.stride)
  }

  /** Destinations that are stored. */
  get size(): number {
    return this.#index.size
  }

  /** Live paths that are stored. */
  get paths(): number {
    return this.#peerPaths.reduce((sum, count) => sum + count, 0)
  }

  /** Room for the next destination slots: what a column beside this table must have. */
  get capacity(): number {
    return this.#first.length
  }

  /** The slot behind the last one that a destination has or had. */
  get slots(): number {
    return this.#index.end
  }

  /** Whether a destination has the slot. */
  uses(slot: number): boolean {
    return this.#index.uses(slot)
  }

  /** A key to fill, for `announce` and `withdraw`. */
  newKey(): Uint32Array {
    return new Uint32Array(this.key.stride)
  }

  /**
   * A peer's path to the destination of `key`, new or changed. Takes over the references of `key`, `data` and `set`.
   *
   * @param data path data of `key`'s codec
   * @param set attributes that count
   * @param received attributes that the peer sent, where they are others; 0: the same. Its reference is taken over too.
   * @returns the path's slot
   */
  announce(peer: number, key: Uint32Array, pathId: number, data: number, set: number, invalid?: InvalidReason, received = 0): number {
    const destination = this.#destinationOf(key)
    const path = this.#pathOf(destination, peer, pathId)
    const flags = REASONS.indexOf(invalid) << INVALID_SHIFT
    if (path === 0) return this.#add(destination, peer, pathId, data, set, flags, received)
    const before = this.#flags[path]
    const kept = before & (PATH.queued | PATH.delivered | PATH.multipath)
    const same = this.#set[path] === set && this.#data[path] === data && (before & ~PATH.refreshing) === (kept | flags)
    this.#unstale(path)
    if ((before & PATH.dead) === 0) {
      this.sets.release(this.#set[path])
      this.#releaseReceived(path)
    } else this.#linkPeer(path, peer)
    this.key.releaseData(this.#data[path])
    this.#flags[path] = kept | flags
    this.#set[path] = set
    this.#received[path] = received
    this.#data[path] = data
    if (!same) this.#touched(path)
    return path
  }

  /** What policy makes of a path is something else now. Takes over the references of `set` and `received`. */
  reimport(path: number, set: number, invalid: InvalidReason | undefined, received: number): void {
    const flags = REASONS.indexOf(invalid) << INVALID_SHIFT
    const before = this.#flags[path]
    const same = this.#set[path] === set && before >>> INVALID_SHIFT === flags >>> INVALID_SHIFT
    this.sets.release(this.#set[path])
    this.#releaseReceived(path)
    this.#set[path] = set
    this.#received[path] = received
    this.#flags[path] = (before & ((1 << INVALID_SHIFT) - 1)) | flags
    if (!same) this.#touched(path)
  }

  /** A peer's path is gone. Takes over the reference of `key`. @returns whether there was one */
  withdraw(peer: number, key: Uint32Array, pathId: number): boolean {
    const destination = this.#index.find(key)
    this.key.releaseKey(key, 0)
    const path = destination === 0 ? 0 : this.#pathOf(destination, peer, pathId)
    if (path === 0 || (this.#flags[path] & PATH.dead) !== 0) return false
    this.remove(path)
    return true
  }

  /** Takes a path out. */
  remove(path: number): void {
    this.#unstale(path)
    this.#unlinkPeer(path)
    this.sets.release(this.#set[path])
    this.#releaseReceived(path)
    this.#set[path] = 0
    this.#flags[path] = (this.#flags[path] | PATH.dead) & ~(PATH.multipath | PATH.llgrStale)
    this.#touched(path)
    const destination = this.#destination[path]
    if (this.#best[destination] === path) this.#best[destination] = 0
    if ((this.#flags[path] & PATH.queued) === 0) this.freePath(path)
  }

  /** Frees the slot of a dead path, which the feed is done with. */
  freePath(path: number): void {
    const destination = this.#destination[path]
    let previous = 0
    for (let at = this.#first[destination]; at !== path; at = this.#next[at]) previous = at
    if (previous === 0) this.#first[destination] = this.#next[path]
    else this.#next[previous] = this.#next[path]
    this.key.releaseData(this.#data[path])
    this.#data[path] = 0
    this.#destination[path] = 0
    this.#freePaths.push(path)
    this.#freeDestination(destination)
  }

  /** Marks a peer's paths: all of them, or only those without the flag. */
  markPeer(peer: number, flag: typeof PATH.stale | typeof PATH.refreshing): void {
    for (let path = this.#peerFirst[peer] ?? 0; path !== 0; path = this.#peerNext[path]) {
      if ((this.#flags[path] & flag) !== 0) continue
      this.#flags[path] |= flag
      if (flag !== PATH.stale) continue
      this.#peerStale[peer]++
      this.sink?.changed(this, path)
    }
  }

  /** Takes a peer's paths out: all, or those with `flag`. */
  removePeer(peer: number, flag = 0): void {
    for (let path = this.#peerFirst[peer] ?? 0; path !== 0;) {
      const next = this.#peerNext[path]
      if (flag === 0 || (this.#flags[path] & flag) !== 0) this.remove(path)
      path = next
    }
  }

  /** Slots of a peer's paths. */
  *peerPaths(peer: number): Generator<number> {
    for (let path = this.#peerFirst[peer] ?? 0; path !== 0; path = this.#peerNext[path]) yield path
  }

  peerCount(peer: number): number {
    return this.#peerPaths[peer] ?? 0
  }

  peerStaleCount(peer: number): number {
    return this.#peerStale[peer] ?? 0
  }

  /** Slots of all destinations. */
  destinations(): Generator<number> {
    return this.#index.slots()
  }

  /** Live paths to a destination into `out`, which is returned. */
  pathsOf(destination: number, out: number[] = []): number[] {
    out.length = 0
    for (let path = this.#first[destination]; path !== 0; path = this.#next[path]) {
      if ((this.#flags[path] & PATH.dead) === 0) out.push(path)
    }
    return out
  }

  /** Destination of `key`, or 0. Takes over the reference of `key`. */
  find(key: Uint32Array): number {
    const destination = this.#index.find(key)
    this.key.releaseKey(key, 0)
    return destination
  }

  /** The path that the last decision chose, or 0. */
  best(destination: number): number {
    return this.#best[destination]
  }

  setOf(path: number): number {
    return this.#set[path]
  }

  /** Attributes as the peer sent them. */
  receivedOf(path: number): number {
    return this.#received[path] === 0 ? this.#set[path] : this.#received[path]
  }

  dataOf(path: number): number {
    return this.#data[path]
  }

  peerOf(path: number): number {
    return this.#peer[path]
  }

  pathIdOf(path: number): number {
    return this.#pathId[path]
  }

  destinationOf(path: number): number {
    return this.#destination[path]
  }

  has(path: number, flag: number): boolean {
    return (this.#flags[path] & flag) !== 0
  }

  flag(path: number, flag: number, on: boolean): void {
    if (on) this.#flags[path] |= flag
    else this.#flags[path] &= ~flag
  }

  invalidOf(path: number): InvalidReason | undefined {
    return REASONS[this.#flags[path] >>> INVALID_SHIFT]
  }

  /** The NLRI of a path, labels included. */
  nlriOf(path: number): Nlri {
    return this.nlri(this.#destination[path], this.#data[path], this.#pathId[path])
  }

  /** The NLRI of a destination with path data. */
  nlri(destination: number, data: number, pathId: number): Nlri {
    return this.key.toNlri(this.#index.words, this.#index.wordsAt(destination), data, pathId)
  }

  /** Writes what `nlri` returns, as it stands in a message. @throws ValueError `bgp.nlri.*` */
  writeNlri(destination: number, data: number, pathId: number, mode: NlriMode, out: ByteWriter): void {
    this.key.write(this.#index.words, this.#index.wordsAt(destination), data, pathId, mode, out)
  }

  /** Destinations whose decision is due. */
  get dirty(): number {
    return this.#dirty.length - this.#dirtyHead
  }

  /** Decisions that were taken: `decided + dirty` is what it will be once everything that is due now is decided. */
  get decided(): number {
    return this.#decided
  }

  /**
   * Decides up to `limit` dirty destinations.
   *
   * @param choose the best of the live paths to a destination, or 0
   * @param changed is told each destination, and whether its best path is another, has changed, or is gone
   */
  decide(
    limit: number,
    choose: (table: RibTable, destination: number) => number,
    changed: (destination: number, best: boolean) => void,
  ): void {
    const end = Math.min(this.#dirtyHead + limit, this.#dirty.length)
    while (this.#dirtyHead < end) {
      const destination = this.#dirty[this.#dirtyHead++]
      this.#decided++
      const best = choose(this, destination)
      const report = best !== this.#best[destination] || (this.#state[destination] & BEST_TOUCHED) !== 0
      this.#best[destination] = best
      this.#state[destination] = 0
      changed(destination, report)
      this.#freeDestination(destination)
    }
    if (this.#dirtyHead === this.#dirty.length) {
      this.#dirty = []
      this.#dirtyHead = 0
    }
  }

  /** Has every destination decided again, because what the decision asks the world is something else now. */
  redecide(): void {
    for (const destination of this.destinations()) this.#markDirty(destination)
  }

  /** Keeps the slot of a destination from being used again. */
  hold(destination: number): void {
    this.#holds[destination]++
  }

  /** Gives a `hold` back. */
  unhold(destination: number): void {
    this.#holds[destination]--
    this.#freeDestination(destination)
  }

  #destinationOf(key: Uint32Array): number {
    const found = this.#index.find(key)
    if (found !== 0) {
      this.key.releaseKey(key, 0)
      return found
    }
    const destination = this.#index.add(key)
    if (destination >= this.#first.length) {
      const capacity = capacityFor(destination + 1, this.#first.length)
      this.#first = grown(this.#first, capacity)
      this.#best = grown(this.#best, capacity)
      this.#holds = grown(this.#holds, capacity)
      this.#state = grown(this.#state, capacity)
    }
    return destination
  }

  /** The slot of a path, dead ones included. */
  #pathOf(destination: number, peer: number, pathId: number): number {
    let path = this.#first[destination]
    while (path !== 0 && (this.#peer[path] !== peer || this.#pathId[path] !== pathId)) path = this.#next[path]
    return path
  }

  #add(destination: number, peer: number, pathId: number, data: number, set: number, flags: number, received: number): number {
    const path = this.#freePaths.pop() ?? this.#nextPath++
    if (path >= this.#set.length) this.#growPaths(capacityFor(path + 1, this.#set.length))
    this.#destination[path] = destination
    this.#next[path] = this.#first[destination]
    this.#first[destination] = path
    this.#set[path] = set
    this.#received[path] = received
    this.#data[path] = data
    this.#pathId[path] = pathId
    this.#peer[path] = peer
    this.#flags[path] = flags
    this.#linkPeer(path, peer)
    this.#touched(path)
    return path
  }

  #linkPeer(path: number, peer: number): void {
    if (peer >= this.#peerFirst.length) {
      const capacity = capacityFor(peer + 1, this.#peerFirst.length)
      this.#peerFirst = grown(this.#peerFirst, capacity)
      this.#peerPaths = grown(this.#peerPaths, capacity)
      this.#peerStale = grown(this.#peerStale, capacity)
    }
    const next = this.#peerFirst[peer]
    this.#peerNext[path] = next
    this.#peerPrevious[path] = 0
    if (next !== 0) this.#peerPrevious[next] = path
    this.#peerFirst[peer] = path
    this.#peerPaths[peer]++
  }

  #unlinkPeer(path: number): void {
    const peer = this.#peer[path]
    const next = this.#peerNext[path]
    const previous = this.#peerPrevious[path]
    if (previous === 0) this.#peerFirst[peer] = next
    else this.#peerNext[previous] = next
    if (next !== 0) this.#peerPrevious[next] = previous
    this.#peerPaths[peer]--
  }

  #releaseReceived(path: number): void {
    if (this.#received[path] !== 0) this.sets.release(this.#received[path])
    this.#received[path] = 0
  }

  #unstale(path: number): void {
    if ((this.#flags[path] & PATH.stale) === 0) return
    this.#flags[path] &= ~PATH.stale
    this.#peerStale[this.#peer[path]]--
  }

  #touched(path: number): void {
    const destination = this.#destination[path]
    if (this.#best[destination] === path) this.#state[destination] |= BEST_TOUCHED
    this.#markDirty(destination)
    this.sink?.changed(this, path)
  }

  #markDirty(destination: number): void {
    if ((this.#state[destination] & DIRTY) !== 0) return
    this.#state[destination] |= DIRTY
    this.#dirty.push(destination)
  }

  #freeDestination(destination: number): void {
    if (this.#first[destination] !== 0 || this.#holds[destination] !== 0 || (this.#state[destination] & DIRTY) !== 0) return
    this.#best[destination] = 0
    this.key.releaseKey(this.#index.words, this.#index.wordsAt(destination))
    this.#index.remove(destination)
  }

  #growPaths(capacity: number): void {
    this.#destination = grown(this.#destination, capacity)
    this.#next = grown(this.#next, capacity)
    this.#set = grown(this.#set, capacity)
    this.#received = grown(this.#received, capacity)
    this.#data = grown(this.#data, capacity)
    this.#pathId = grown(this.#pathId, capacity)
    this.#peer = grown(this.#peer, capacity)
    this.#flags = grown(this.#flags, capacity)
    this.#peerNext = grown(this.#peerNext, capacity)
    this.#peerPrevious = grown(this.#peerPrevious, capacity)
  }
}
