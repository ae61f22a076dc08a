import { LabError } from '../errors.js'
import type { LabTopology } from '../topology.js'
import { command, ip } from './command.js'
import { existing, namespacesOf, removeNamespace } from './namespaces.js'

/** The sites and the provider network between them, as namespaces joined by veth pairs. */
export class Underlay {
  readonly #made: string[] = []

  constructor(readonly topology: LabTopology) {}

  /** Ends of the links in the provider's namespace. */
  get interfaces(): readonly string[] {
    return this.#sites.map(({ name }) => linkName(name))
  }

  get #sites() {
    return [...this.topology.nodes, this.topology.gateway]
  }

  /** Refuses when a namespace of that name is there, whoever made it. */
  refuseLeftovers(): void {
    const there = existing(namespacesOf(this.topology))
    if (there.length > 0) {
      throw new LabError(
        'lab.leftovers',
        `network namespaces ${there.join(', ')} are there already: another demo runs or was kept; end it, or remove what it left with: npm run demo -- --clean`,
      )
    }
  }

  async create(): Promise<void> {
    const { provider } = this.topology
    await this.#namespace(provider)
    await inNamespace(provider, 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
    for (const { name, address, providerAddress } of this.#sites) {
      const end = linkName(name)
      await this.#namespace(name)
      await ip(`-n ${provider} link add ${end} type veth peer name uplink netns ${name}`)
      await ip(`-n ${provider} addr add ${providerAddress}/24 dev ${end}`)
      await ip(`-n ${provider} link set ${end} up`)
      await ip(`-n ${name} addr add ${address}/24 dev uplink`)
      await ip(`-n ${name} link set uplink up`)
      await ip(`-n ${name} route add default via ${providerAddress}`)
      // What crosses the underlay shall be what a wire would carry: no super-frames, and checksums in the packets.
      const off = ['tso', 'off', 'gso', 'off', 'gro', 'off', 'tx', 'off']
      await inNamespace(provider, 'ethtool', '-K', end, ...off)
      await inNamespace(name, 'ethtool', '-K', 'uplink', ...off)
    }
  }

  /** Takes a site off the network without a sign to its peers. */
  async cut(site: string): Promise<void> {
    await ip(`-n ${this.topology.provider} link set ${linkName(site)} down`)
  }

  async heal(site: string): Promise<void> {
    await ip(`-n ${this.topology.provider} link set ${linkName(site)} up`)
  }

  async remove(): Promise<void> {
    for (const name of this.#made.splice(0).reverse()) await removeNamespace(name)
  }

  async #namespace(name: string): Promise<void> {
    await ip(`netns add ${name}`)
    this.#made.push(name)
    await ip(`-n ${name} link set lo up`)
  }
}

async function inNamespace(name: string, file: string, ...args: string[]): Promise<void> {
  await command('nsenter', [`--net=/run/netns/${name}`, file, ...args])
}

function linkName(site: string): string {
  return `to-${site}`
}
