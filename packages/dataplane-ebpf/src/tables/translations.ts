import type { FibTransaction } from '@heddle/core'
import type { GracePeriods } from '../fib/grace-periods.js'
import { attemptsInto, idOf, NOTHING, orThrow, removedIn, type Attempt } from './changes.js'
import type { ConfigView } from './config.js'
import type { KernelMaps } from './kernel-maps.js'
import { NatPools } from './nat-pools.js'
import { Services } from './services.js'
import type { Sweep } from './sweep.js'

/**
 * Services and pools: what makes programs translate addresses. `nat_version` is odd from before something of them is written until the flows have ended of what is
 * gone, which so is known of a process that ended in between, too.
 */
export class Translations {
  readonly services: Services
  readonly pools: NatPools
  readonly #config: ConfigView
  readonly #sweep: Sweep

  /** @param grace of the programs that read backends */
  constructor(maps: KernelMaps, config: ConfigView, grace: GracePeriods, sweep: Sweep) {
    this.#config = config
    this.#sweep = sweep
    this.services = new Services(maps, grace)
    this.pools = new NatPools(maps)
    this.#finish(this.hasFlows, orThrow)
  }

  /** Whether there may be flows that are translated. */
  get hasFlows(): boolean {
    return !this.#isEmpty || this.#config.get('translates') === 1 || this.#isSweepDue
  }

  /**
   * Writes what a valid transaction sets of services and pools, before anything leads there. What it returns is to be called when nothing leads any more to what goes: takes
   * pools away, and ends the flows of what is gone; those that stay keep the ends that were chosen for them.
   */
  program({ services = NOTHING, natPools = NOTHING }: FibTransaction, attempt: Attempt): () => void {
    const { hasFlows } = this
    const wasSweepDue = this.#isSweepDue
    if (services.set.length + services.remove.length + natPools.set.length + natPools.remove.length === 0) {
      if (wasSweepDue) this.mend()
      return () => this.pools.leave(attempt)
    }
    this.#begin()
    for (const service of services.set) attempt('service', service.id, () => this.services.set(service))
    for (const id of removedIn(services, idOf)) attempt('service', id, () => this.services.remove(id))
    const moved = natPools.set.filter((pool) => this.pools.isElsewhere(pool))
    const stuck = new Set(moved.filter(({ id }) => !attempt('nat-pool', id, () => this.pools.remove(id))))
    // Flows name their pool, and belong to where it was: no pool gets a number under which flows of another one may go on.
    const refusal = moved.length > 0 || wasSweepDue ? this.#sweep.whole('nat_flows') : undefined
    for (const pool of natPools.set) {
      if (stuck.has(pool)) continue
      attempt('nat-pool', pool.id, () => {
        if (refusal !== undefined && !this.pools.has(pool.id)) throw refusal
        this.pools.set(pool)
      })
    }
    if (!this.#isEmpty) this.#config.set('translates', 1)
    return () => {
      for (const id of removedIn(natPools, idOf)) attempt('nat-pool', id, () => this.pools.remove(id))
      this.#finish(hasFlows, attempt)
    }
  }

  /** Ends the flows of what is gone, if nobody has. */
  mend(): void {
    if (this.#isSweepDue) this.#finish(true, attemptsInto([]))
  }

  get #isEmpty(): boolean {
    return this.services.size + this.pools.size === 0
  }

  /** Whether there may be flows of what is gone: a process ended before it ended them, or the kernel refused to. */
  get #isSweepDue(): boolean {
    return this.#config.get('nat_version') % 2 === 1
  }

  /** The version is another one than before in any case: later parts of a datagram are not translated as its first one was, by what is gone now. */
  #begin(): void {
    this.#config.set('nat_version', this.#config.get('nat_version') + (this.#isSweepDue ? 2 : 1))
  }

  #finish(hasFlows: boolean, attempt: Attempt): void {
    const refusal = hasFlows ? this.#sweep.whole('nat_flows') : undefined
    this.pools.leave(attempt)
    this.#config.set('translates', this.#isEmpty ? 0 : 1)
    if (refusal === undefined && this.#isSweepDue) this.#config.set('nat_version', this.#config.get('nat_version') + 1)
  }
}
