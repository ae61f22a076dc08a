import type { IpAddress } from '@heddle/wire'
import type { CniConfiguration } from '../protocol/configuration.js'
import type { CniAttachmentName } from '../protocol/configuration.js'
import type { CniIp, CniRoute } from '../protocol/result.js'
import type { CniDns } from '../protocol/dns.js'
import type { CniNetwork } from './network.js'

/** For whom addresses are asked, checked or given back. */
export interface AddressContext extends CniAttachmentName {
  readonly netns: string
  readonly args: Readonly<Record<string, string>>
  readonly path: readonly string[]
  readonly config: Pick<CniConfiguration, 'name' | 'raw'>
  /** Name of the virtual network. */
  readonly network: string
}

/** What address management gave an attachment: at least one address. */
export interface AddressGrant {
  readonly addresses: readonly IpAddress[]
  readonly ips: readonly CniIp[]
  readonly routes: readonly CniRoute[]
  readonly dns: CniDns
}

/** Where addresses come from: own pools, or a plugin that a configuration delegates to. */
export interface AddressSource {
  /** Whether it can be asked at all, before anything is recorded. @throws CniError */
  prepare(config: CniConfiguration, path: readonly string[]): Promise<void>
  /** @throws CniError; what it may hold then is to be given back by `release` */
  grant(context: AddressContext, network: CniNetwork, signal: AbortSignal | undefined): Promise<AddressGrant>
  /** Idempotent. @throws CniError */
  release(context: AddressContext): Promise<void>
  /** @throws CniError when the grant is not known any more */
  check(context: AddressContext, config: CniConfiguration): Promise<void>
  /** @throws CniError when no address can be had */
  status(config: CniConfiguration, path: readonly string[], network: CniNetwork | undefined): Promise<void>
  /** Gives back what belongs to none of the attachments. @throws CniError */
  collect(config: CniConfiguration, path: readonly string[]): Promise<void>
}
