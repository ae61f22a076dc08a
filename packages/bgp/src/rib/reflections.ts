import type { Reflection } from '../attribute/reflection.js'

/** Reflections by small integers from 1, with reference counts; as many as there is room for in the number of an attribute set. */
export class Reflections {
  readonly #known: (Reflection & { references: number })[] = []

  constructor(private readonly limit: number) {}

  /** The largest number that was ever given out. */
  get largest(): number {
    return this.#known.length
  }

  /** The number of a reflection, without a reference; 0 when there is no room for it. */
  numberOf(originator: number, cluster: number): number {
    const known = this.#known
    let free = known.length < this.limit ? known.length : -1
    for (let at = 0; at < known.length; at++) {
      const entry = known[at]
      if (entry.originator === originator && entry.cluster === cluster) return at + 1
      if (entry.references === 0) free = at
    }
    if (free >= 0) known[free] = { originator, cluster, references: 0 }
    return free + 1
  }

  of(number: number): Reflection {
    return this.#known[number - 1]
  }

  retain(number: number): void {
    this.#known[number - 1].references++
  }

  /** Gives a reference back. @returns whether it was the last one */
  release(number: number): boolean {
    return --this.#known[number - 1].references === 0
  }
}
