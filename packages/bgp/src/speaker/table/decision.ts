import type { CallbackFailed } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { bestPath, isUsable, type BestPath, type BestPathOptions, type Eliminations, type PathOrigin } from '../../rib/best-path.js'
import { PATH, type RibTable } from '../../rib/rib-table.js'

/** How paths are compared, where the RFC leaves it open. */
export interface DecisionConfig {
  /** Compares MED between paths of different neighbouring ASes too. Default `false`. */
  readonly alwaysCompareMed?: boolean
  /** Paths that may be used beside each other, 1–64. Default 1. */
  readonly multipath?: number
  /** Paths of different neighbouring ASes may be used beside each other. Default `false`. */
  readonly multipathRelax?: boolean
}

/** Tells how next hops are reached: by an IGP, by a tunnel, by whatever the consumer has. Injected; without it every next hop can be reached. */
export interface NextHopResolver {
  /**
   * Interior cost (RFC 4271 §9.1.2.2 e), lower is better; `undefined`: it cannot be reached (§9.1.2.1), so paths over it are not used.
   *
   * @param vrf the VRF whose path it is: the next hop of a customer's is there, that of an imported one is a PE
   */
  costOf(address: IpAddress, vrf?: string): number | undefined
}

/** The same, but that a next hop for which it throws cannot be reached: else its destinations would stay as they are and never be decided again. */
export function safeResolver(resolver: NextHopResolver, failed: CallbackFailed): NextHopResolver {
  return {
    costOf: (address, vrf) => {
      try {
        return resolver.costOf(address, vrf)
      } catch (error) {
        failed('costOf', error)
        return undefined
      }
    },
  }
}

/** The decision process of one speaker (RFC 4271 §9.1): which of the paths to a destination is used. */
export class Decision {
  #options: BestPathOptions

  constructor(
    config: DecisionConfig,
    resolver: NextHopResolver | undefined,
    private readonly originOf: (peer: number) => PathOrigin,
    setOf: RibTable['sets'],
    vrf?: string,
  ) {
    this.#options = {
      ...config,
      ...(resolver === undefined
        ? {}
        : {
            costOf: (set) => {
              const address = setOf.get(set).nextHop?.address
              return address === undefined ? 0 : resolver.costOf(address, vrf)
            },
          }),
    }
  }

  /** Compares in another way from here on; what has been decided is not decided again by itself. */
  use(config: DecisionConfig): void {
    const { costOf } = this.#options
    this.#options = { ...config, ...(costOf === undefined ? {} : { costOf }) }
  }

  /** Whether the path's next hop can be reached. */
  isReachable(table: RibTable, path: number): boolean {
    const { costOf } = this.#options
    return costOf === undefined || costOf(table.setOf(path)) !== undefined
  }

  /** The best path's slot, or 0; marks the paths that are used beside it. */
  choose(table: RibTable, destination: number): number {
    if (table.isEmpty(destination)) return 0
    const only = table.onlyPath(destination)
    if (only !== 0) {
      table.flag(only, PATH.multipath, false)
      return isUsable(table, only, this.#options.costOf) ? only : 0
    }
    const { path, multipath } = this.decide(table, destination)
    for (const other of table.pathsOf(destination)) table.flag(other, PATH.multipath, multipath.length > 1 && multipath.includes(other))
    return path
  }

  /** The best paths, the best first: the decision is taken again without those that won (draft-ietf-idr-add-paths-guidelines §3.2). */
  ranked(table: RibTable, destination: number, count: number): number[] {
    const out: number[] = []
    let left = table.pathsOf(destination)
    while (out.length < count) {
      const { path } = bestPath(table, destination, this.originOf, this.#options, undefined, left)
      if (path === 0) break
      out.push(path)
      left = left.filter((other) => other !== path)
    }
    return out
  }

  /** @param lost is told the step at which each path but the best one was left behind */
  decide(table: RibTable, destination: number, lost?: Eliminations): BestPath {
    return bestPath(table, destination, this.originOf, this.#options, lost)
  }
}
