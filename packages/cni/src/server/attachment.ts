import type { EndpointLink, EndpointRequest, RateLimits } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import type { CniAttachmentName } from '../protocol/configuration.js'
import type { JsonObject } from '../protocol/json.js'
import type { Store } from '../store/store.js'

/**
 * What is known of one attachment. It is written before anything is made and goes when everything is gone, so that a process that dies leaves
 * nothing of which the next one knows nothing.
 */
export interface Attachment extends CniAttachmentName {
  /** `adding` and `removing` were cut short when a new process finds them: both end with nothing. */
  readonly phase: 'adding' | 'attached' | 'removing'
  /** `name` of the configuration. */
  readonly config: string
  readonly netns: string
  /** The virtual network. */
  readonly network: string
  readonly vrf: string
  readonly addresses: readonly string[]
  /** Destinations that the container sends to its device, as address management proposed them; left out: everything. */
  readonly routes?: readonly string[]
  /** Of the endpoint's device; left out: `ip`. */
  readonly link?: EndpointLink
  /** Where the virtual router answers the endpoint, at most one a family; left out: nowhere. */
  readonly gateways?: readonly string[]
  /** How fast it may send and get; left out: as fast as it can. */
  readonly rateLimits?: RateLimits
  /** Unique on the node, where the network has such. */
  readonly nodeAddresses?: readonly string[]
  /** Whether the runtime was told of these instead of `addresses`. */
  readonly reportsNodeAddresses?: true
  /** What address management was delegated with: needed to give the addresses back when nobody tells it any more. */
  readonly delegated?: { readonly raw: JsonObject; readonly path: readonly string[]; readonly args: Readonly<Record<string, string>> }
}

const PREFIX = 'attachment/'

/** Names an attachment among all of a node, and as the owner of its addresses. */
export function attachmentKey(config: string, { containerId, ifname }: CniAttachmentName): string {
  return `${config}/${containerId}/${ifname}`
}

export function keyOf(attachment: Attachment): string {
  return attachmentKey(attachment.config, attachment)
}

export function endpointOf({ vrf, netns, ifname, addresses, routes, link, gateways, rateLimits }: Attachment): EndpointRequest {
  return {
    vrf,
    netns,
    ifname,
    addresses: addresses.map((text) => IpAddress.parse(text)),
    ...(routes === undefined ? {} : { routes: routes.map((text) => IpPrefix.parse(text)) }),
    ...(link === undefined ? {} : { link }),
    ...(gateways === undefined ? {} : { gateways: gateways.map((text) => IpAddress.parse(text)) }),
    ...(rateLimits === undefined ? {} : { rateLimits }),
  }
}

/** The attachments of a store. */
export class AttachmentTable {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get(key: string): Attachment | undefined {
    return this.#store.get(PREFIX + key) as Attachment | undefined
  }

  list(): readonly Attachment[] {
    return this.#store.entries(PREFIX).map(([, value]) => value as Attachment)
  }

  /**
   * What a crash of the machine takes away, containers with their namespaces, needs no record that outlives it; addresses of a delegated plugin do,
   * since they are on a disk, too.
   *
   * @throws StoreError
   */
  async put(attachment: Attachment): Promise<void> {
    const durability = attachment.phase === 'attached' && attachment.delegated !== undefined ? 'machine' : 'process'
    await this.#store.commit([{ key: PREFIX + keyOf(attachment), value: attachment }], durability)
  }

  /** A record that comes back by a crash of the machine is one of another boot. @throws StoreError */
  async drop(key: string): Promise<void> {
    await this.#store.commit([{ key: PREFIX + key }], 'process')
  }
}
