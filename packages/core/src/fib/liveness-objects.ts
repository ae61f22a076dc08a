import type { LivenessObject } from '../dataplane/liveness.js'
import { KeyedObjects } from './keyed-objects.js'
import type { ObjectSet } from './object-set.js'

/** A path that somebody wants watched, and how. */
export type PathIntent = Omit<LivenessObject, 'id'>

/** What a path is known by: two routers can have one session over it. */
export function pathName({ hops, local, remote }: Pick<PathIntent, 'hops' | 'local' | 'remote'>): string {
  return `${hops} ${local} ${remote}`
}

/** Liveness objects: one a path, whoever wants it, with the intervals of the most demanding; it vouches for tunnels where some go that way. */
export class LivenessObjects extends KeyedObjects<LivenessObject> {
  /** By path, who wants it how. */
  readonly #wanted = new Map<string, Map<string, PathIntent>>()

  constructor(set: ObjectSet<LivenessObject>) {
    super(set, pathName)
  }

  /** `user` wants these paths watched, and no others. */
  wantFor(user: string, paths: readonly PathIntent[]): void {
    const kept = new Set(paths.map(pathName))
    for (const [name, users] of this.#wanted) {
      if (kept.has(name) || !users.delete(user)) continue
      if (users.size > 0) this.#follow(users)
      else {
        this.#wanted.delete(name)
        this.drop(name)
      }
    }
    for (const path of paths) {
      const users = this.#wanted.get(pathName(path)) ?? new Map<string, PathIntent>()
      this.#wanted.set(pathName(path), users.set(user, path))
      this.#follow(users)
    }
  }

  /** Number of paths that others than `user` want watched. */
  wantedBeside(user: string): number {
    let count = 0
    for (const users of this.#wanted.values()) if (!users.has(user) || users.size > 1) count++
    return count
  }

  /** Who wants a path watched. */
  usersOf(name: string): readonly string[] {
    return [...(this.#wanted.get(name)?.keys() ?? [])].sort()
  }

  #follow(users: ReadonlyMap<string, PathIntent>): void {
    const [first, ...rest] = users.values()
    const { vouchesFor: _, ...strictest } = rest.reduce(
      (strictest, one) => (detection(one) < detection(strictest) ? one : strictest),
      first,
    )
    const isOfTunnels = [first, ...rest].some(({ vouchesFor }) => vouchesFor === 'tunnels')
    this.want({ ...strictest, ...(isOfTunnels && { vouchesFor: 'tunnels' }) })
  }
}

/** Microseconds until a session notices. */
function detection({ requiredMinRx, multiplier }: PathIntent): number {
  return requiredMinRx * multiplier
}
