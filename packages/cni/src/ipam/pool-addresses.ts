import type { IpAddress } from '@heddle/wire'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { CniConfiguration } from '../protocol/configuration.js'
import { FieldReader } from '../protocol/json.js'
import type { AddressContext, AddressGrant, AddressSource } from '../server/address-source.js'
import { attachmentKey } from '../server/attachment.js'
import type { CniNetwork } from '../server/network.js'
import type { PoolIpam } from './pool-ipam.js'
import { wantedAddresses } from './wanted-addresses.js'

export interface PoolAddressesOptions {
  readonly ipam: PoolIpam
  /** Whether an endpoint of the VRF has the address. */
  readonly isInUse: (vrf: string, address: IpAddress) => boolean
  /** Whether an attachment is known. */
  readonly isKnown: (key: string) => boolean
}

/** Addresses from a virtual network's own pools, each as a host prefix: what else is on the network is reached by routes. */
export class PoolAddresses implements AddressSource {
  readonly #options: PoolAddressesOptions

  constructor(options: PoolAddressesOptions) {
    this.#options = options
  }

  async prepare(): Promise<void> {}

  async grant(context: AddressContext, network: CniNetwork): Promise<AddressGrant> {
    const fields = new FieldReader(context.config.raw, CNI_CODES.invalidConfiguration)
    const conventions = fields.object('args')?.object('cni')?.fields ?? {}
    const allocations = await this.#options.ipam.allocate(network, {
      owner: ownerOf(context),
      wanted: wantedAddresses(fields.object('runtimeConfig')?.fields ?? {}, conventions, context.args),
      isInUse: (address) => this.#options.isInUse(network.vrf, address),
    })
    return {
      addresses: allocations.map(({ address }) => address),
      ips: allocations.map(({ address, pool }) => ({
        address: `${address}/${address.bits}`,
        ...(pool.gateway === undefined ? {} : { gateway: String(pool.gateway) }),
      })),
      routes: [],
      dns: {},
    }
  }

  async release(context: AddressContext): Promise<void> {
    await this.#options.ipam.release(context.network, ownerOf(context))
  }

  async check(context: AddressContext): Promise<void> {
    if (this.#options.ipam.addressesOf(context.network, ownerOf(context)).length > 0) return
    throw new CniError(CNI_CODES.checkFailed, `no address of ${context.network} is leased to ${ownerOf(context)}`)
  }

  async status(_config: CniConfiguration, _path: readonly string[], network: CniNetwork | undefined): Promise<void> {
    const error = network === undefined ? undefined : this.#options.ipam.exhaustion(network)
    if (error !== undefined) throw new CniError(CNI_CODES.notReady, error.message, error.details)
  }

  async collect({ name }: CniConfiguration): Promise<void> {
    for (const { space, owner } of this.#options.ipam.owners()) {
      if (owner.startsWith(`${name}/`) && !this.#options.isKnown(owner)) await this.#options.ipam.release(space, owner)
    }
  }
}

function ownerOf(context: AddressContext): string {
  return attachmentKey(context.config.name, context)
}
