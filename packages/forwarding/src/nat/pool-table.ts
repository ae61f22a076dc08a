import type { NatPoolObject } from '@heddle/core'
import type { Tuple } from '../flow/tuple.js'

/** Zones of pools, above those of VRFs: a flow is known by the pool on its way out, and by the outside VRF on its way back. */
export const POOL_ZONE = 0x8000_0000

/** Whether a flow that a pool hid, told after translation, still comes from it. */
export function isHidden({ address, ports }: NatPoolObject, { family, source, sourcePort }: Tuple): boolean {
  const isTheirs = address.family === family && address.w0 === source[0] && address.w1 === source[1]
  const isWhole = isTheirs && address.w2 === source[2] && address.w3 === source[3]
  return isWhole && sourcePort >= ports.first && sourcePort <= ports.last
}

/** Pools by the VRFs between which they stand. */
export class PoolTable {
  readonly #byVrf = new Map<number, NatPoolObject[]>()

  constructor(pools: Iterable<NatPoolObject>) {
    for (const pool of pools) this.#byVrf.set(pool.vrf, [...(this.#byVrf.get(pool.vrf) ?? []), pool])
  }

  find(vrf: number | undefined, outside: number, family: 4 | 6): NatPoolObject | undefined {
    const pools = vrf === undefined ? undefined : this.#byVrf.get(vrf)
    if (pools === undefined) return undefined
    for (const pool of pools) if (pool.outside === outside && pool.address.family === family) return pool
    return undefined
  }
}
