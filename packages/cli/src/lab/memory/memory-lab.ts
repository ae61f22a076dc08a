import { memoryDataplane, memoryUnderlay, type MemoryDataplane, type MemoryUnderlay } from '@heddle/dataplane-memory'
import { nodeClock } from '@heddle/io/node'
import { memoryNetwork, type MemoryHost, type MemoryNetwork } from '@heddle/io/testing'
import { IpAddress } from '@heddle/wire'
import type { NodeDocument, SpeakerDocument } from '../../config/document.js'
import { createNode } from '../../node/create-node.js'
import { createSpeaker } from '../../node/create-speaker.js'
import type { NodeHandle, SpeakerHandle } from '../../node/role-handle.js'
import { LabError } from '../errors.js'
import type { DropRow, NeighborRow, RouteRow, ViewName, Views } from '@heddle/agent'
import type { CaptureView, Flow, Lab, PingResult } from '../lab.js'
import { nodeDocument } from '../node-document.js'
import { labRd, POD_IFNAME, type LabNode, type LabPod, type LabTopology } from '../topology.js'
import { MemoryCapture } from './memory-capture.js'
import { MemoryPods, memoryNetns } from './memory-pods.js'

/** Milliseconds one way between two sites. */
const LATENCY = 1

export interface MemoryLabOptions {
  readonly topology: LabTopology
  /** Where the capture goes; none is made without it. */
  readonly captureFile?: string
}

/** One site: what runs there, and what stays when that ends. */
interface Site {
  readonly node: LabNode
  readonly host: MemoryHost
  dataplane: MemoryDataplane | undefined
  handle: NodeHandle | undefined
}

/** The topology in one process: nodes over memory dataplanes, sessions over a network in memory, a Heddle speaker in the place of the gateway. */
export class MemoryLab implements Lab {
  readonly kind = 'memory'
  readonly description: string
  readonly #network: MemoryNetwork
  readonly #underlay: MemoryUnderlay = memoryUnderlay()
  readonly #sites = new Map<string, Site>()
  readonly #pods = new MemoryPods()
  readonly #capture: MemoryCapture | undefined
  #gateway: SpeakerHandle | undefined

  private constructor(readonly options: MemoryLabOptions) {
    const { topology, captureFile } = options
    this.description = `one process: memory dataplanes and transports, a Heddle speaker as ${topology.gateway.name}`
    this.#network = memoryNetwork({ clock: nodeClock, latency: LATENCY })
    for (const node of topology.nodes) {
      const host = this.#network.host(node.name, node.address)
      this.#sites.set(node.name, { node, host, dataplane: undefined, handle: undefined })
    }
    if (captureFile !== undefined) this.#capture = new MemoryCapture(this.#underlay, topology, captureFile)
  }

  /** Makes everything and starts it; removes what it made when that fails. */
  static async start(options: MemoryLabOptions, progress: (line: string) => void): Promise<MemoryLab> {
    const lab = new MemoryLab(options)
    try {
      const { nodes, gateway } = options.topology
      progress(`starting ${gateway.name}, ${nodes.map(({ name }) => name).join(', ')}`)
      const { transport } = lab.#network.host(gateway.name, gateway.address)
      lab.#gateway = await createSpeaker(gatewayDocument(options.topology), { transport })
      await Promise.all(nodes.map(async ({ name }) => lab.startNode(name)))
      return lab
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** What `heddle show` would print of a node. */
  async show<Name extends ViewName>(node: string, what: Name): Promise<Views[Name]> {
    return this.#handle(node).show(what)
  }

  async neighbors(node: string): Promise<readonly NeighborRow[]> {
    return this.#handle(node).show('neighbors')
  }

  async routes(node: string): Promise<readonly RouteRow[]> {
    return this.#handle(node).show('routes')
  }

  async drops(node: string): Promise<readonly DropRow[]> {
    return this.#handle(node).show('drops')
  }

  async ping(from: LabPod, to: string, count: number): Promise<PingResult> {
    return this.#pods.ping(from, to, count)
  }

  async whoIs(from: LabPod, to: string): Promise<string | undefined> {
    return this.#pods.whoIs(from, to)
  }

  async throughput(): Promise<undefined> {
    return undefined
  }

  async flow(from: LabPod, to: string): Promise<Flow> {
    return this.#pods.flow(from, to)
  }

  async addPod(pod: LabPod): Promise<void> {
    const { handle, dataplane } = this.#site(pod.node)
    if (handle === undefined || dataplane === undefined) throw new LabError('lab.node', `${pod.node} does not run`)
    const addresses = pod.addresses.map((text) => IpAddress.parse(text))
    await handle.endpoints.add({ vrf: pod.vrf, netns: memoryNetns(pod), ifname: POD_IFNAME, addresses })
    await this.#pods.place(pod, dataplane)
  }

  async killAgent(node: string): Promise<void> {
    const site = this.#site(node)
    site.host.terminate() // what a kernel does for a process that died
    await site.handle?.stop({ restart: true })
    site.handle = undefined
  }

  async killNode(node: string): Promise<void> {
    await this.killAgent(node)
    const site = this.#site(node)
    await site.dataplane?.close()
    site.dataplane = undefined
  }

  async startNode(name: string): Promise<void> {
    const { topology } = this.options
    const site = this.#site(name)
    const addresses = [IpAddress.parse(site.node.address)]
    site.dataplane ??= memoryDataplane({ underlay: this.#underlay, addresses, clock: nodeClock })
    const document: NodeDocument = { ...nodeDocument(topology, site.node, { netns: memoryNetns }), dataplane: { kind: 'memory' } }
    site.handle = await createNode(document, { transport: site.host.transport, dataplane: site.dataplane })
    for (const pod of topology.pods) if (pod.node === name) await this.#pods.place(pod, site.dataplane)
  }

  async peerView(): Promise<undefined> {
    return undefined
  }

  async capture(): Promise<CaptureView | undefined> {
    return this.#capture?.read()
  }

  now(): number {
    return performance.now()
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds))
  }

  async close(): Promise<void> {
    this.#capture?.close()
    await Promise.all([...this.#sites.values()].map(async ({ handle }) => handle?.stop()))
    await Promise.all([...this.#sites.values()].map(async ({ dataplane }) => dataplane?.close()))
    await this.#gateway?.stop()
  }

  #site(name: string): Site {
    const site = this.#sites.get(name)
    if (site === undefined) throw new LabError('lab.topology', `there is no node ${name}`)
    return site
  }

  #handle(name: string): NodeHandle {
    const { handle } = this.#site(name)
    if (handle === undefined) throw new LabError('lab.node', `${name} does not run`)
    return handle
  }
}

/** The gateway as `heddle speaker` would run it: a route reflector that originates one VPN prefix a family. */
function gatewayDocument({ gateway, as, nodes, vrfs, external, holdTime }: LabTopology): SpeakerDocument {
  return {
    node: { name: gateway.name, address: gateway.address },
    bgp: {
      as,
      holdTime,
      listen: [{ address: gateway.address }],
      neighbors: nodes.map(({ address, gracefulRestart }) => ({
        address,
        as,
        families: ['vpnv4-unicast', 'vpnv6-unicast'],
        passive: true,
        routeReflectorClient: true,
        gracefulRestart,
      })),
      networks: external.map(({ vrf: name, prefix, label }) => {
        const vrf = vrfs.find((candidate) => candidate.name === name)
        if (vrf === undefined) throw new LabError('lab.topology', `route ${prefix} names a VRF that is not there`)
        return { rd: labRd(gateway, vrf), prefix, label, routeTargets: [vrf.routeTarget] }
      }),
    },
  }
}
