import { dropsOf, PORT_COUNTERS, type DropReason } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane, type EbpfDataplaneOptions } from '@heddle/dataplane-ebpf'
import { Netlink, type Link, type LinkSetup } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { UNDERLAY, type Site } from '../../../dataplane-tun/test/support/two-sites.js'
import { allOf } from '../../src/all-of.js'
import { PACE } from './pace.js'
import { TwoEbpfSites } from './two-sites.js'

/** What the devices of `BulkSites` take at once. */
export const LARGE = 196_608
/** What IP can say of a packet's length. */
export const MOST_SAID = 65_535
/** Octets of a connection. */
export const OCTETS = 16 << 20
/** Milliseconds after which no further connection is tried: nothing of this has to be soon. */
export const ENOUGH = 60_000 * PACE
export const SITES = ['a', 'b'] as const

/** One of a site's endpoints. */
export interface Endpoint {
  readonly site: Site
  readonly kind: 'red' | 'near' | 'green' | 'lime'
  readonly port: number
}

/** What a receiver said of the connections to it. */
export interface Received {
  /** Once for each thing that it said. */
  readonly lines: Set<string>
  /** Octets of a packet that came to it in the last one. */
  readonly mean: number
}

/** What it says of a connection that came whole. */
export const whole = (octets = OCTETS): Set<string> => new Set([`${octets} octets, as they were sent`])
/** Whether packets came that are longer than their headers can say. */
export const isLarge = (mean: number): boolean => mean > MOST_SAID

/** Two routers whose uplinks take segments of more than 64 KiB, and streams through them. */
export class BulkSites extends TwoEbpfSites {
  readonly routers = {} as Record<Site, EbpfDataplane>
  /** Whether the kernel makes such segments of IPv4 (Linux 6.3). */
  hasIpv4 = false
  readonly #children: ChildProcessWithoutNullStreams[] = []

  async open(): Promise<void> {
    for (const site of SITES) {
      const short = this.short('site', site)
      this.hasIpv4 = (await this.sizesOf(short, 'up0')).gsoIpv4MaxSize !== undefined
      await this.setUpLink(short, 'up0', { gsoMaxSize: LARGE, gsoIpv4MaxSize: LARGE })
      await this.openRouter(site)
    }
  }

  /** Opens a site's router, anew where it is open. */
  async openRouter(site: Site, options: Partial<EbpfDataplaneOptions> = {}): Promise<void> {
    if (site in this.routers) await this.routers[site].close()
    this.routers[site] = await ebpfDataplane({
      addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
      uplink: 'up0',
      underlayNetns: this.path(this.short('site', site)),
      fibBlocks: 2048,
      routes: 4096,
      ...options,
    })
  }

  async closeAll(): Promise<void> {
    for (const child of this.#children) child.kill()
    await allOf([...Object.values(this.routers).map((router) => () => router.close()), () => this.close()])
  }

  async setUpLink(short: string, link: string, setup: LinkSetup): Promise<void> {
    using netlink = await Netlink.open(this.path(short))
    await netlink.links.setUp(link, setup)
  }

  async sizesOf(short: string, link: string): Promise<Pick<Link, 'gsoMaxSize' | 'gsoIpv4MaxSize'>> {
    using netlink = await Netlink.open(this.path(short))
    const { gsoMaxSize = 0, gsoIpv4MaxSize } = await netlink.links.get(link)
    return { gsoMaxSize, ...(gsoIpv4MaxSize === undefined ? {} : { gsoIpv4MaxSize }) }
  }

  /** By either router, for reasons that are about frames themselves, and for others that are named. */
  async dropped(...others: readonly DropReason[]): Promise<Record<string, number>> {
    const snapshots = [await this.routers.a.counters(), await this.routers.b.counters()]
    const reasons = ['inner-malformed', 'outer-malformed', 'mtu-exceeded', 'queue-full', ...others] as const
    return Object.fromEntries(reasons.map((reason) => [reason, snapshots.reduce((sum, counters) => sum + dropsOf(counters, reason), 0)]))
  }

  /**
   * Sends one connection after another, until one shows what it is for.
   *
   * @param at where the receiver takes them @param to what the sender connects to, when that is another address
   */
  async send(
    [from, receiver]: readonly [Endpoint, Endpoint],
    at: string,
    isShown: (mean: number) => boolean | Promise<boolean>,
    octets = OCTETS,
    to = at,
  ): Promise<Received> {
    const server = this.#start(this.short(receiver.kind, receiver.site), 'take', at, '9000')
    const ended = once(server, 'exit')
    try {
      const said = createInterface(server.stdout)[Symbol.asyncIterator]()
      expect((await said.next()).value).toBe('listening')
      const lines = new Set<string>()
      let mean = 0
      // How soon a stream has segments of full size is for the machine to say.
      const end = performance.now() + ENOUGH
      do {
        const before = await this.#delivered(receiver)
        this.#start(this.short(from.kind, from.site), 'send', to, '9000', `${octets}`)
        lines.add(String((await said.next()).value))
        const after = await this.#delivered(receiver)
        mean = (after.octets - before.octets) / (after.packets - before.packets)
      } while (!(await isShown(mean)) && performance.now() < end)
      return { lines, mean }
    } finally {
      server.kill()
      await ended
    }
  }

  #start(short: string, ...words: string[]): ChildProcessWithoutNullStreams {
    const script = fileURLToPath(new URL('tcp-bulk.mjs', import.meta.url))
    const child = spawn('ip', ['netns', 'exec', this.name(short), process.execPath, script, ...words])
    child.stderr.pipe(process.stderr)
    this.#children.push(child)
    return child
  }

  async #delivered({ site, port }: Endpoint): Promise<{ readonly packets: number; readonly octets: number }> {
    const { ports, portIds } = await this.routers[site].counters()
    const at = portIds.indexOf(port) * PORT_COUNTERS.length
    return { packets: ports[at + PORT_COUNTERS.indexOf('tx-packets')], octets: ports[at + PORT_COUNTERS.indexOf('tx-octets')] }
  }
}
