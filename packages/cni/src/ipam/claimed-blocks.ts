import { IpPrefix, type IpFamily } from '@heddle/wire'
import { SerialByKey } from '../server/serial-by-key.js'
import { addressFrom, boundsOf } from './address-number.js'
import type { BlockRegistry, SharedPool } from './block-registry.js'
import type { PoolDefinition } from './pool.js'

/** A virtual network with pools of which this node has claimed blocks. */
interface Space {
  readonly name: string
  readonly pools: readonly PoolDefinition[]
}

/** The blocks that this node has claimed: one more when those it has are full, one less when another one is empty. The last one stays. */
export class ClaimedBlocks {
  readonly #registry: BlockRegistry
  readonly #claimed = new Map<string, readonly number[]>()
  /** Pools of which no block was free when one was last needed. */
  readonly #full = new Set<string>()
  readonly #serial = new SerialByKey()

  constructor(registry: BlockRegistry) {
    this.#registry = registry
  }

  /** Learns what is claimed, once for each pool. */
  async load(space: Space): Promise<void> {
    for (const pool of sharedPools(space)) {
      if (this.#claimed.has(keyOf(pool))) continue
      await this.#serial.run(keyOf(pool), async () => {
        if (!this.#claimed.has(keyOf(pool))) this.#claimed.set(keyOf(pool), await this.#registry.held(pool))
      })
    }
  }

  /** The pools with the blocks that are claimed. */
  poolsOf(space: Space): readonly PoolDefinition[] {
    return space.pools.map((pool) => {
      const { prefix, block } = pool
      if (block === undefined || block.indices !== undefined) return pool
      const indices = this.#claimed.get(keyOf({ space: space.name, prefix, length: block.length })) ?? []
      return { ...pool, block: { ...block, indices } }
    })
  }

  /** Whether a claim of a family may succeed. */
  canGrow(space: Space, family: IpFamily): boolean {
    return sharedPools(space).some((pool) => pool.prefix.family === family && !this.#full.has(keyOf(pool)))
  }

  /**
   * Claims a block of a family, unless `isEnough` says that somebody else's claim was enough meanwhile.
   *
   * @returns whether it is worth while to choose again
   */
  async grow(space: Space, family: IpFamily, isEnough: () => boolean): Promise<boolean> {
    for (const pool of sharedPools(space).filter(({ prefix }) => prefix.family === family)) {
      const hasGrown = await this.#serial.run(keyOf(pool), async () => {
        if (isEnough()) return true
        const index = await this.#registry.claim(pool)
        if (index === undefined) {
          this.#full.add(keyOf(pool))
          return false
        }
        this.#full.delete(keyOf(pool))
        this.#claimed.set(keyOf(pool), [...(this.#claimed.get(keyOf(pool)) ?? []), index])
        return true
      })
      if (hasGrown) return true
    }
    return false
  }

  /** Gives back the blocks in which there is no lease, but for the last one of a pool. */
  async shrink(space: Space, hasLeases: (block: IpPrefix) => boolean): Promise<void> {
    for (const pool of sharedPools(space)) {
      await this.#serial.run(keyOf(pool), async () => {
        for (const index of (this.#claimed.get(keyOf(pool)) ?? []).toReversed()) {
          const kept = this.#claimed.get(keyOf(pool)) ?? []
          if (kept.length <= 1 || hasLeases(blockOf(pool, index))) continue
          // It is not given out from here on, before it is another node's.
          this.#claimed.set(
            keyOf(pool),
            kept.filter((other) => other !== index),
          )
          await this.#registry.release(pool, index)
          this.#full.delete(keyOf(pool))
        }
      })
    }
  }
}

function sharedPools(space: Space): readonly SharedPool[] {
  return space.pools.flatMap((pool) => {
    const { prefix, block } = pool
    return block === undefined || block.indices !== undefined ? [] : [{ space: space.name, prefix, length: block.length }]
  })
}

function blockOf({ prefix, length }: SharedPool, index: number): IpPrefix {
  const size = 1n << BigInt(prefix.address.bits - length)
  return IpPrefix.of(addressFrom(boundsOf(prefix).first + BigInt(index) * size, prefix.family), length)
}

function keyOf({ space, prefix, length }: SharedPool): string {
  return `${space} ${prefix} ${length}`
}
