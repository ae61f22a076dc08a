import type { NatPoolObject } from '@heddle/core'
import { decodePool, encodePool, poolKey } from '../layout/service.js'
import { wordAt, wordBytes, type KernelMaps } from './kernel-maps.js'

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
    this.#held.set(pool.id, pool)
    if (before !== undefined && poolKey(before).join() !== poolKey(pool).join()) this.#leave(before)
  }

  /** Whether the pool stands between other VRFs now. */
  isElsewhere({ id, vrf, outside }: NatPoolObject): boolean {
    const before = this.#held.get(id)
    return before !== undefined && (before.vrf !== vrf || before.outside !== outside)
  }

  remove(id: number): void {
    const pool = this.#held.get(id)
    if (pool === undefined) return
    this.#leave(pool)
    this.#maps.delete('nat_pools', id)
    this.#held.delete(id)
  }

  /** What the kernel holds. */
  dump(): NatPoolObject[] {
    return Array.from(this.#maps.numbered('nat_pools'), ([id, value]) => decodePool(id, value))
  }

  /** A process may end between the two maps: of a pool that dumps programs would know nothing, or of one that dumps do not show. */
  #mend(): void {
    const wanted = new Map(Array.from(this.#held.values(), (pool) => [poolKey(pool).join(), pool]))
    for (const [key, value] of this.#maps.entries('pools_between')) {
      const pool = wanted.get(key.join())
      if (pool === undefined) this.#maps.delete('pools_between', key)
      else if (pool.id === wordAt(value)) wanted.delete(key.join())
    }
    for (const pool of wanted.values()) this.#maps.set('pools_between', poolKey(pool), wordBytes(pool.id))
  }

  /** Takes a pool from where it stood, unless another one stands there now. */
  #leave(pool: NatPoolObject): void {
    const there = this.#maps.get('pools_between', poolKey(pool))
    if (there !== undefined && wordAt(there) === pool.id) this.#maps.delete('pools_between', poolKey(pool))
  }
}
