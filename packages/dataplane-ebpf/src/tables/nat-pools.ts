import type { NatPoolObject } from '@heddle/core'
import { decodePool, encodePool, poolKey } from '../layout/service.js'
import type { KernelMaps } from './kernel-maps.js'
import { wordAt, wordBytes } from '../layout/word.js'

/** Pools by their ids, and by the VRFs between which they stand. */
export class NatPools {
  readonly #maps: KernelMaps
  readonly #held = new Map<number, NatPoolObject>()

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
    if (before !== undefined && poolKey(before).join() !== poolKey(pool).join()) this.#leave(before)
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

  /** @throws LinuxError */
  remove(id: number): void {
    const pool = this.#held.get(id)
    // One that is not held may have been refused in part.
    if (pool !== undefined) this.#leave(pool)
    this.#maps.delete('nat_pools', id)
    this.#held.delete(id)
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
      if (pool !== undefined && poolKey(pool).join() === key.join()) standing.set(key.join(), pool)
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

  /** Takes a pool from where it stood, unless another one stands there now. */
  #leave(pool: NatPoolObject): void {
    const there = this.#maps.get('pools_between', poolKey(pool))
    if (there !== undefined && wordAt(there) === pool.id) this.#maps.delete('pools_between', poolKey(pool))
  }
}
