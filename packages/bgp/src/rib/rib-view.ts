import type { ByteWriter } from '@heddle/wire'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import type { NlriMode } from '../nlri/nlri-mode.js'
import type { InvalidReason } from '../speaker/route.js'
import type { Destinations } from './destinations.js'
import type { NlriKey } from './nlri-key.js'
import type { Paths } from './paths.js'

/** What can be asked of a table: destinations and paths by their slots. */
export class RibView {
  constructor(
    readonly family: Family,
    readonly key: NlriKey,
    private readonly destinationColumns: Destinations,
    private readonly pathColumns: Paths,
  ) {}

  /** Destinations that are stored. */
  get size(): number {
    return this.destinationColumns.size
  }

  /** The slot behind the last one that a destination has or had. */
  get slots(): number {
    return this.destinationColumns.end
  }

  /** Whether a destination has the slot. */
  uses(slot: number): boolean {
    return this.destinationColumns.uses(slot)
  }

  /** A key to fill, for `announce` and `withdraw`. */
  newKey(): Uint32Array {
    return new Uint32Array(this.key.stride)
  }

  /** Slots of all destinations. */
  destinations(): Generator<number> {
    return this.destinationColumns.slots()
  }

  /** Live paths to a destination into `out`, which is returned. */
  pathsOf(destination: number, out: number[] = []): number[] {
    out.length = 0
    for (let path = this.destinationColumns.first(destination); path !== 0; path = this.pathColumns.next.get(path)) {
      if (!this.pathColumns.isGone(path)) out.push(path)
    }
    return out
  }

  /** Whether there is no path to a destination, not even a dead one. */
  isEmpty(destination: number): boolean {
    return this.destinationColumns.first(destination) === 0
  }

  /** The only path to a destination, live or not; 0 when there is none, or another one. */
  onlyPath(destination: number): number {
    const first = this.destinationColumns.first(destination)
    return first === 0 || this.pathColumns.next.get(first) !== 0 ? 0 : first
  }

  /** Destination of `key`, or 0. Takes over the reference of `key`. */
  find(key: Uint32Array): number {
    const destination = this.destinationColumns.find(key)
    this.key.releaseKey(key, 0)
    return destination
  }

  /** The path that the last decision chose, or 0. */
  best(destination: number): number {
    return this.destinationColumns.best(destination)
  }

  setOf(path: number): number {
    return this.pathColumns.set.get(path)
  }

  /** Attributes as the peer sent them. */
  receivedOf(path: number): number {
    return this.pathColumns.received.get(path) || this.pathColumns.set.get(path)
  }

  dataOf(path: number): number {
    return this.pathColumns.data.get(path)
  }

  peerOf(path: number): number {
    return this.pathColumns.peerOf(path)
  }

  pathIdOf(path: number): number {
    return this.pathColumns.pathId.get(path)
  }

  destinationOf(path: number): number {
    return this.pathColumns.destination.get(path)
  }

  has(path: number, flag: number): boolean {
    return this.pathColumns.has(path, flag)
  }

  invalidOf(path: number): InvalidReason | undefined {
    return this.pathColumns.invalid(path)
  }

  /** The NLRI of a path, labels included. */
  nlriOf(path: number): Nlri {
    return this.nlri(this.destinationOf(path), this.dataOf(path), this.pathIdOf(path))
  }

  /** The NLRI of a destination with path data. */
  nlri(destination: number, data: number, pathId: number): Nlri {
    return this.destinationColumns.nlri(destination, data, pathId)
  }

  /** Writes what `nlri` returns, as it stands in a message. @throws ValueError `bgp.nlri.*` */
  writeNlri(destination: number, data: number, pathId: number, mode: NlriMode, out: ByteWriter): void {
    this.destinationColumns.write(destination, data, pathId, mode, out)
  }
}
