import { EndpointError, hasFeature, type DataplaneCapabilities, type EndpointService } from '@heddle/core'
import type { CniNetwork, NodeAddressOptions, NodeTranslator, NotReady, PoolDefinition } from '@heddle/cni'
import type { Clock, Logger } from '@heddle/io'
import { IpAddress, IpPrefix } from '@heddle/wire'
import type { CniMetricsSection, CniNetworkSection, CniPoolSection, CniSection, NodeDocument } from '../config/document.js'

/** What the plugin of a node works with. */
export interface CniParts {
  readonly endpoints: EndpointService
  readonly capabilities: Pick<DataplaneCapabilities, 'kind' | 'features'>
  readonly clock: Clock
  readonly logger: Logger
  /** What is counted besides the plugin, for those who are served metrics. */
  readonly metrics: () => string
  readonly notReady: () => NotReady | undefined
}

/**
 * Serves the plugin that the configuration describes, if it describes one. What it needs is loaded then.
 *
 * @returns what it counts, and how to end it; what is attached stays
 * @throws StoreError, CniServeError; CniError when a pool contradicts itself; EndpointError `endpoint.unsupported` when a network wants a link that the
 * dataplane has not
 */
export async function startCni(
  { cni: section, node, dataplane }: NodeDocument,
  { capabilities, metrics: others, ...parts }: CniParts,
): Promise<RunningCni> {
  if (section === undefined) return { metrics: () => '', stop: async () => undefined }
  checkLinks(section, capabilities)
  const { createCni, PoolIpam } = await import('@heddle/cni')
  const { appendLogStore, bootId, DEFAULT_CNI_SOCKET, execPlugin, folderBlocks, kernelInspector, nftTranslator, serveCni, serveMetrics } =
    await import('@heddle/cni/node')
  const { quarantine = DEFAULT_QUARANTINE, annotation } = section
  const store = await appendLogStore(section.store ?? `/var/lib/heddle/${node.name}.cni`)
  try {
    const networks = section.networks.map(networkOf)
    const { blocks } = section
    const shared = blocks === undefined ? {} : { blocks: folderBlocks(blocks, node.name) }
    const ipam = new PoolIpam({ store, quarantine: quarantine * 1000, ...shared })
    for (const network of networks) ipam.usage(network) // says now what is wrong with a pool, and not to the first pod
    const cni = await createCni({
      networks,
      ipam,
      store,
      ...parts,
      bootId: await bootId(),
      delegate: execPlugin({ logger: parts.logger }),
      // Endpoints in memory have no namespace to look into.
      ...(dataplane?.kind === 'memory' ? {} : { inspector: kernelInspector() }),
      ...(annotation === undefined ? {} : { annotation }),
      ...(networks.some(hasNodeAddresses) ? { nodeAddresses: await nodeAddressesOf(section, nftTranslator) } : {}),
    })
    const listener = await serveCni(cni, section.socket ?? DEFAULT_CNI_SOCKET).catch((error: unknown) => {
      cni.stop()
      throw error
    })
    const stop = async (): Promise<void> => {
      cni.stop()
      await listener.close()
      await store.close()
    }
    try {
      const metrics =
        section.metrics === undefined ? undefined : await serveMetrics(() => others() + cni.metrics(), metricsAt(section.metrics))
      return { metrics: () => cni.metrics(), stop: async () => void (await Promise.all([metrics?.close(), stop()])) }
    } catch (error) {
      cni.stop()
      await listener.close()
      throw error
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

function checkLinks({ networks }: CniSection, capabilities: CniParts['capabilities']): void {
  const network = hasFeature(capabilities, 'ethernet') ? undefined : networks.find(({ link }) => link === 'ethernet')
  if (network === undefined) return
  const message = `the network ${network.name} of cni has link "ethernet", which the dataplane ${capabilities.kind} does not offer; link "ip" needs nothing`
  throw new EndpointError('endpoint.unsupported', message)
}

/** The plugin of a node. */
export interface RunningCni {
  /** As `Cni.metrics`; empty where no plugin is served. */
  metrics(): string
  stop(): Promise<void>
}

function metricsAt({ address = '127.0.0.1', port }: CniMetricsSection): { address: string; port: number } {
  return { address, port }
}

/** Seconds. */
const DEFAULT_QUARANTINE = 60

function networkOf(section: CniNetworkSection): CniNetwork {
  const { name, vrf = name, namespaces = [], pools = [], link = 'ip', nameservers, nodeAddress = false, report = 'address' } = section
  const dns = nameservers === undefined ? {} : { dns: { nameservers } }
  return { name, vrf, namespaces, pools: pools.map(poolOf), link, nodeAddress, report, ...dns }
}

function hasNodeAddresses({ nodeAddress, report }: CniNetwork): boolean {
  return nodeAddress === true || report === 'node-address'
}

async function nodeAddressesOf(
  { nodeAddresses }: Pick<CniSection, 'nodeAddresses'>,
  translator: () => Promise<NodeTranslator>,
): Promise<NodeAddressOptions> {
  const prefixes = nodeAddresses?.map((text) => IpPrefix.parse(text))
  return { translator: await translator(), ...(prefixes === undefined ? {} : { prefixes }) }
}

function poolOf({ prefix, first, last, gateway, exclude, block }: CniPoolSection): PoolDefinition {
  return {
    prefix: IpPrefix.parse(prefix),
    ...(first === undefined ? {} : { first: IpAddress.parse(first) }),
    ...(last === undefined ? {} : { last: IpAddress.parse(last) }),
    ...(gateway === undefined ? {} : { gateway: IpAddress.parse(gateway) }),
    ...(exclude === undefined ? {} : { exclude: exclude.map((text) => IpPrefix.parse(text)) }),
    ...(block === undefined ? {} : { block }),
  }
}
