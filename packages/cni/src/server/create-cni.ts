import type { EndpointService } from '@heddle/core'
import { silentLogger, type Clock, type Logger } from '@heddle/io'
import { DelegatedAddresses, delegateOf, type PluginRunner } from '../ipam/delegated-addresses.js'
import { PoolAddresses } from '../ipam/pool-addresses.js'
import type { PoolIpam } from '../ipam/pool-ipam.js'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { Environment } from '../protocol/environment.js'
import { readRequest, type CniRequest } from '../protocol/request.js'
import { answerVersion, errorResponse, resultResponse, SILENT_SUCCESS, versionResponse, type CniResponse } from '../protocol/response.js'
import type { Store } from '../store/store.js'
import type { AddressSource } from './address-source.js'
import { attachmentKey, AttachmentTable, keyOf, type Attachment } from './attachment.js'
import { checkAttachment, checkContainer, withOwnAddresses, type CheckRequest } from './check.js'
import type { NamespaceInspector } from './inspector.js'
import { Lifecycle, type AddRequest } from './lifecycle.js'
import { CniMetrics } from './metrics.js'
import { NodeAddresses, type NodeAddressOptions } from './node-addresses.js'
import { chooseNetwork, type NetworkSource } from './network.js'
import { Restoration } from './restoration.js'
import { SerialByKey } from './serial-by-key.js'
import { asCniError } from './staged.js'

/** Why ADD cannot be served: 50, or 51 when containers that are attached suffer too. */
export interface NotReady {
  readonly code: 50 | 51
  readonly reason: string
}

/** What a plugin works with; all of it is handed in. */
export interface CniOptions {
  /** The virtual networks. */
  readonly networks: NetworkSource
  /** Gives out addresses of their pools; over the same store. */
  readonly ipam: PoolIpam
  /** Attaches containers to VRFs: an agent's. */
  readonly endpoints: EndpointService
  /** Keeps what is attached over restarts. */
  readonly store: Store
  /** Runs the plugin that a configuration delegates address management to; without it such a configuration is refused. */
  readonly delegate?: PluginRunner
  /** Looks into containers; without it CHECK trusts the dataplane, and ADD that the interface's name is free. */
  readonly inspector?: NamespaceInspector
  /** Key of the pod annotation that names a network; without it no annotation does. */
  readonly annotation?: string
  /** Reaches endpoints of networks with `nodeAddress` from the node itself; without it such a network is refused. */
  readonly nodeAddresses?: NodeAddressOptions
  /** Tells one start of the machine from another (node: `bootId()`); without it every start of the process counts as one of the same. */
  readonly bootId?: string
  /** Asked by STATUS; default: always ready. */
  readonly notReady?: () => NotReady | undefined
  /** Measures durations, and tells when endpoints that could not be restored are tried again; default: none are. */
  readonly clock?: Clock
  /** Default: silent. */
  readonly logger?: Logger
}

/** A plugin as a server: what a runtime asks of its executable, the executable asks here. */
export interface Cni {
  /**
   * Answers one call. Never throws: an error is a response.
   *
   * @param input what came on standard input
   * @param signal aborts when nobody waits for the answer any more: an ADD is then taken back
   */
  handle(environment: Environment, input: string, signal?: AbortSignal): Promise<CniResponse>
  /** What is attached, or was and could not be taken away. */
  attachments(): readonly Attachment[]
  /** `cni_*` in the OpenMetrics format. */
  metrics(): string
  /** Tries nothing again any more that could not be restored; what is attached stays. Idempotent. */
  stop(): void
}

/**
 * Makes a plugin. Resolves when what a process before this one left in the store is brought to its end: an ADD or DEL that was cut short is taken
 * back, and endpoints that were attached are attached. Those that the dataplane does not give are tried again (after 1 s, then twice the time, 15 s at most)
 * until it does or they are taken away.
 */
export async function createCni(options: CniOptions): Promise<Cni> {
  const server = new CniServer(options)
  await server.recover()
  return server
}

/** Key of the start of the machine in which the store was last used. */
const BOOT = 'boot'

class CniServer implements Cni {
  readonly #options: CniOptions
  readonly #attachments: AttachmentTable
  readonly #lifecycle: Lifecycle
  readonly #restoration: Restoration
  readonly #nodeAddresses: NodeAddresses | undefined
  readonly #pools: AddressSource
  readonly #delegated: AddressSource | undefined
  readonly #serial = new SerialByKey()
  readonly #metrics = new CniMetrics()

  constructor(options: CniOptions) {
    const { endpoints, store, ipam, networks, annotation, delegate, inspector, nodeAddresses, logger = silentLogger } = options
    this.#options = options
    this.#attachments = new AttachmentTable(store)
    this.#pools = new PoolAddresses({
      ipam,
      isInUse: (vrf, address) => endpoints.find({ vrf, address }) !== undefined,
      isKnown: (key) => this.#attachments.get(key) !== undefined,
    })
    this.#delegated = delegate === undefined ? undefined : new DelegatedAddresses(delegate)
    this.#nodeAddresses = nodeAddresses === undefined ? undefined : new NodeAddresses(nodeAddresses, { endpoints, ipam, store })
    this.#lifecycle = new Lifecycle({
      endpoints,
      attachments: this.#attachments,
      addressSource: (from) => this.#addressSource(from),
      network: async ({ config, args }) => chooseNetwork(networks, config, args, annotation),
      inspector,
      nodeAddresses: this.#nodeAddresses,
      logger,
    })
    this.#restoration = new Restoration({ restore: async (key) => this.#restore(key), clock: options.clock, logger })
  }

  async recover(): Promise<void> {
    const { store, bootId } = this.#options
    const before = store.get(BOOT)
    await this.#nodeAddresses?.restore(this.#attachments.list())
    const attached = await this.#lifecycle.recover(bootId !== undefined && before !== undefined && before !== bootId)
    if (bootId !== undefined && before !== bootId) await store.commit([{ key: BOOT, value: bootId }])
    await this.#restoration.begin(attached)
  }

  attachments(): readonly Attachment[] {
    return this.#attachments.list()
  }

  metrics(): string {
    const { networks, ipam } = this.#options
    const known = typeof networks === 'function' ? [] : networks
    const addresses = known.flatMap((network) =>
      ipam.usage(network).flatMap(({ family, total, used, quarantined }) => {
        const sample = (state: string, value: number): readonly [string, number] => [
          `{network="${network.name}",family="ipv${family}",state="${state}"}`,
          value,
        ]
        return [sample('used', used), sample('quarantined', quarantined), sample('total', Number(total))]
      }),
    )
    return this.#metrics.text({ cni_attachments: [['', this.#attachments.list().length]], cni_addresses: addresses })
  }

  stop(): void {
    this.#restoration.stop()
  }

  async handle(environment: Environment, input: string, signal?: AbortSignal): Promise<CniResponse> {
    const { clock, logger = silentLogger } = this.#options
    const start = clock?.now() ?? 0
    let request: CniRequest | undefined
    let response: CniResponse
    let failure: CniError | undefined
    try {
      request = readRequest(environment, input)
      response = await this.#answer(request, signal)
    } catch (error) {
      failure = asCniError(error)
      response = errorResponse(failure, answerVersion(input))
    }
    const seconds = ((clock?.now() ?? 0) - start) / 1000
    this.#metrics.record(request?.verb ?? 'unknown', failure?.code ?? 0, seconds)
    const about =
      request === undefined || request.verb === 'VERSION'
        ? {}
        : { network: request.config.name, container: request.containerId, ifname: request.ifname }
    const fields = { verb: request?.verb, ...about, seconds }
    if (failure === undefined) logger.debug('a call was answered', fields)
    else logger.warn('a call was refused', { ...fields, code: failure.code, error: failure.message, details: failure.details })
    return response
  }

  async #answer(request: CniRequest, signal: AbortSignal | undefined): Promise<CniResponse> {
    switch (request.verb) {
      case 'VERSION':
        return versionResponse(request.cniVersion)
      case 'ADD': {
        const result = await this.#serial.run(request.containerId, async () => this.#lifecycle.add(request, signal))
        return resultResponse(result, request.config.cniVersion)
      }
      case 'DEL':
        await this.#serial.run(request.containerId, async () => this.#delete(request))
        return SILENT_SUCCESS
      case 'CHECK':
        await this.#serial.run(request.containerId, async () => this.#check(request))
        return SILENT_SUCCESS
      case 'GC':
        await this.#collect(request)
        return SILENT_SUCCESS
      default:
        await this.#status(request)
        return SILENT_SUCCESS
    }
  }

  async #delete(request: AddRequest): Promise<void> {
    const attachment = this.#attachments.get(attachmentKey(request.config.name, request))
    if (attachment === undefined) await this.#lifecycle.detachUnknown(request)
    else await this.#lifecycle.detach(attachment)
  }

  /** In the order of the calls for its container. */
  async #restore(key: string): Promise<boolean> {
    const containerId = this.#attachments.get(key)?.containerId
    return containerId !== undefined && this.#serial.run(containerId, async () => this.#lifecycle.restore(key))
  }

  async #check(asked: CheckRequest): Promise<void> {
    const { endpoints, inspector } = this.#options
    const { config, containerId, ifname, netns, args, path } = asked
    const known = this.#attachments.get(attachmentKey(config.name, asked))
    const request = withOwnAddresses(asked, known)
    const attachment = checkAttachment(request, known, endpoints)
    const context = { containerId, ifname, netns, args, path, config, network: attachment.network }
    await this.#addressSource(config.ipam).check(context, config)
    if (inspector !== undefined) await checkContainer(request, attachment, inspector)
  }

  async #collect({ config, path, validAttachments }: Extract<CniRequest, { readonly verb: 'GC' }>): Promise<void> {
    const valid = new Set(validAttachments.map((name) => attachmentKey(config.name, name)))
    const problems: string[] = []
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work()
      } catch (error) {
        const { message, details } = asCniError(error)
        problems.push(details === '' ? message : `${message} (${details})`)
      }
    }
    const gone = this.#attachments.list().filter((attachment) => attachment.config === config.name && !valid.has(keyOf(attachment)))
    for (const { containerId, ...rest } of gone) {
      await attempt(async () => this.#serial.run(containerId, async () => this.#lifecycle.detach({ containerId, ...rest })))
    }
    await attempt(async () => this.#addressSource(config.ipam).collect(config, path))
    if (problems.length > 0)
      throw new CniError(CNI_CODES.collect, `${problems.length} of what GC had to remove is left`, problems.join('; '))
  }

  async #status({ config, path, args }: Extract<CniRequest, { readonly verb: 'STATUS' }>): Promise<void> {
    const reason = this.#options.notReady?.()
    if (reason !== undefined) throw new CniError(reason.code, reason.reason)
    try {
      const { networks, annotation } = this.#options
      const network = config.raw['network'] === undefined ? undefined : await chooseNetwork(networks, config, args, annotation)
      await this.#addressSource(config.ipam).status(config, path, network)
    } catch (error) {
      const { code, message, details } = asCniError(error)
      throw new CniError(code === CNI_CODES.limitedConnectivity ? code : CNI_CODES.notReady, message, details, { cause: error })
    }
  }

  #addressSource(ipam: unknown): AddressSource {
    const type = delegateOf(ipam)
    if (type === undefined) return this.#pools
    if (this.#delegated !== undefined) return this.#delegated
    throw new CniError(CNI_CODES.unsupportedField, `ipam.type is ${JSON.stringify(type)}, and no address management is delegated here`)
  }
}
