import type { RouteTarget } from '@heddle/wire'

/** Most lists of route targets whose importers are remembered; a network uses few, a hostile peer could send as many as it has routes. */
const MOST_REMEMBERED = 65_536

interface Remembered<V> {
  readonly targets: readonly string[]
  readonly importers: readonly V[]
}

/**
 * Which VRFs import a route, by its route targets. Routes with the same list share one answer, so that importing a route costs one look-up however
 * many VRFs there are.
 */
export class TargetIndex<V> {
  readonly #imports = new Map<V, readonly RouteTarget[]>()
  readonly #byTarget = new Map<string, Set<V>>()
  readonly #remembered = new Map<string, Remembered<V>>()

  /** Sets what `vrf` imports; nothing takes it out. */
  set(vrf: V, targets: readonly RouteTarget[]): void {
    const before = new Set((this.#imports.get(vrf) ?? []).map(keyOf))
    const after = new Set(targets.map(keyOf))
    const lost = [...before].filter((key) => !after.has(key))
    const gained = [...after].filter((key) => !before.has(key))
    for (const key of lost) {
      const vrfs = this.#byTarget.get(key)
      vrfs?.delete(vrf)
      if (vrfs?.size === 0) this.#byTarget.delete(key)
    }
    for (const key of gained) {
      const vrfs = this.#byTarget.get(key)
      if (vrfs === undefined) this.#byTarget.set(key, new Set([vrf]))
      else vrfs.add(vrf)
    }
    if (targets.length === 0) this.#imports.delete(vrf)
    else this.#imports.set(vrf, targets)
    // An answer that no changed target is part of stays the same array: whoever holds it sees that nothing is to do.
    const changed = new Set([...lost, ...gained])
    for (const [list, entry] of this.#remembered) if (entry.targets.some((key) => changed.has(key))) this.#remembered.delete(list)
  }

  /** The VRFs that import at least one of `targets`; the same array for the same list until one of its targets is set anew. */
  importers(targets: readonly RouteTarget[]): readonly V[] {
    const keys = targets.map(keyOf)
    const list = keys.join(' ')
    const known = this.#remembered.get(list)
    if (known !== undefined) return known.importers
    const importers = [...new Set(keys.flatMap((key) => [...(this.#byTarget.get(key) ?? [])]))]
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear()
    this.#remembered.set(list, { targets: keys, importers })
    return importers
  }

  /** Every target that some VRF imports, each once. */
  targets(): readonly RouteTarget[] {
    return [...new Map([...this.#imports.values()].flat().map((target) => [keyOf(target), target])).values()]
  }
}

function keyOf({ high, low }: RouteTarget): string {
  return `${high.toString(36)}.${low.toString(36)}`
}
