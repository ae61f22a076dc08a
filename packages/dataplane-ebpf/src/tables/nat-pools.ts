import type { NatPoolObject } from '@heddle/core'
import { decodePool, encodePool, poolKey } from '../layout/service.js'
import { wordAt, wordBytes } from '../layout/word.js'
import type { Attempt } from './changes.js'
import type { KernelMaps } from './kernel-maps.js'

/**
 * Pools by their ids, and by the VRFs between which they stand. Programs that are led to a pool which is not there, or not there any more, drop the packet: it would
 * show what is hidden. So a pool leaves its place last.
 */
export class NatPools {
  readonly #maps: KernelMaps
  readonly #held = new Map<number, NatPoolObject>()
  /** Places where pools stood that were taken away, or have others now. */
  #left: NatPoolObject[] = []

  constructor(maps: KernelMaps) {
    this.#maps = maps
    for (const pool of this.dump()) this.#held.set(pool.id, pool)
    this.#mend()
  }

  get size(): number {
    return this.#held.size
  }

  /** @throws LinuxError */
  set(pool: NatPoolObject): void {
    const before = this.#held.get(pool.id)
    this.#maps.set('nat_pools', pool.id, encodePool(pool))
    try {
      this.#maps.set('pools_between', poolKey(pool), wordBytes(pool.id))
    } catch (error) {
      // One that was there is known by where it stood until it is set again.
      if (before === undefined) this.#maps.delete('nat_pools', pool.id)
      throw error
    }
    if (before !== undefined && placeOf(before) !== placeOf(pool)) this.#left.push(before)
    this.#held.set(pool.id, pool)
  }

  has(id: number): boolean {
    return this.#held.has(id)
  }

  /** Whether the pool stands between other VRFs now. */
  isElsewhere({ id, vrf, outside }: NatPoolObject): boolean {
    const before = this.#held.get(id)
    return before !== undefined && (before.vrf !== vrf || before.outside !== outside)
  }

  /** Takes a pool away; programs are still led to it until `leave`. @throws LinuxError */
  remove(id: number): void {
    // One that is not held may have been refused in part.
    this.#maps.delete('nat_pools', id)
    const pool = this.#held.get(id)
    if (pool !== undefined) this.#left.push(pool)
    this.#held.delete(id)
  }

  /** Has programs led to no pool any more where none stands. */
  leave(attempt: Attempt): void {
    this.#left = this.#left.filter((pool) => !attempt('nat-pool', pool.id, () => this.#leave(pool)))
  }

  /** What the kernel holds. */
  dump(): NatPoolObject[] {
    return Array.from(this.#maps.numbered('nat_pools'), ([id, value]) => decodePool(id, value))
  }

  /**
   * A process may end between the two maps: of a pool that dumps show programs would know nothing, or of one that dumps do not show. And it may end before it took
   * a pool away in whose place another one stands by now: that one is the pool there, in whatever order they are listed.
   */
  #mend(): void {
    const standing = new Map<string, NatPoolObject>()
    for (const [key, value] of this.#maps.entries('pools_between')) {
      const pool = this.#held.get(wordAt(value))
      if (pool !== undefined && placeOf(pool) === key.join()) standing.set(key.join(), pool)
    }
    for (const pool of this.#held.values()) {
      const key = poolKey(pool)
      const other = standing.get(key.join())
      if (other === undefined) {
        this.#maps.set('pools_between', key, wordBytes(pool.id))
        standing.set(key.join(), pool)
      } else if (other !== pool) {
        this.#maps.delete('nat_pools', pool.id)
        this.#held.delete(pool.id)
      }
    }
    for (const [key] of this.#maps.entries('pools_between')) if (!standing.has(key.join())) this.#maps.delete('pools_between', key)
  }

  /** Takes a pool from where it stood, unless another one stands there now, or itself again. */
  #leave(pool: NatPoolObject): void {
    const held = this.#held.get(pool.id)
    if (held !== undefined && placeOf(held) === placeOf(pool)) return
    const there = this.#maps.get('pools_between', poolKey(pool))
    if (there !== undefined && wordAt(there) === pool.id) this.#maps.delete('pools_between', poolKey(pool))
  }
}

function placeOf(pool: NatPoolObject): string {
  return poolKey(pool).join()
}
