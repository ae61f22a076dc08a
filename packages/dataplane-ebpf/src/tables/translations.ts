import type { ApplyFailure, FibTransaction } from '@heddle/core'
import type { GracePeriods } from '../fib/grace-periods.js'
import { attemptsInto, idOf, NOTHING, removedIn } from './changes.js'
import type { ConfigView } from './config.js'
import type { KernelMaps } from './kernel-maps.js'
import { NatPools } from './nat-pools.js'
import { Services } from './services.js'
import { sweepFlows } from './sweep.js'

/** Services and pools: what makes programs translate addresses. */
export class Translations {
  readonly services: Services
  readonly pools: NatPools
  readonly #maps: KernelMaps
  readonly #config: ConfigView

  /** @param grace of the programs that read backends */
  constructor(maps: KernelMaps, config: ConfigView, grace: GracePeriods) {
    this.#maps = maps
    this.#config = config
    this.services = new Services(maps, grace)
    this.pools = new NatPools(maps)
    this.#mend()
  }

  /** Whether there is anything to translate for. */
  get isEmpty(): boolean {
    return this.services.size + this.pools.size === 0
  }

  /**
   * Writes what a valid transaction says of services and pools, and ends the flows of what is gone: those that stay keep the ends that were chosen for
   * them. Returns what the kernel refused.
   */
  program({ services = NOTHING, natPools = NOTHING }: FibTransaction): ApplyFailure[] {
    const failures: ApplyFailure[] = []
    if (services.set.length + services.remove.length + natPools.set.length + natPools.remove.length === 0) return failures
    const attempt = attemptsInto(failures)
    for (const service of services.set) attempt('service', service.id, () => this.services.set(service))
    for (const id of removedIn(services, idOf)) attempt('service', id, () => this.services.remove(id))
    const moved = natPools.set.filter((pool) => this.pools.isElsewhere(pool))
    for (const { id } of moved) attempt('nat-pool', id, () => this.pools.remove(id))
    // Flows name their pool, and belong to where it was.
    if (moved.length > 0) sweepFlows(this.#maps)
    for (const pool of natPools.set) attempt('nat-pool', pool.id, () => this.pools.set(pool))
    for (const id of removedIn(natPools, idOf)) attempt('nat-pool', id, () => this.pools.remove(id))

    this.#tell()
    return failures
  }

  #tell(): void {
    const wasTranslating = this.#config.get('translates') === 1
    this.#config.set('nat_version', this.#config.get('nat_version') + 1).set('translates', this.isEmpty ? 0 : 1)
    if (wasTranslating) sweepFlows(this.#maps)
  }

  /** A process may end before programs are told of what it wrote, and flows before they are ended: neither shows in a table. */
  #mend(): void {
    if (!this.isEmpty || this.#config.get('translates') === 1) this.#tell()
  }
}
