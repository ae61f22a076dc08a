import type { RouteBatch } from '@heddle/core'
import type { IpFamily } from '@heddle/wire'
import { BLOCK } from '../layout/structs/next-hop.js'
import { BlockMemory, FibFullError } from './block-memory.js'
import { FamilyFib, LARGE_ROOT } from './family-fib.js'
import type { GracePeriods } from './grace-periods.js'
import { RouteRows } from './route-rows.js'
import { RowLinks } from './row-list.js'

/** Bit of an entry that names a child; see `bpf/lookup.h`. */
const CHILD = 0x8000_0000

/** Roots of a VRF's tries as programs read them. */
export interface Roots {
  readonly root4: number
  readonly root6: number
}

/** The FIBs of all VRFs, in memory that the process and the kernel share: writing a route takes no system call. */
export class FibStore {
  readonly memory: BlockMemory
  readonly rows: RouteRows
  readonly #links: RowLinks
  readonly #words: Uint32Array
  readonly #grace: GracePeriods
  readonly #vrfs = new Map<number, Readonly<Record<IpFamily, FamilyFib>>>()

  /** @param fib words of the FIB's map @param routes words of the map of routes @param grace of the programs that read them */
  constructor(fib: Uint32Array, routes: Uint32Array, grace: GracePeriods) {
    this.#words = fib
    this.#grace = grace
    this.memory = new BlockMemory(fib, grace)
    this.rows = new RouteRows(routes)
    this.#links = new RowLinks(this.rows.capacity)
  }

  /** One family of a VRF. */
  of(vrf: number, family: IpFamily): FamilyFib {
    let fibs = this.#vrfs.get(vrf)
    if (fibs === undefined) {
      const parts = { memory: this.memory, rows: this.rows, links: this.#links }
      fibs = { 4: new FamilyFib(vrf, 4, parts), 6: new FamilyFib(vrf, 6, parts) }
      this.#vrfs.set(vrf, fibs)
    }
    return fibs[family]
  }

  /** Deletes the routes of a VRF; programs may be led to them until they are told. */
  clear(vrf: number): void {
    const fibs = this.#vrfs.get(vrf)
    fibs?.[4].clear()
    fibs?.[6].clear()
  }

  /** Drops a VRF with its routes, of which programs know no more. */
  remove(vrf: number): void {
    this.clear(vrf)
    this.publish(vrf, () => undefined)
    this.#vrfs.delete(vrf)
  }

  /** Whether programs must be told of other roots of the VRF. */
  isMoved(vrf: number): boolean {
    const fibs = this.#vrfs.get(vrf)
    return fibs !== undefined && (fibs[4].isMoved || fibs[6].isMoved)
  }

  /**
   * Has programs be told of the roots of the VRF: what the roots of before led to is theirs until then.
   *
   * @param tell tells them; where it throws, programs know of the roots of before
   */
  publish<T>(vrf: number, tell: (roots: Roots) => T): T {
    const fibs = this.#vrfs.get(vrf)
    const roots = { root4: fibs?.[4].publish() ?? 0, root6: fibs?.[6].publish() ?? 0 }
    let result: T
    try {
      result = tell(roots)
    } catch (error) {
      fibs?.[4].untold(roots.root4)
      fibs?.[6].untold(roots.root6)
      throw error
    }
    fibs?.[4].told(roots.root4)
    fibs?.[6].told(roots.root6)
    return result
  }

  batch(): RouteBatch {
    return this.rows.batch()
  }

  /**
   * Takes over what a dataplane before this one has left: builds the tries anew from the rows, beside those that programs read, which are given back
   * after `publish`. What the one before gave back last may still be read by programs: it waits for them.
   *
   * @param roots of each VRF as programs read them now
   * @param lost called for each route that there is no room for, and that goes
   * @returns gives the old regions back, once programs were told of the new ones
   * @throws FibFullError where there is no room for a route and nobody is told of it; LinuxError
   */
  restore(roots: ReadonlyMap<number, Roots>, lost?: () => void): () => void {
    this.#grace.wait()
    const old = [...roots.values()].flatMap(({ root4, root6 }) => [root4, root6]).filter((root) => root !== 0)
    const regions = old.map((root) => this.memory.claim((root & ~LARGE_ROOT) - 1, this.#extentOf(root)))
    for (const [row, { vrf, family }] of this.rows.restore()) {
      if (!roots.has(vrf)) {
        this.rows.delete(row)
        continue
      }
      try {
        this.of(vrf, family).restore(row)
      } catch (error) {
        if (!(error instanceof FibFullError) || lost === undefined) throw error
        this.rows.delete(row)
        lost()
      }
    }
    return () => {
      for (const region of regions) this.memory.release(region)
    }
  }

  /** Words of a region that was built elsewhere: to its last block that something refers to. */
  #extentOf(root: number): number {
    const rootBlocks = (root & LARGE_ROOT) === 0 ? 1 : BLOCK
    const base = ((root & ~LARGE_ROOT) - 1) * BLOCK
    let blocks = rootBlocks
    for (let at = 0; at < blocks * BLOCK; at++) {
      const entry = this.#words[base + at]
      if ((entry & CHILD) !== 0) blocks = Math.max(blocks, rootBlocks + (entry & ~CHILD) + 1)
    }
    return blocks * BLOCK
  }
}
