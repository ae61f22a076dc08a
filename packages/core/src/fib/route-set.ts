import type { IpPrefix } from '@heddle/wire'
import { NO_GROUP, RouteBatch } from '../dataplane/route-batch.js'

interface RouteEntry {
  readonly vrf: number
  readonly prefix: IpPrefix
  wanted: number | undefined
  programmed: number | undefined
}

/** Names a route in reports: `VRF PREFIX`. */
export function routeName(vrf: number, prefix: IpPrefix): string {
  return `${vrf} ${prefix}`
}

/** Routes by VRF and prefix: the group that is wanted, the one that is programmed, and which may differ. */
export class RouteSet {
  readonly #entries = new Map<string, RouteEntry>()
  readonly #dirty = new Set<string>()
  /** Routes that go even while what was adopted is kept. */
  readonly #forbidden = new Set<string>()
  readonly #limit: number
  #programmed = 0

  /** @param limit most routes that the dataplane takes; what is beyond waits until another one goes */
  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit
  }

  /** Wants `group`, or no route; returns the group that was wanted before. */
  want(vrf: number, prefix: IpPrefix, group: number | undefined): number | undefined {
    const name = routeName(vrf, prefix)
    const entry = this.#entries.get(name)
    const before = entry?.wanted
    if (before === group) return before
    if (entry === undefined) this.#entries.set(name, { vrf, prefix, wanted: group, programmed: undefined })
    else entry.wanted = group
    this.#dirty.add(name)
    return before
  }

  /** The group that is wanted and programmed, if both are the same. */
  installed(vrf: number, prefix: IpPrefix): number | undefined {
    const entry = this.#entries.get(routeName(vrf, prefix))
    return entry !== undefined && entry.wanted === entry.programmed ? entry.wanted : undefined
  }

  /** Takes over what a running dataplane holds. */
  adopt(routes: RouteBatch): void {
    for (let row = 0; row < routes.count; row++) {
      const vrf = routes.vrf[row]
      const prefix = routes.prefixAt(row)
      const name = routeName(vrf, prefix)
      const entry = this.#entries.get(name) ?? { vrf, prefix, wanted: undefined, programmed: undefined }
      this.#entries.set(name, entry)
      this.#setProgrammed(entry, routes.group[row])
      this.#dirty.add(name)
    }
  }

  /** The dataplane was replaced by one that holds `routes`. */
  replace(routes: RouteBatch): void {
    for (const [name, entry] of this.#entries) {
      this.#setProgrammed(entry, undefined)
      if (entry.wanted === undefined) this.#entries.delete(name)
      else this.#dirty.add(name)
    }
    this.adopt(routes)
  }

  /** An adopted route must not stay until the adoption ends; being wanted again makes it a route like any other. */
  forbid(vrf: number, prefix: IpPrefix): void {
    this.#forbidden.add(routeName(vrf, prefix))
  }

  /** What has to be done; with `keep`, nothing is removed but what was forbidden. The routes count as done until `settle` says otherwise. */
  diff({ keep }: { readonly keep: boolean }): RouteBatch {
    const batch = new RouteBatch(Math.max(4, this.#dirty.size))
    const added: [string, RouteEntry, number][] = []
    let room = this.#limit - this.#programmed
    for (const name of this.#dirty) {
      const entry = this.#entries.get(name)
      if (entry?.wanted === undefined && entry?.programmed !== undefined && keep && !this.#forbidden.has(name)) continue
      if (entry?.wanted !== undefined && entry.programmed === undefined) {
        added.push([name, entry, entry.wanted])
        continue
      }
      this.#dirty.delete(name)
      if (entry === undefined || entry.wanted === entry.programmed) {
        if (entry?.wanted === undefined) this.#entries.delete(name)
        continue
      }
      batch.push(entry.vrf, entry.prefix, entry.wanted ?? NO_GROUP)
      if (entry.wanted === undefined) room++
    }
    for (const [name, { vrf, prefix }, group] of added.slice(0, Math.max(0, room))) {
      this.#dirty.delete(name)
      batch.push(vrf, prefix, group)
    }
    return batch
  }

  /** The removal of everything that is programmed; what is wanted stays to be done. */
  clearing(): RouteBatch {
    const batch = new RouteBatch()
    for (const { vrf, prefix, programmed } of this.#entries.values()) if (programmed !== undefined) batch.push(vrf, prefix, NO_GROUP)
    return batch
  }

  /** What became of a batch, by the names of its routes; what was not taken is tried again. */
  settle(routes: RouteBatch, ok: (name: string) => boolean): void {
    for (let row = 0; row < routes.count; row++) {
      const name = routeName(routes.vrf[row], routes.prefixAt(row))
      const entry = this.#entries.get(name)
      if (entry === undefined) continue
      if (!ok(name)) {
        this.#dirty.add(name)
        continue
      }
      const group = routes.group[row]
      this.#setProgrammed(entry, group === NO_GROUP ? undefined : group)
      if (entry.wanted === undefined && entry.programmed === undefined) this.#entries.delete(name)
    }
  }

  #setProgrammed(entry: RouteEntry, group: number | undefined): void {
    this.#programmed += Number(group !== undefined) - Number(entry.programmed !== undefined)
    entry.programmed = group
  }
}
