import type { Family } from '../../nlri/family.js'
import type { MaxPrefixes } from '../config.js'

const DEFAULT_WARNING = 75

/** How near a peer is to the limit of a family. */
export type PrefixLevel = 'below' | 'warning' | 'exceeded'

/** Watches how many routes a peer has sent of each family; a level is reported when it is entered, not while it lasts. */
export class PrefixLimits {
  readonly #levels = new Map<number, PrefixLevel>()

  constructor(private limits: Readonly<Partial<Record<string, MaxPrefixes>>>) {}

  of({ name }: Family): MaxPrefixes | undefined {
    return this.limits[name]
  }

  /** Other limits; what is there is measured by them at the next look. */
  use(limits: Readonly<Partial<Record<string, MaxPrefixes>>>): void {
    this.limits = limits
    this.#levels.clear()
  }

  /** @returns the level that the family has come to, unless it is the one that it had */
  check(family: Family, count: number): PrefixLevel | undefined {
    const limit = this.of(family)
    if (limit === undefined) return undefined
    const level = count > limit.limit ? 'exceeded' : count * 100 >= limit.limit * (limit.warning ?? DEFAULT_WARNING) ? 'warning' : 'below'
    if (level === (this.#levels.get(family.key) ?? 'below')) return undefined
    this.#levels.set(family.key, level)
    return level
  }
}
