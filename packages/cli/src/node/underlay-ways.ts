import { addressOf } from '@heddle/bgp'
import { DataplaneError } from '@heddle/core'
import { LinuxError, type Link, type Netlink, type RouteLookupOptions } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import type { NodeDocument } from '../config/document.js'
import { DEFAULT_UNDERLAY_MTU } from '../config/resolve.js'

/** Largest IP packet. */
const LARGEST_MTU = 65_535
/** Index of the loopback device, in each network namespace. */
const LOOPBACK = 1
/** Kinds of links that have addresses, but by which nothing comes in from other hosts. */
const INNER_KINDS: readonly string[] = ['dummy', 'vrf']

/** Tables of the network namespace that an underlay is in. */
export interface UnderlayTables {
  readonly links: Pick<Netlink['links'], 'get'>
  readonly addresses: Pick<Netlink['addresses'], 'list'>
  readonly routes: Pick<Netlink['routes'], 'lookup'>
}

/** The link by which the way to a neighbour begins, and the largest packet that goes there whole, in octets. */
interface Way {
  readonly link: string
  readonly mtu: number
}

/** The ways from a node to its neighbours, as the kernel knows them now. */
export class UnderlayWays {
  readonly #local: IpAddress
  /** As a configuration names them: `ADDRESS`, `ADDRESS%DEVICE` or `%DEVICE`. */
  readonly #neighbors: readonly string[]
  readonly #tables: UnderlayTables

  constructor({ node, bgp }: Pick<NodeDocument, 'node' | 'bgp'>, tables: UnderlayTables) {
    this.#local = IpAddress.parse(node.address)
    this.#neighbors = (bgp.neighbors ?? []).map(({ address }) => address)
    this.#tables = tables
  }

  /**
   * The smallest MTU on the ways to the neighbours, which tells more than the link of the address: a tunnel's end often is an address of the loopback
   * device. Where no way is known, the link says.
   *
   * @throws DataplaneError `dataplane.device` when no way is known and no link has the address
   */
  async smallestMtu(): Promise<number> {
    const ways = await Promise.all(this.#neighbors.map(async (name) => this.#wayTo(name, { source: `${this.#local}` })))
    const known = ways.filter((way) => way !== undefined)
    const mtus = (known.length === 0 ? await this.#linksOfAddress() : known).map(({ mtu }) => mtu)
    if (mtus.length === 0)
      throw new DataplaneError('dataplane.device', `no way leads to a neighbour yet, and no link has the address ${this.#local}`)
    const mtu = Math.min(...mtus)
    return mtu > LARGEST_MTU ? DEFAULT_UNDERLAY_MTU : mtu // of the loopback device, which is no underlay
  }

  /**
   * The link on the way to the first neighbour that is not this host's, since the node's address often is one of the loopback device; else the link that
   * has the address, if packets of other hosts can come in by it.
   *
   * @throws DataplaneError `dataplane.device` when there is none now
   */
  async uplink(): Promise<string> {
    for (const name of this.#neighbors) {
      const way = await this.#wayTo(name)
      if (way !== undefined) return way.link
    }
    const links = await this.#linksOfAddress()
    const uplink = links.find(isOuter)
    if (uplink !== undefined) return uplink.name
    const which = links.length === 0 ? 'no link' : `no link but ${links.map(({ name }) => name).join(', ')}`
    const why = `no way leads to a neighbour yet, and ${which} has the address ${this.#local}`
    throw new DataplaneError('dataplane.device', `${why}: the key dataplane.uplink names one`)
  }

  /** Undefined where none leads there now, and for a neighbour that is this host. */
  async #wayTo(neighbor: string, options: RouteLookupOptions = {}): Promise<Way | undefined> {
    try {
      const device = deviceOf(neighbor)
      const link = device === undefined ? undefined : await this.#tables.links.get(device)
      // Whatever its address: tunnels of IPv4 as well go by neighbours that have none but of IPv6 (RFC 8950).
      if (link !== undefined && isOuter(link)) return { link: link.name, mtu: link.mtu }
      const address = addressOf(neighbor)
      // Behind the device of a VRF a table of its own says the way.
      if (address?.family !== this.#local.family || (link !== undefined && link.kind !== 'vrf')) return undefined
      const way = await this.#tables.routes.lookup(`${address}`, link === undefined ? options : { ...options, link: link.index })
      return way.kind === 'unicast' ? way : undefined
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      return undefined
    }
  }

  async #linksOfAddress(): Promise<Link[]> {
    const { addresses, links } = this.#tables
    const found = (await addresses.list()).filter(({ address }) => address.split('/', 1)[0] === `${this.#local}`)
    return Promise.all(found.map(async ({ index }) => links.get(index)))
  }
}

/** Of `ADDRESS%DEVICE` or `%DEVICE`. */
function deviceOf(neighbor: string): string | undefined {
  const at = neighbor.indexOf('%')
  return at < 0 ? undefined : neighbor.slice(at + 1)
}

/** Whether packets of other hosts can come in by a link. */
function isOuter({ index, kind }: Link): boolean {
  return index !== LOOPBACK && !INNER_KINDS.includes(kind)
}
