import type { Detour } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { LinuxError, type Netlink, type RouteLookup } from '@heddle/linux'
import { addressOf, wordsOf } from '../layout/prefix.js'
import { View } from '../layout/struct.js'
import { LOCAL_KEY } from '../layout/structs/objects.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { wordAt } from '../layout/word.js'
import type { Path, PathMtus } from '../tables/path-mtus.js'

/** How long is believed what the network told, milliseconds: as long as Linux does (net.ipv4.route.mtu_expires). */
const LIFETIME = 600_000
/** Smallest MTU that is believed: anybody may send an ICMP error. Those of Linux (net.ipv4.route.min_pmtu) and of IPv6 itself (RFC 8201 §4). */
const LEAST = { 4: 552, 6: 1280 } as const
/** Far ends whose routes are asked for at a look; all of them in turn. */
const ASKED_AT_ONCE = 64

export interface PathWatchOptions {
  readonly maps: KernelMaps
  readonly paths: PathMtus
  /** Of the router's namespace. */
  readonly netlink: Netlink
  /** Every packet of a tunnel leaves by it. */
  readonly uplink: { readonly name: string; readonly index: number }
  /** Index of the VRF device that the uplink is in, whose routes are the host's then. */
  readonly vrf: number | undefined
  /** A path takes so much from now on, octets. */
  readonly changed: (path: Path, mtu: number) => void
  readonly logger: Logger
}

/**
 * Learns what paths to other routers take: from the routes of the host, which may say so or have learnt it from its own sockets, and from what routers on the way
 * told of packets of tunnels, which the ingress program notes. Warns of far ends that the host reaches by another link than the uplink: its BGP sessions go
 * that way, and tell nothing of the one that tunnels go.
 */
export class PathWatch {
  readonly #options: PathWatchOptions
  /** What was told of paths, and until when it is believed. */
  readonly #heard = new WeakMap<Path, { readonly mtu: number; readonly until: number }>()
  /** What the host's routes take. */
  readonly #routed = new WeakMap<Path, number>()
  /** The other link that the host sends by to a far end. */
  readonly #elsewhere = new WeakMap<Path, Pick<RouteLookup, 'index' | 'link'>>()
  /** Paths that were not asked for in this round. */
  #round: Path[] = []

  /** What a dataplane before this one has learnt is believed anew. */
  constructor(options: PathWatchOptions) {
    this.#options = options
    const until = performance.now() + LIFETIME
    for (const path of options.paths.all()) if (path.mtu !== 0) this.#heard.set(path, { mtu: path.mtu, until })
  }

  /**
   * @param underlayMtu what the uplink takes, octets
   * @throws LinuxError when programs could not be told of a path: it is tried again at the next look
   */
  async look(underlayMtu: number): Promise<void> {
    this.#hear()
    await Promise.all(this.#due().map((path) => this.#ask(path)))
    const now = performance.now()
    let refused: LinuxError | undefined
    for (const path of this.#options.paths.all()) {
      const mtu = this.#mtuOf(path, underlayMtu, now)
      if (mtu !== path.mtu) refused = this.#tell(path, mtu, underlayMtu) ?? refused
    }
    if (refused !== undefined) throw refused
  }

  /** What the kernel refused, if it did. */
  #tell(path: Path, mtu: number, underlayMtu: number): LinuxError | undefined {
    const { paths, changed } = this.#options
    try {
      paths.tell(path.remote, mtu)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      return error
    }
    changed(path, mtu === 0 ? underlayMtu : mtu)
    return undefined
  }

  /** Reads what was noted, and takes the notes away. */
  #hear(): void {
    const { maps, paths } = this.#options
    const until = performance.now() + LIFETIME
    for (const [key, value] of maps.entries('told_paths')) {
      const view = new View(LOCAL_KEY, key.slice())
      const path = paths.to(addressOf(view.get('family'), wordsOf(view, 'address')))
      if (path !== undefined) this.#believe(path, wordAt(value), until)
      maps.delete('told_paths', key)
    }
  }

  #believe(path: Path, told: number, until: number): void {
    const mtu = Math.max(told, LEAST[path.remote.family])
    // What was larger than a wider link on the way may be told of later than what was larger than the narrowest.
    if (mtu <= (this.#heard.get(path)?.mtu ?? mtu)) this.#heard.set(path, { mtu, until })
  }

  /** Paths to be asked for now: new ones first, then the others in turn. */
  #due(): Path[] {
    const all = [...this.#options.paths.all()]
    const fresh = all.filter((path) => !this.#routed.has(path)).slice(0, ASKED_AT_ONCE)
    if (this.#round.length === 0) this.#round = all
    return [...fresh, ...this.#round.splice(0, ASKED_AT_ONCE - fresh.length)]
  }

  async #ask(path: Path): Promise<void> {
    const { uplink, vrf } = this.#options
    const byUplink = await this.#wayOf(path, uplink.index)
    this.#routed.set(path, byUplink?.mtu ?? Number.POSITIVE_INFINITY)
    this.#compare(path, await this.#wayOf(path, vrf))
  }

  /** Undefined while there is no route. */
  async #wayOf({ local, remote }: Path, link: number | undefined): Promise<RouteLookup | undefined> {
    try {
      const narrowed = link === undefined ? {} : { link }
      return await this.#options.netlink.routes.lookup(remote.toString(), { source: local.toString(), ...narrowed })
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      return undefined
    }
  }

  /** Far ends that the host sends to by another link, as far as they were asked for. */
  detours(): Detour[] {
    return Array.from(this.#options.paths.all()).flatMap((path) => {
      const other = this.#elsewhere.get(path)
      return other === undefined ? [] : [{ remote: path.remote, link: other.link }]
    })
  }

  /** Warns once of each other link that the host comes to send by. */
  #compare(path: Path, byHost: RouteLookup | undefined): void {
    const { uplink, logger } = this.#options
    const other = byHost === undefined || byHost.kind !== 'unicast' || byHost.index === uplink.index ? undefined : byHost
    if (other === undefined) this.#elsewhere.delete(path)
    if (other === undefined || this.#elsewhere.get(path)?.index === other.index) return
    this.#elsewhere.set(path, other)
    logger.warn('The host reaches the far end of tunnels by another link than the uplink, by which their packets go', {
      remote: path.remote.toString(),
      link: other.link,
      uplink: uplink.name,
      remedy: 'have the route to it lead by the uplink, or that link be `dataplane.uplink`',
    })
  }

  #mtuOf(path: Path, underlayMtu: number, now: number): number {
    const heard = this.#heard.get(path)
    // It may have become better: the next packet that is too large finds out.
    if (heard !== undefined && heard.until <= now) this.#heard.delete(path)
    const mtu = Math.min(this.#heard.get(path)?.mtu ?? underlayMtu, this.#routed.get(path) ?? underlayMtu)
    return mtu < underlayMtu ? mtu : 0
  }
}
