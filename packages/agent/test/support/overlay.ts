import { Speaker } from '@heddle/bgp'
import type { Dataplane, EndpointRequest, VrfIntent } from '@heddle/core'
import { memoryDataplane, memoryHost, memoryUnderlay, type MemoryDataplane, type MemoryHost } from '@heddle/dataplane-memory'
import { ManualClock, memoryNetwork, recordingLogger, seededRandom } from '@heddle/io/testing'
import { IpAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { Agent, type AgentConfig, type AgentOptions, type DataplaneSource } from '../../src/index.js'

export const REFLECTOR = '192.0.2.254'
export const AS = 65_000
const RESTART_TIME = 60

export interface VrfText {
  readonly name: string
  readonly import?: readonly string[]
  readonly export?: readonly string[]
  readonly vni?: number
}

type Families = AgentConfig['bgp']['neighbors'][number]['families']
const FAMILIES: Families = ['vpnv4-unicast', 'vpnv6-unicast']

/** What a test wants of a node; the VRF `red` where nothing is said. */
export interface NodeWish {
  readonly vrfs?: readonly VrfText[]
  readonly endpoints?: readonly EndpointRequest[]
  readonly neighbors?: AgentConfig['bgp']['neighbors']
  /** With the reflector; VPNv4 and VPNv6 where nothing is said. */
  readonly families?: Families
}

export function endpoint(name: string, vrf: string, ...addresses: string[]): EndpointRequest {
  return { vrf, netns: `/run/netns/${name}`, ifname: 'eth0', addresses: addresses.map((text) => IpAddress.parse(text)) }
}

/** Nodes and a route reflector on one manual clock: sessions over a network in memory, packets over an underlay in memory. */
export class Overlay {
  readonly clock = new ManualClock()
  readonly network = memoryNetwork({ clock: this.clock, latency: 1 })
  readonly underlay = memoryUnderlay()
  readonly logger = recordingLogger()
  readonly #hosts = new Map<string, ReturnType<ReturnType<typeof memoryNetwork>['host']>>()
  reflector: Speaker | undefined

  async startReflector(nodes: readonly string[], { gracefulRestart = true, families = FAMILIES } = {}): Promise<Speaker> {
    const { transport } = this.host(REFLECTOR)
    this.reflector = new Speaker({
      clock: this.clock,
      random: seededRandom(7),
      transport,
      config: {
        as: AS,
        routerId: REFLECTOR,
        listen: [{ address: REFLECTOR }],
        gracefulRestart,
        neighbors: nodes.map((address) => ({
          address,
          as: AS,
          families,
          passive: true,
          routeReflectorClient: true,
        })),
      },
    })
    await this.reflector.start()
    return this.reflector
  }

  host(address: string) {
    const known = this.#hosts.get(address) ?? this.network.host(address, address)
    this.#hosts.set(address, known)
    return known
  }

  dataplane(address: string, options: Partial<Parameters<typeof memoryDataplane>[0]> = {}): MemoryDataplane {
    return memoryDataplane({ underlay: this.underlay, addresses: [IpAddress.parse(address)], ...options })
  }

  config(address: string, { vrfs = [{ name: 'red' }], endpoints = [], neighbors, families = FAMILIES }: NodeWish = {}): AgentConfig {
    return {
      name: address,
      address: IpAddress.parse(address),
      underlayMtu: 1500,
      networks: [],
      vrfs: vrfs.map((vrf, index) => vrfIntent(address, vrf, index)),
      endpoints,
      bgp: {
        as: AS,
        routerId: address,
        gracefulRestart: { restartTime: RESTART_TIME },
        neighbors: neighbors ?? [{ address: REFLECTOR, as: AS, families }],
      },
    }
  }

  async agent(config: AgentConfig, dataplane: DataplaneSource, more: Pick<AgentOptions, 'probe'> = {}): Promise<Agent> {
    const { clock, logger } = this
    const { transport } = this.host(String(config.address))
    return Agent.start({ ...more, config, dataplane, clock, random: seededRandom(1), transport, logger })
  }

  /** What the kernel does for a process that died, and an agent that does nothing any more. */
  async kill(agent: Agent): Promise<void> {
    this.host(agent.name).terminate()
    await agent.stop({ restart: true })
  }

  /** Stops agents and speakers in the time that they need. */
  async stop(...parts: readonly { stop(): Promise<void> }[]): Promise<void> {
    const stopping = Promise.all(parts.map(async (part) => part.stop()))
    await this.run(2)
    await stopping
  }

  /** Lets seconds pass. */
  async run(seconds: number): Promise<void> {
    await this.clock.run(seconds * 1000)
  }
}

function vrfIntent(address: string, { name, import: imported, export: exported, vni }: VrfText, index: number): VrfIntent {
  const own = [`${AS}:${index + 1}`]
  return {
    name,
    rd: RouteDistinguisher.parse(`${address}:${index + 1}`),
    import: (imported ?? own).map((text) => RouteTarget.parse(text)),
    export: (exported ?? own).map((text) => RouteTarget.parse(text)),
    ...(vni === undefined ? {} : { vni }),
  }
}

/** Puts a host behind each device of a dataplane; named after the last part of its namespace's path. */
export async function hostsOf(dataplane: Dataplane & Pick<MemoryDataplane, 'endpoint'>): Promise<Map<string, MemoryHost>> {
  const { devices } = await dataplane.dump()
  return new Map(
    devices.map(({ port, netns = '' }) => {
      const name = netns.slice(netns.lastIndexOf('/') + 1)
      return [name, memoryHost({ name, endpoint: dataplane.endpoint(port) })]
    }),
  )
}

/** `PREFIX label LABEL from PEER`, `*` for best, `>` for installed, `s` for stale. */
export async function routesOf(agent: Agent, vrf = 'red'): Promise<string[]> {
  return (await agent.show('routes'))
    .filter((row) => row.vrf === vrf)
    .map(
      ({ prefix, label, peer, best, installed, stale }) =>
        `${best ? '*' : ''}${installed ? '>' : ''}${stale ? 's' : ''} ${prefix} label ${label} from ${peer}`,
    )
}
