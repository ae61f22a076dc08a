import type { Family } from '../nlri/family.js'
import type { InvalidReason } from '../speaker/route.js'
import type { AttributeSets } from './attribute-sets.js'
import { Destinations, STATE } from './destinations.js'
import { NlriKey } from './nlri-key.js'
import { GONE, INVALID, PATH, Paths, invalidFlags } from './paths.js'
import { PeerCounts } from './peer-counts.js'
import { RibView } from './rib-view.js'
import { WordQueue } from './word-queue.js'

export { PATH } from './paths.js'

/** Index of the paths that the speaker originates, in the place of a peer's. */
export const LOCAL = 0

/** Slots that a piece of a sweep may look at for each path that it may take out. */
const LOOKS = 16

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
export class RibTable extends RibView {
  readonly #destinations: Destinations
  readonly #paths: Paths
  readonly #counts = new PeerCounts()
  /** Destinations whose decision is due. */
  readonly #dirty = new WordQueue()
  #decided = 0
  /** Paths that are leaving, and the slot at which those that take them out look next. */
  #leaving = 0
  #sweepAt = 1
  #sweeps = 0

  constructor(
    family: Family,
    readonly sets: AttributeSets,
    public sink?: PathSink,
  ) {
    const key = new NlriKey(family)
    const destinations = new Destinations(key)
    const paths = new Paths()
    super(family, key, destinations, paths)
    this.#destinations = destinations
    this.#paths = paths
  }

  /** Live paths that are stored. */
  get paths(): number {
    return this.#counts.all
  }

  /** Octets that the table takes, without attribute sets, which tables share. */
  get octets(): number {
    return this.#destinations.octets + this.#paths.octets + this.#dirty.octets + this.key.octetsTaken
  }

  /** Brings the places nearer at which keys stand, `count` of them one behind the other, that will be announced or withdrawn next. */
  approach(keys: Uint32Array, count: number): void {
    this.#destinations.approach(keys, count)
  }

  /**
   * A peer's path to the destination of `key`, new or changed. Takes over the references of `key`, `data` and `set`.
   *
   * @param data path data of `key`'s codec
   * @param set attributes that count
   * @param received attributes that the peer sent, where they are others; 0: the same. Its reference is taken over too.
   * @param llgrStale it is stale for long (RFC 9494)
   * @returns the path's slot
   */
  announce(
    peer: number,
    key: Uint32Array,
    pathId: number,
    data: number,
    set: number,
    invalid?: InvalidReason,
    received = 0,
    llgrStale = false,
  ): number {
    const paths = this.#paths
    if (paths.departures.has(peer)) this.#returned(peer)
    const destination = this.#destinations.at(key)
    const path = this.#find(destination, peer, pathId)
    const flags = invalidFlags(invalid) | (llgrStale ? PATH.llgrStale : 0)
    if (path === 0) return this.#add(destination, peer, pathId, data, set, flags, received)
    const before = paths.flagsOf(path)
    const kept = before & (PATH.queued | PATH.delivered | PATH.multipath)
    const same = paths.set.get(path) === set && paths.data.get(path) === data && (before & ~PATH.refreshing) === (kept | flags)
    this.#unstale(path)
    if ((before & PATH.leaving) !== 0) this.#leaving--
    if ((before & GONE) !== 0) this.#counts.add(peer)
    if ((before & PATH.dead) === 0) this.#releaseSets(path)
    this.key.releaseData(paths.data.get(path))
    paths.setFlags(path, kept | flags)
    paths.set.set(path, set)
    paths.received.set(path, received)
    paths.data.set(path, data)
    if (!same) this.#touched(path)
    return path
  }

  /** What policy makes of a path is something else now. Takes over the references of `set` and `received`. */
  reimport(path: number, set: number, invalid: InvalidReason | undefined, received: number): void {
    const paths = this.#paths
    const flags = invalidFlags(invalid)
    const before = paths.flagsOf(path)
    const same = paths.set.get(path) === set && (before & INVALID) === flags
    this.#releaseSets(path)
    paths.set.set(path, set)
    paths.received.set(path, received)
    paths.setFlags(path, (before & ~INVALID) | flags)
    if (!same) this.#touched(path)
  }

  /** A peer's path is gone. Takes over the reference of `key`. @returns whether there was one */
  withdraw(peer: number, key: Uint32Array, pathId: number): boolean {
    const destination = this.#destinations.find(key)
    this.key.releaseKey(key, 0)
    const path = destination === 0 ? 0 : this.#find(destination, peer, pathId)
    if (path === 0 || this.#paths.isGone(path)) return false
    this.remove(path)
    return true
  }

  /** Takes a path out. */
  remove(path: number): void {
    const paths = this.#paths
    const peer = paths.peerOf(path)
    if (paths.has(path, PATH.leaving) || paths.departures.take(peer)) this.#leaving--
    else {
      this.#unstale(path)
      this.#counts.remove(peer)
    }
    this.#releaseSets(path)
    paths.set.set(path, 0)
    paths.received.set(path, 0)
    paths.setFlags(path, (paths.flagsOf(path) | PATH.dead) & ~(PATH.stale | PATH.multipath | PATH.llgrStale | PATH.leaving))
    this.#touched(path)
    const destination = paths.destination.get(path)
    if (this.#destinations.best(destination) === path) this.#destinations.unmark(destination, STATE.decided)
    if (!paths.has(path, PATH.queued)) this.freePath(path)
  }

  /** Frees the slot of a dead path, which the feed is done with. */
  freePath(path: number): void {
    const paths = this.#paths
    const destination = paths.destination.get(path)
    this.#unlink(path, destination)
    this.key.releaseData(paths.data.get(path))
    paths.free(path)
    this.#destinations.freeIfUnused(destination)
  }

  /** Marks a peer's paths: all of them, or only those without the flag. */
  markPeer(peer: number, flag: typeof PATH.stale | typeof PATH.refreshing): void {
    for (let path = 1; path < this.#paths.end; path++) {
      if (!this.#paths.isOf(path, peer) || this.#paths.has(path, flag)) continue
      this.#paths.mark(path, flag)
      if (flag !== PATH.stale) continue
      this.#counts.addStale(peer)
      this.sink?.changed(this, path)
    }
  }

  /**
   * Takes a peer's paths out: all, or those with `flag`. They count no longer from here on; what that leads to is found out by `decide`, a piece at
   * a time.
   */
  removePeer(peer: number, flag = 0): void {
    if (flag === 0) return this.#depart(peer)
    for (let path = 1, left = this.#counts.of(peer); left > 0 && path < this.#paths.end; path++) {
      if (!this.#paths.isOf(path, peer)) continue
      left--
      if (!this.#paths.has(path, flag)) continue
      this.#unstale(path)
      this.#paths.mark(path, PATH.leaving)
      this.#counts.remove(peer)
      this.#leaving++
    }
    return undefined
  }

  /** Takes a flag from every path, those that are leaving included. */
  unmarkAll(flag: number): void {
    for (let path = 1; path < this.#paths.end; path++) this.#paths.unmark(path, flag)
  }

  /** Slots of a peer's paths. */
  *peerPaths(peer: number): Generator<number> {
    let left = this.#counts.of(peer)
    for (let path = 1; left > 0 && path < this.#paths.end; path++) {
      if (!this.#paths.isOf(path, peer)) continue
      left--
      yield path
    }
  }

  peerCount(peer: number): number {
    return this.#counts.of(peer)
  }

  peerStaleCount(peer: number): number {
    return this.#counts.staleOf(peer)
  }

  flag(path: number, flag: number, on: boolean): void {
    if (on) this.#paths.mark(path, flag)
    else this.#paths.unmark(path, flag)
  }

  /** Pieces of work that `decide` has to do: destinations whose decision is due, and paths that are leaving. */
  get dirty(): number {
    return this.#dirty.length + this.#leaving
  }

  /** @returns tells whether what is due now has been decided */
  backlog(): () => boolean {
    const sweeps = this.#sweeps + (this.#leaving > 0 ? 1 : 0)
    let goal: number | undefined
    return () => {
      if (goal === undefined && (this.#sweeps >= sweeps || this.#leaving === 0)) goal = this.#decided + this.#dirty.length
      return goal !== undefined && this.#decided >= goal
    }
  }

  /**
   * Takes leaving paths out, and then decides dirty destinations; no more than `limit` of both.
   *
   * @param choose the best of the live paths to a destination, or 0
   * @param changed is told each destination, and whether its best path is another, has changed, or is gone
   */
  decide(
    limit: number,
    choose: (table: RibTable, destination: number) => number,
    changed: (destination: number, best: boolean) => void,
  ): void {
    const rest = this.#leaving > 0 ? this.#sweep(limit) : limit
    const destinations = this.#destinations
    for (let left = Math.min(rest, this.#dirty.length); left > 0; left--) {
      const destination = this.#dirty.shift()
      this.#decided++
      const best = choose(this, destination)
      const other = best !== destinations.best(destination)
      const report = other || destinations.has(destination, STATE.bestTouched)
      if (other) this.#setBest(destination, best)
      destinations.unmark(destination, STATE.dirty | STATE.bestTouched)
      changed(destination, report)
      destinations.freeIfUnused(destination)
    }
  }

  /** Whether a destination's decision is due. */
  isDue(destination: number): boolean {
    return this.#destinations.has(destination, STATE.dirty)
  }

  /** Has every destination decided again, because what the decision asks the world is something else now. */
  redecide(): void {
    for (const destination of this.destinations()) this.#markDirty(destination)
  }

  /** Keeps the slot of a destination from being used again. */
  hold(destination: number): void {
    this.#destinations.hold(destination)
  }

  /** Gives a `hold` back. */
  unhold(destination: number): void {
    this.#destinations.unhold(destination)
  }

  #depart(peer: number): void {
    const count = this.#counts.of(peer)
    if (count === 0) return
    this.#counts.clear(peer)
    this.#paths.departures.begin(peer, count)
    this.#leaving += count
  }

  /** A peer has paths again before the last of those has gone that it had: these are marked, so that they can be told from the new ones. */
  #returned(peer: number): void {
    const paths = this.#paths
    for (let path = 1, left = paths.departures.end(peer); left > 0 && path < paths.end; path++) {
      if (!paths.isOf(path, peer)) continue
      paths.unmark(path, PATH.stale)
      paths.mark(path, PATH.leaving)
      left--
    }
  }

  /** @returns what is left of the limit; 0 while paths are leaving still */
  #sweep(limit: number): number {
    const paths = this.#paths
    let left = limit
    for (let looks = limit * LOOKS; looks > 0 && left > 0 && this.#leaving > 0; looks--) {
      if (this.#sweepAt >= paths.end) this.#sweepAt = 1
      const path = this.#sweepAt++
      if (!paths.isLeaving(path)) continue
      this.remove(path)
      left--
    }
    if (this.#leaving > 0) return 0
    this.#sweeps++
    return left
  }

  /** The slot of a path, dead ones included. */
  #find(destination: number, peer: number, pathId: number): number {
    const paths = this.#paths
    let path = this.#destinations.first(destination)
    while (path !== 0 && (paths.peerOf(path) !== peer || paths.pathId.get(path) !== pathId)) path = paths.next.get(path)
    return path
  }

  #add(destination: number, peer: number, pathId: number, data: number, set: number, flags: number, received: number): number {
    const paths = this.#paths
    const path = paths.take()
    paths.destination.set(path, destination)
    this.#link(path, destination)
    paths.set.set(path, set)
    paths.received.set(path, received)
    paths.data.set(path, data)
    paths.pathId.set(path, pathId)
    paths.setOwner(path, peer, flags)
    this.#counts.add(peer)
    this.#touched(path)
    return path
  }

  /** Puts a path in front of the others to its destination, but behind the best one. */
  #link(path: number, destination: number): void {
    const paths = this.#paths
    const best = this.#destinations.best(destination)
    paths.next.set(path, best === 0 ? this.#destinations.first(destination) : paths.next.get(best))
    if (best === 0) this.#destinations.setFirst(destination, path)
    else paths.next.set(best, path)
  }

  #unlink(path: number, destination: number): void {
    const paths = this.#paths
    let previous = this.#destinations.first(destination)
    if (previous === path) return this.#destinations.setFirst(destination, paths.next.get(path))
    while (paths.next.get(previous) !== path) previous = paths.next.get(previous)
    return paths.next.set(previous, paths.next.get(path))
  }

  #setBest(destination: number, best: number): void {
    this.#destinations.unmark(destination, STATE.decided)
    if (best === 0) return
    if (this.#destinations.first(destination) !== best) {
      this.#unlink(best, destination)
      this.#link(best, destination)
    }
    this.#destinations.mark(destination, STATE.decided)
  }

  #releaseSets(path: number): void {
    this.sets.release(this.#paths.set.get(path))
    const received = this.#paths.received.get(path)
    if (received !== 0) this.sets.release(received)
  }

  #unstale(path: number): void {
    if (!this.#paths.has(path, PATH.stale)) return
    this.#paths.unmark(path, PATH.stale)
    this.#counts.removeStale(this.#paths.peerOf(path))
  }

  #touched(path: number): void {
    const destination = this.#paths.destination.get(path)
    if (this.#destinations.best(destination) === path) this.#destinations.mark(destination, STATE.bestTouched)
    this.#markDirty(destination)
    this.sink?.changed(this, path)
  }

  #markDirty(destination: number): void {
    if (this.#destinations.has(destination, STATE.dirty)) return
    this.#destinations.mark(destination, STATE.dirty)
    this.#dirty.push(destination)
  }
}
