import type { NextHopObject, PathMtu } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import { decodeNextHop } from '../layout/next-hop.js'
import { View } from '../layout/struct.js'
import { NEXT_HOP } from '../layout/structs/next-hop.js'
import type { KernelMaps } from './kernel-maps.js'

/** The path to a tunnel's far end. */
export interface Path {
  readonly local: IpAddress
  readonly remote: IpAddress
  /** Octets of the largest packet that it takes, outer headers included, as programs are told; 0: as large as the underlay takes. */
  readonly mtu: number
}

interface Held extends Path {
  /** Next hops that lead there. */
  readonly hops: Set<number>
  mtu: number
}

/** What paths to other routers take, where that is less than the underlay: each next hop that leads there has it. */
export class PathMtus {
  readonly #maps: KernelMaps
  /** By the text of the far ends. */
  readonly #paths = new Map<string, Held>()
  readonly #byHop = new Map<number, Held>()

  constructor(maps: KernelMaps) {
    this.#maps = maps
    for (const [id, value] of maps.numbered('next_hops')) {
      const mtu = new View(NEXT_HOP, value).get('path_mtu')
      const path = this.set(decodeNextHop(id, value))
      if (path !== undefined && mtu !== 0 && (path.mtu === 0 || mtu < path.mtu)) path.mtu = mtu
    }
  }

  /** A next hop was written. */
  set(hop: NextHopObject): Held | undefined {
    const path = this.#pathOf(hop)
    // What is known of a path stays while a next hop that leads there is replaced.
    path?.hops.add(hop.id)
    if (this.#byHop.get(hop.id) !== path) this.remove(hop.id)
    if (path !== undefined) this.#byHop.set(hop.id, path)
    return path
  }

  remove(hop: number): void {
    const path = this.#byHop.get(hop)
    if (path === undefined) return
    this.#byHop.delete(hop)
    path.hops.delete(hop)
    if (path.hops.size === 0) this.#paths.delete(path.remote.toString())
  }

  /** What a next hop is told of its path. */
  mtuOf({ action }: NextHopObject): number {
    return action.type === 'tunnel' ? (this.#paths.get(action.remote.toString())?.mtu ?? 0) : 0
  }

  /** Paths to all far ends. */
  all(): Iterable<Path> {
    return this.#paths.values()
  }

  /** The path to a far end, if there is a tunnel to it. */
  to(remote: IpAddress): Path | undefined {
    return this.#paths.get(remote.toString())
  }

  /** Tells programs what a path takes. @throws LinuxError, and some next hops may have been told */
  tell(remote: IpAddress, mtu: number): void {
    const path = this.#paths.get(remote.toString())
    if (path === undefined) return
    for (const id of path.hops) {
      const value = this.#maps.get('next_hops', id)
      if (value !== undefined) this.#maps.set('next_hops', id, new View(NEXT_HOP, value).set('path_mtu', mtu).bytes)
    }
    path.mtu = mtu
  }

  #pathOf({ action }: NextHopObject): Held | undefined {
    if (action.type !== 'tunnel') return undefined
    const { local, remote } = action
    const path = this.#paths.get(remote.toString()) ?? { local, remote, hops: new Set<number>(), mtu: 0 }
    this.#paths.set(remote.toString(), path)
    return path
  }

  dump(): PathMtu[] {
    return Array.from(this.#paths.values()).flatMap(({ remote, mtu }) => (mtu === 0 ? [] : [{ remote, mtu }]))
  }
}
