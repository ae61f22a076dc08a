import type { EndpointLink, EndpointService, RateLimits } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { IpAddress, MacAddress } from '@heddle/wire'
import { delegateOf } from '../ipam/delegated-addresses.js'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { CniRequest } from '../protocol/request.js'
import type { CniResult } from '../protocol/result.js'
import type { AddressContext, AddressGrant, AddressSource } from './address-source.js'
import { attachmentKey, endpointOf, keyOf, type Attachment, type AttachmentTable } from './attachment.js'
import { chooseRates } from './bandwidth.js'
import type { NamespaceInspector } from './inspector.js'
import { chooseLink, type CniNetwork } from './network.js'
import type { NodeAddresses } from './node-addresses.js'
import { destinationsOf, gatewaysOf, mergedResult } from './merged-result.js'
import { asCniError, failedAt, type Stage } from './staged.js'

export type AddRequest = Extract<CniRequest, { readonly verb: 'ADD' | 'DEL' }>

export interface LifecycleOptions {
  readonly endpoints: EndpointService
  readonly attachments: AttachmentTable
  readonly addressSource: (ipam: unknown) => AddressSource
  readonly network: (request: AddRequest) => Promise<CniNetwork>
  readonly inspector: NamespaceInspector | undefined
  /** For networks that want them; absent where nothing translates. */
  readonly nodeAddresses: NodeAddresses | undefined
  readonly logger: Logger
}

/** Makes attachments and takes them back, stage by stage: record, addresses, endpoint, and back in the opposite order. */
export class Lifecycle {
  readonly #options: LifecycleOptions

  constructor(options: LifecycleOptions) {
    this.#options = options
  }

  /**
   * ADD. An attachment that is there already is refused and stays as it is; what an ADD or DEL left that was cut short is taken away first.
   *
   * @throws CniError; then nothing is left, or what could not be taken back is recorded for DEL and GC
   */
  async add(request: AddRequest, signal?: AbortSignal): Promise<CniResult> {
    const { attachments } = this.#options
    const key = attachmentKey(request.config.name, request)
    const known = attachments.get(key)
    if (known?.phase === 'attached') throw new CniError(CNI_CODES.exists, `${key} is attached already`, 'DEL it first')
    if (known !== undefined) await this.detach(known)
    let stage: Stage = 'network'
    let attachment: Attachment | undefined
    let granting: Promise<AddressGrant> | undefined
    let mayHaveEndpoint = false
    try {
      const network = await this.#options.network(request)
      const link = chooseLink(request.config, network)
      const rateLimits = chooseRates(request.config)
      const source = this.#options.addressSource(request.config.ipam)
      stage = 'namespace'
      await this.#checkNamespace(request)
      stage = 'addresses'
      await source.prepare(request.config, request.path)
      // The kernel is asked while the record is written; nothing is made before both are done.
      const free = this.#checkName(request)
      free.catch(() => undefined) // awaited below
      stage = 'record'
      attachment = this.#record(request, network, { link, rateLimits })
      const recorded = attachments.put(attachment)
      const begun = async (): Promise<void> => {
        await recorded
        stage = 'namespace'
        await free
      }
      // A plugin must not run before it is known what it has run for; own pools are asked at once, and written together with the record.
      if (attachment.delegated !== undefined) await begun()
      granting = source.grant(contextOf(attachment, { ...request, raw: request.config.raw }), network, signal)
      granting.catch(() => undefined) // awaited below, unless the record fails
      await begun()
      signal?.throwIfAborted()
      stage = 'addresses'
      const grant = await granting
      attachment = {
        ...attachment,
        addresses: grant.addresses.map(String),
        ...(grant.routes.length === 0 ? {} : { routes: destinationsOf(grant) }),
        ...(link === 'ethernet' ? gatewaysOf(grant) : {}),
      }
      signal?.throwIfAborted()
      stage = 'endpoint'
      mayHaveEndpoint = true
      const { mtu, mac } = await this.#options.endpoints.add(endpointOf(attachment), signal)
      stage = 'node addresses'
      attachment = await this.#withNodeAddresses(attachment, network)
      signal?.throwIfAborted()
      stage = 'record'
      await attachments.put({ ...attachment, phase: 'attached' })
      signal?.throwIfAborted()
      stage = 'answer'
      // A TUN has none, and Podman 4 takes no interface without one.
      const facts = { mtu, mac: String(mac ?? MacAddress.ofEndpoint(grant.addresses[0])) }
      return mergedResult(request, network, reported(grant, attachment), facts)
    } catch (error) {
      // What is not given yet cannot be given back: an address may wait until a block is claimed for it.
      await granting?.catch(() => undefined)
      const leftovers = attachment === undefined ? [] : await this.#takeBack(attachment, mayHaveEndpoint)
      throw failedAt(stage, error, leftovers)
    }
  }

  /**
   * Takes an attachment away; what is gone already is no error.
   *
   * @throws CniError when something could not be taken away; then the attachment is still recorded
   */
  async detach(attachment: Attachment): Promise<void> {
    const leftovers = await this.#takeBack(attachment)
    if (leftovers.length > 0)
      throw new CniError(CNI_CODES.endpoint, `${keyOf(attachment)} could not be removed whole`, leftovers.join('; '))
  }

  /**
   * DEL of what no record knows: its device goes all the same, when there is an endpoint of this place, and so do addresses of a delegated plugin,
   * whose records may have outlived ours.
   */
  async detachUnknown({ containerId, netns, ifname, config, args, path }: AddRequest): Promise<void> {
    const { endpoints, addressSource } = this.#options
    try {
      if (netns !== '' && endpoints.find({ netns, ifname }) !== undefined) await endpoints.remove({ netns, ifname })
      if (delegateOf(config.ipam) === undefined) return
      await addressSource(config.ipam).release({ containerId, ifname, netns, network: '', args, path, config })
    } catch (error) {
      throw asCniError(error)
    }
  }

  /**
   * Brings to its end what a process before this one began.
   *
   * @param rebooted whether the machine has started anew meanwhile: containers whose namespaces went with it get no DEL that one could wait for
   * @returns keys of what it attached, which is to be restored
   */
  async recover(rebooted: boolean): Promise<readonly string[]> {
    const { attachments, inspector, logger } = this.#options
    const attached: string[] = []
    for (const attachment of attachments.list()) {
      const key = keyOf(attachment)
      const isGone = rebooted && inspector !== undefined && !(await inspector.exists(attachment.netns))
      if (attachment.phase !== 'attached' || isGone) {
        const leftovers = await this.#takeBack(attachment)
        const what = isGone
          ? 'an attachment of before the machine started was taken back'
          : 'an attachment that was cut short was taken back'
        logger.info(what, { attachment: key, phase: attachment.phase, leftovers })
      } else attached.push(key)
    }
    return attached
  }

  /**
   * Claims the endpoint of an attachment of a process before this one, and the node's device by which it is reached from there; false when the attachment
   * was taken away meanwhile.
   *
   * @throws EndpointError
   */
  async restore(key: string): Promise<boolean> {
    const { attachments, endpoints, nodeAddresses } = this.#options
    const attachment = attachments.get(key)
    if (attachment?.phase !== 'attached') return false
    await endpoints.add(endpointOf(attachment))
    await nodeAddresses?.restoreDevice(attachment)
    return true
  }

  /**
   * Undoes everything that can be undone and says what could not. The record goes last, and only when nothing else is left.
   *
   * @param mayHaveEndpoint false while none was asked for: one of this place is then another one's
   */
  async #takeBack(attachment: Attachment, mayHaveEndpoint = true): Promise<readonly string[]> {
    const { attachments, endpoints, addressSource } = this.#options
    const leftovers: string[] = []
    const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        leftovers.push(`${what}: ${asCniError(error).message}`)
      }
    }
    await attempt('record', async () => attachments.put({ ...attachment, phase: 'removing' }))
    if (mayHaveEndpoint) {
      await attempt('node addresses', async () => this.#options.nodeAddresses?.detach(attachment))
      await attempt('endpoint', async () => this.#removeEndpoint(endpoints, attachment))
    }
    // An address must not be given to somebody else while its endpoint is there.
    if (!leftovers.some((text) => text.startsWith('endpoint'))) {
      await attempt('addresses', async () =>
        addressSource(attachment.delegated?.raw['ipam']).release(contextOf(attachment, attachment.delegated)),
      )
    }
    if (leftovers.every((text) => text.startsWith('record'))) {
      leftovers.length = 0
      await attempt('record', async () => attachments.drop(keyOf(attachment)))
    }
    return leftovers
  }

  /** Only an endpoint that this attachment made: of the same place another one may stand there. */
  async #removeEndpoint(endpoints: EndpointService, attachment: Attachment): Promise<void> {
    const { vrf, netns, ifname, addresses } = attachment
    const there = endpoints.find({ netns, ifname })
    if (there === undefined) return
    const isOurs = there.vrf === vrf && addresses.every((text) => there.addresses.some((one) => String(one) === text))
    if (isOurs) await endpoints.remove({ netns, ifname })
  }

  /** @throws CniError when the container is none, or its interface is known to be there */
  async #checkNamespace({ netns, ifname, config }: AddRequest): Promise<void> {
    const { inspector, endpoints } = this.#options
    const isThere =
      endpoints.find({ netns, ifname }) !== undefined ||
      config.prevResult?.interfaces.some((one) => one.name === ifname && one.sandbox === netns) === true
    if (isThere) throw new CniError(CNI_CODES.exists, `there is an interface ${ifname} in ${netns} already`)
    if (inspector === undefined) return
    if (!(await inspector.exists(netns))) throw new CniError(CNI_CODES.unknownContainer, `there is no network namespace at ${netns}`)
    if (await inspector.isOwn(netns)) throw new CniError(CNI_CODES.hostNamespace, `${netns} is the namespace of the host`)
  }

  /** @throws CniError when the container has an interface of the name of which nobody here knows */
  async #checkName({ netns, ifname }: AddRequest): Promise<void> {
    if (await this.#options.inspector?.has(netns, ifname))
      throw new CniError(CNI_CODES.exists, `there is an interface ${ifname} in ${netns} already`)
  }

  #record(
    { containerId, ifname, netns, config, path, args }: AddRequest,
    network: CniNetwork,
    { link, rateLimits }: { readonly link: EndpointLink; readonly rateLimits: RateLimits | undefined },
  ): Attachment {
    const delegated = delegateOf(config.ipam) === undefined ? {} : { delegated: { raw: config.raw, path, args } }
    const { name, vrf } = network
    const place = { config: config.name, containerId, ifname, netns, network: name, vrf }
    const asked = { ...(link === 'ip' ? {} : { link }), ...(rateLimits && { rateLimits }) }
    return { phase: 'adding', ...place, addresses: [], ...asked, ...delegated }
  }

  /** @throws CniError 7 when the network wants node addresses and there are none here */
  async #withNodeAddresses(attachment: Attachment, { name, nodeAddress, report }: CniNetwork): Promise<Attachment> {
    const { nodeAddresses } = this.#options
    const reports = report === 'node-address'
    if (nodeAddress !== true && !reports) return attachment
    if (nodeAddresses === undefined)
      throw new CniError(CNI_CODES.invalidConfiguration, `the network ${name} wants node addresses, and none are given out here`)
    const given = await nodeAddresses.attach(attachment)
    return { ...attachment, nodeAddresses: given, ...(reports ? { reportsNodeAddresses: true } : {}) }
  }
}

/** What the runtime is told of: the addresses that the endpoint has, or those that it has on the node. */
function reported(grant: AddressGrant, { reportsNodeAddresses, nodeAddresses = [] }: Attachment): AddressGrant {
  if (reportsNodeAddresses !== true) return grant
  return { ...grant, ips: nodeAddresses.map((address) => ({ address: `${address}/${IpAddress.parse(address).bits}` })) }
}

/** What address management is asked for an attachment, with what the request said, or what is recorded of it. */
function contextOf({ containerId, ifname, netns, config, network }: Attachment, from: Attachment['delegated']): AddressContext {
  const { raw = {}, args = {}, path = [] } = from ?? {}
  return { containerId, ifname, netns, network, args, path, config: { name: config, raw } }
}
