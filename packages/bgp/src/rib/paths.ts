import type { InvalidReason } from '../speaker/route.js'
import { Column, NearColumn } from './column.js'
import { Departures } from './departures.js'

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
  /** It goes as soon as its turn comes. */
  leaving: 128,
} as const

/** Flags of a path that is not there any more; see `isGone`. */
export const GONE = PATH.dead | PATH.leaving

/** Bits of a peer's index; those above are flags. */
const FLAGS_SHIFT = 16
const PEER = (1 << FLAGS_SHIFT) - 1

/** Where the reason stands for which a path is not used. */
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
  'infeasible',
]

/** Bits of the flags that say why a path is not used. */
export const INVALID = 0xff << INVALID_SHIFT

/** The bits of `INVALID` for a reason. */
export function invalidFlags(reason: InvalidReason | undefined): number {
  return reason === undefined ? 0 : REASONS.indexOf(reason) << INVALID_SHIFT
}

/** Paths as columns, by slots from 1. Those of one destination are a list. */
export class Paths {
  /** The first peer's paths have slots in the order of their destinations. */
  readonly destination = new NearColumn()
  /** The next path to the same destination; of a free slot: the next free one. */
  readonly next = new Column()
  readonly set = new Column()
  readonly data = new Column()
  readonly pathId = new Column()
  /** What the peer sent, where policy made something else of it; 0: the same. */
  readonly received = new Column()
  /** Peer and, above it, flags. */
  readonly #owner = new Column()
  readonly departures = new Departures()
  #free = 0
  #end = 1

  /** The slot behind the last one that was ever given out. */
  get end(): number {
    return this.#end
  }

  /** Octets that they take. */
  get octets(): number {
    const { destination, next, set, data, pathId, received } = this
    return [destination, next, set, data, pathId, received, this.#owner].reduce((sum, { octets }) => sum + octets, 0)
  }

  take(): number {
    if (this.#free === 0) return this.#end++
    const path = this.#free
    this.#free = this.next.get(path)
    return path
  }

  free(path: number): void {
    this.data.set(path, 0)
    this.next.set(path, this.#free)
    this.#free = path
  }

  peerOf(path: number): number {
    return this.#owner.get(path) & PEER
  }

  flagsOf(path: number): number {
    return this.#owner.get(path) >>> FLAGS_SHIFT
  }

  setOwner(path: number, peer: number, flags: number): void {
    this.#owner.set(path, peer | (flags << FLAGS_SHIFT))
  }

  setFlags(path: number, flags: number): void {
    this.setOwner(path, this.peerOf(path), flags)
  }

  has(path: number, flag: number): boolean {
    return (this.flagsOf(path) & flag) !== 0
  }

  mark(path: number, flag: number): void {
    this.#owner.set(path, this.#owner.get(path) | (flag << FLAGS_SHIFT))
  }

  unmark(path: number, flag: number): void {
    this.#owner.set(path, this.#owner.get(path) & ~(flag << FLAGS_SHIFT))
  }

  /** Whether a path is not there any more, whatever still has to be done about it; one that was freed is dead for good. */
  isGone(path: number): boolean {
    return this.has(path, GONE) || this.departures.has(this.peerOf(path))
  }

  /** Whether a path is gone, and has to be taken out still. */
  isLeaving(path: number): boolean {
    return this.isGone(path) && !this.has(path, PATH.dead)
  }

  /** Whether a slot holds a path of a peer that is still there. */
  isOf(path: number, peer: number): boolean {
    return this.peerOf(path) === peer && !this.isGone(path)
  }

  invalid(path: number): InvalidReason | undefined {
    return REASONS[this.flagsOf(path) >>> INVALID_SHIFT]
  }
}
