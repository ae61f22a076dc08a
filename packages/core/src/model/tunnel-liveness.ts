import type { IpAddress } from '@heddle/wire'
import type { DataplaneState } from '../dataplane/dataplane.js'
import type { FibCompiler } from '../fib/fib-compiler.js'
import { pathName, type PathIntent } from '../fib/liveness-objects.js'
import type { LivenessIntent } from '../intent/traffic.js'
import type { VrfState } from './vrf-state.js'

/** BFD with the far ends of tunnels: who is watched, and who is heard no more. */
export class TunnelLiveness {
  readonly #fib: FibCompiler
  readonly #localAddress: (remote: IpAddress) => IpAddress | undefined
  readonly #most: number
  #intent: LivenessIntent | undefined
  #isChanged = false
  readonly #watched = new Map<string, string>()
  readonly #down = new Set<string>()

  /**
   * @param localAddress our end of a tunnel to a remote
   * @param most paths that the dataplane watches: a transaction with more of them is refused whole, so that the others are not watched
   */
  constructor(fib: FibCompiler, localAddress: (remote: IpAddress) => IpAddress | undefined, most = Number.POSITIVE_INFINITY) {
    this.#fib = fib
    this.#localAddress = localAddress
    this.#most = most
  }

  /** A VRF went, and its next hops with it: `compile` has something to do. */
  vrfGone(): void {
    this.#isChanged = true
  }

  /** Watches as `intent` says, or nobody. Returns whether that is news. */
  set(intent: LivenessIntent | undefined): boolean {
    const isNews = JSON.stringify(intent) !== JSON.stringify(this.#intent)
    this.#intent = intent
    this.#isChanged ||= isNews
    return isNews
  }

  /** Whether `compile` has something to do though no next hop came or went. */
  get isChanged(): boolean {
    return this.#isChanged
  }

  /** Watches the next hops of all routes that are known: a route that is not used comes back when its next hop does. */
  compile(vrfs: Iterable<VrfState>, isAdopting: boolean): void {
    this.#isChanged = false
    const remotes = new Map<string, IpAddress>()
    if (this.#intent !== undefined) for (const vrf of vrfs) for (const remote of vrf.sources()) remotes.set(String(remote), remote)
    // While routes come in again, the next hop of one may still be to come.
    for (const remote of this.#down) if (!isAdopting && !remotes.has(remote)) this.#down.delete(remote)
    const isKnown = new Set([...this.#watched.keys(), ...this.#down])
    this.#watched.clear()
    const room = this.#most - this.#fib.liveness.wantedBeside('tunnels')
    const paths: PathIntent[] = []
    // Those first of which something is known: nothing is heard any more of what is watched no longer.
    for (const [name, remote] of [...remotes].sort(([a], [b]) => Number(isKnown.has(b)) - Number(isKnown.has(a)))) {
      const local = this.#localAddress(remote)
      if (local === undefined || this.#intent === undefined || paths.length >= room) {
        this.#down.delete(name)
        continue
      }
      const path = { local, remote, hops: 'multiple', vouchesFor: 'tunnels', ...this.#intent } as const
      paths.push(path)
      this.#watched.set(name, pathName(path))
    }
    this.#fib.liveness.wantFor('tunnels', paths)
  }

  /** Id of the object that watches `remote`. */
  idOf(remote: IpAddress): number | undefined {
    const key = this.#watched.get(String(remote))
    return key === undefined ? undefined : this.#fib.liveness.idOf(key)
  }

  isDown(remote: IpAddress): boolean {
    return this.#down.has(String(remote))
  }

  /** The dataplane hears the router at the end of a path, or hears it no more. Returns whether that is news for a tunnel. */
  heard(path: PathIntent, isUp: boolean): boolean {
    const remote = String(path.remote)
    if (this.#watched.get(remote) !== pathName(path) || this.#down.has(remote) === !isUp) return false
    if (isUp) this.#down.delete(remote)
    else this.#down.add(remote)
    return true
  }

  /** What a dataplane knows that was there before us, or took another's place. Returns the remotes that are or were down. */
  learn({ liveness = [], down = [] }: DataplaneState): ReadonlySet<string> {
    const known = new Set(down)
    const remotes = liveness.filter(({ id, hops }) => known.has(id) && hops === 'multiple').map(({ remote }) => String(remote))
    const changed = new Set([...this.#down, ...remotes])
    this.#down.clear()
    for (const remote of remotes) this.#down.add(remote)
    return changed
  }
}
