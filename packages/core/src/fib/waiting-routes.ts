import type { IpPrefix } from '@heddle/wire'
import { routeName } from './route-set.js'

/** A route by its place. */
export interface WaitingRoute {
  readonly vrf: number
  readonly prefix: IpPrefix
}

const NONE: readonly WaitingRoute[] = []

/** Routes that wait for room, by what each is to go by: where there is room for that, there is for all of them. */
export class WaitingRoutes<T> {
  readonly #byWay = new Map<string, { readonly way: T; readonly routes: Map<string, WaitingRoute> }>()
  /** What each waits for. */
  readonly #keys = new Map<string, string>()

  /** @param keyOf a text that is equal for equal ways */
  constructor(readonly keyOf: (way: T) => string) {}

  /** What is waited for, the longest first; some of it may be taken meanwhile. */
  *ways(): Generator<T> {
    for (const { way } of this.#byWay.values()) yield way
  }

  add(route: WaitingRoute, way: T): void {
    const key = this.keyOf(way)
    const name = routeName(route.vrf, route.prefix)
    const waiting = this.#byWay.get(key) ?? { way, routes: new Map<string, WaitingRoute>() }
    this.#byWay.set(key, waiting)
    waiting.routes.set(name, route)
    this.#keys.set(name, key)
  }

  /** A route waits no more. */
  delete({ vrf, prefix }: WaitingRoute): void {
    if (this.#keys.size === 0) return
    const name = routeName(vrf, prefix)
    const key = this.#keys.get(name)
    if (key === undefined) return
    this.#keys.delete(name)
    const routes = this.#byWay.get(key)?.routes
    routes?.delete(name)
    if (routes?.size === 0) this.#byWay.delete(key)
  }

  /** The routes that have waited for this, which do so no more. */
  take(way: T): readonly WaitingRoute[] {
    if (this.#keys.size === 0) return NONE
    const key = this.keyOf(way)
    const routes = this.#byWay.get(key)?.routes ?? new Map<string, WaitingRoute>()
    this.#byWay.delete(key)
    for (const name of routes.keys()) this.#keys.delete(name)
    return [...routes.values()]
  }
}
