import type { EndpointService } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { addressFrom, boundsOf } from '../ipam/address-number.js'
import type { PoolIpam } from '../ipam/pool-ipam.js'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { Store } from '../store/store.js'
import { keyOf, type Attachment } from './attachment.js'
import type { NodeAddressPair, NodeTranslator } from './node-translator.js'
import { SerialByKey } from './serial-by-key.js'

/** How endpoints of networks whose addresses overlap are reached from the node itself. */
export interface NodeAddressOptions {
  readonly translator: NodeTranslator
  /**
   * Where the addresses come from, at most one prefix a family; default `NODE_ADDRESS_PREFIXES`. The first address of each is the node's own, seen
   * by endpoints; each network gets a block of 4,096 addresses.
   */
  readonly prefixes?: readonly IpPrefix[]
}

/** Shared address space (RFC 6598), and unique local addresses (RFC 4193): they are seen on the node alone. */
export const NODE_ADDRESS_PREFIXES: readonly IpPrefix[] = [IpPrefix.parse('100.64.0.0/10'), IpPrefix.parse('fd68:6564:646c:6500::/64')]

/** Bits of an address inside the block of a network. */
const BLOCK_BITS = 12
/** The namespace in which this process is, which must be the one that the container runtime probes from. */
const HOST = '/proc/self/ns/net'
const PREFIX = 'node-network/'

export interface NodeAddressParts {
  readonly endpoints: EndpointService
  readonly ipam: PoolIpam
  readonly store: Store
}

/**
 * Addresses of endpoints that are unique on the node, and the node's own device in each VRF that has such endpoints: an endpoint like any other, but
 * in the namespace of the host. What the node sends to an endpoint's node address goes into the VRF there, translated.
 */
export class NodeAddresses {
  readonly #options: NodeAddressOptions
  readonly #parts: NodeAddressParts
  readonly #prefixes: readonly IpPrefix[]
  /** The first endpoint of a network brings its device, the last one takes it away. */
  readonly #serial = new SerialByKey()

  /** @throws CniError 7 when a prefix is too small for a network */
  constructor(options: NodeAddressOptions, parts: NodeAddressParts) {
    this.#options = options
    this.#parts = parts
    this.#prefixes = options.prefixes ?? NODE_ADDRESS_PREFIXES
    for (const prefix of this.#prefixes) {
      if (prefix.address.bits - prefix.length <= BLOCK_BITS) {
        throw new CniError(
          CNI_CODES.invalidConfiguration,
          `node addresses from ${prefix}: there is room for no network; a /${prefix.address.bits - BLOCK_BITS - 1} has room for one`,
        )
      }
    }
  }

  /** Gives an attachment its node addresses, one of each family that it has, and leads them to it. @throws CniError */
  async attach(attachment: Attachment): Promise<readonly string[]> {
    return this.#serial.run(attachment.network, async () => this.#attach(attachment))
  }

  /** Idempotent. @throws CniError */
  async detach(attachment: Attachment): Promise<void> {
    await this.#serial.run(attachment.network, async () => this.#detach(attachment))
  }

  /** Brings the node to what is attached; what was cut short has nothing to be led to. @throws CniError */
  async restore(attachments: readonly Attachment[]): Promise<void> {
    const pairs = attachments
      .filter(({ phase }) => phase === 'attached')
      .flatMap((attachment) => {
        const index = this.#known(attachment.network)
        return index === undefined ? [] : pairsOf(attachment, index)
      })
    await this.#options.translator.replace(pairs, this.#gateways())
  }

  /** Has the node's own device of the network of an attachment that has node addresses: a dataplane that is new has none. @throws EndpointError */
  async restoreDevice({ network, vrf, nodeAddresses = [] }: Attachment): Promise<void> {
    const index = this.#known(network)
    if (nodeAddresses.length > 0 && index !== undefined) await this.#serial.run(network, async () => this.#addDevice(vrf, index))
  }

  async #attach(attachment: Attachment): Promise<readonly string[]> {
    const index = await this.#indexOf(attachment.network)
    const space = this.#spaceOf(attachment.network, index)
    const families = new Set(attachment.addresses.map((address) => (address.includes(':') ? 6 : 4)))
    const pools = space.pools.filter(({ prefix }) => families.has(prefix.family))
    const allocations = await this.#parts.ipam.allocate({ ...space, pools }, { owner: keyOf(attachment) })
    await this.#addDevice(attachment.vrf, index)
    const node = allocations.map(({ address }) => String(address))
    await this.#options.translator.add(pairsOf({ ...attachment, nodeAddresses: node }, index))
    return node
  }

  async #addDevice(vrf: string, index: number): Promise<void> {
    const [addresses, routes] = [this.#gateways(), this.#blocksOf(index)]
    await this.#parts.endpoints.add({ vrf, netns: HOST, ifname: deviceOf(index), addresses, routes })
  }

  async #detach(attachment: Attachment): Promise<void> {
    const index = this.#known(attachment.network)
    if (index === undefined) return
    const held = this.#parts.ipam.addressesOf(nameOf(attachment.network), keyOf(attachment)).map(String)
    await this.#options.translator.remove(pairsOf({ ...attachment, nodeAddresses: held }, index))
    await this.#parts.ipam.release(nameOf(attachment.network), keyOf(attachment))
    const others = this.#parts.ipam.owners().some(({ space }) => space === nameOf(attachment.network))
    if (!others) await this.#parts.endpoints.remove({ netns: HOST, ifname: deviceOf(index) })
  }

  /** The node's own addresses, as endpoints see them: on every node and in every VRF the same, and each endpoint reaches its own node there. */
  #gateways(): readonly IpAddress[] {
    return this.#prefixes.map((prefix) => addressFrom(boundsOf(prefix).first + 1n, prefix.family))
  }

  #spaceOf(network: string, index: number): { name: string; pools: { prefix: IpPrefix }[] } {
    return { name: nameOf(network), pools: this.#blocksOf(index).map((prefix) => ({ prefix })) }
  }

  #blocksOf(index: number): readonly IpPrefix[] {
    return this.#prefixes.map((prefix) => {
      const first = boundsOf(prefix).first + (BigInt(index) << BigInt(BLOCK_BITS))
      return IpPrefix.of(addressFrom(first, prefix.family), prefix.address.bits - BLOCK_BITS)
    })
  }

  #known(network: string): number | undefined {
    return this.#parts.store.get(PREFIX + network) as number | undefined
  }

  /** Number of a network's block, from 1, which stays. The first block has the node's own address. */
  async #indexOf(network: string): Promise<number> {
    const known = this.#known(network)
    if (known !== undefined) return known
    const taken = new Set(this.#parts.store.entries(PREFIX).map(([, value]) => value as number))
    const most = Math.min(...this.#prefixes.map((prefix) => 2 ** (prefix.address.bits - prefix.length - BLOCK_BITS) - 1))
    let index = 1
    while (taken.has(index)) index++
    if (index > most) throw new CniError(CNI_CODES.addresses, `node addresses are for ${most} networks, and ${network} is one more`)
    await this.#parts.store.commit([{ key: PREFIX + network, value: index }])
    return index
  }
}

/** Of the device in the host's namespace. */
function deviceOf(index: number): string {
  return `hdnode${index}`
}

/** No network has such a name. */
function nameOf(network: string): string {
  return `${network}@node`
}

/** Each node address with the attachment's own one of the same family. */
export function addressPairs({ addresses, nodeAddresses = [] }: Attachment): readonly { node: IpAddress; endpoint: IpAddress }[] {
  const own = addresses.map((text) => IpAddress.parse(text))
  return nodeAddresses.flatMap((text) => {
    const node = IpAddress.parse(text)
    const endpoint = own.find(({ family }) => family === node.family)
    return endpoint === undefined ? [] : [{ node, endpoint }]
  })
}

function pairsOf(attachment: Attachment, index: number): NodeAddressPair[] {
  return addressPairs(attachment).map((pair) => ({ device: deviceOf(index), ...pair }))
}
