import type { LivenessObject } from '../dataplane/liveness.js'
import type { FibCompiler } from '../fib/fib-compiler.js'
import { pathName, type PathIntent } from '../fib/liveness-objects.js'
import type { TunnelLiveness } from './tunnel-liveness.js'
import type { WatchedPathRow } from './views.js'

/** The paths that a dataplane watches, for tunnels and for BGP peers, and what it tells of them. */
export class WatchedPaths {
  readonly #fib: FibCompiler
  readonly #tunnels: TunnelLiveness
  readonly #changed: (remote: string) => void

  /** @param changed told that a far end of tunnels went or came back */
  constructor(fib: FibCompiler, tunnels: TunnelLiveness, changed: (remote: string) => void) {
    this.#fib = fib
    this.#tunnels = tunnels
    this.#changed = changed
  }

  /**
   * The dataplane hears the router that liveness object `id` names, or hears it no more: routes through it come back, or others take their place.
   * Returns whether that is news.
   */
  heard(id: number, isUp: boolean): boolean {
    const path = this.meantBy(id)
    if (path === undefined || !this.#tunnels.heard(path, isUp)) return false
    this.#changed(String(path.remote))
    return true
  }

  /**
   * The path that the dataplane means by the id of a liveness object. One that took another's place means what that one was told, until it takes the
   * next transaction.
   */
  meantBy(id: number): LivenessObject | undefined {
    const { programmed, wanted } = this.#fib.objects.liveness
    return programmed.get(id) ?? wanted.get(id)
  }

  /** Watches these paths for BGP peers, and no others; paths that tunnels take are watched besides. */
  setForPeers(paths: readonly PathIntent[]): void {
    this.#fib.liveness.wantFor('bgp', paths)
  }

  /** All paths that are watched, and for whom: `bgp`, `tunnels`. */
  rows(): readonly WatchedPathRow[] {
    return Array.from(this.#fib.objects.liveness.wanted.values(), (path) => ({ path, users: this.#fib.liveness.usersOf(pathName(path)) }))
  }
}
