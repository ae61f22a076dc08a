import { FibReader, FibTable, type FibRegions } from '@heddle/core'
import type { RouteTable } from '@heddle/forwarding'

/** Where the routes of a VRF lie now, for a lane. */
export interface MovedRoutes {
  readonly vrf: number
  readonly regions: FibRegions
}

/** Routes in memory that all lanes read. One writes: whoever judges transactions. */
export class SharedRoutes {
  readonly #readers = { now: 0, passed: -1 }
  /** Tables that got memory since lanes were told. */
  readonly #moved = new Map<number, FibTable>()

  /** The table of a VRF. */
  tableFor(vrf: number): FibTable {
    const grow = (words: number, previous?: Uint32Array): Uint32Array => {
      const region = new Uint32Array(new SharedArrayBuffer(words * 4))
      if (previous !== undefined) region.set(previous)
      this.#moved.set(vrf, table)
      return region
    }
    const table: FibTable = new FibTable({ grow, readers: this.#readers })
    return table
  }

  /** What lanes are to be told: afterwards it is taken for told. */
  takeMoved(): MovedRoutes[] {
    const moved = Array.from(this.#moved, ([vrf, { regions }]) => ({ vrf, regions }))
    this.#moved.clear()
    return moved
  }

  /**
   * Lets words that were left by now be used again, when every lane has passed: has begun another batch.
   *
   * @param passing until then
   */
  async reclaim<T>(passing: () => Promise<T>): Promise<T> {
    const { now } = this.#readers
    this.#readers.now++
    const result = await passing()
    this.#readers.passed = now
    return result
  }
}

/** The routes of a VRF as a lane has them: to be looked up, and written by another thread. */
export class ReadRoutes extends FibReader implements RouteTable {
  /** None of its own. */
  readonly size = 0

  forEach(): void {}

  get(): number {
    throw new TypeError('a lane knows no single routes')
  }

  set(): number {
    throw new TypeError('a lane writes no routes')
  }

  delete(): boolean {
    throw new TypeError('a lane writes no routes')
  }
}
