import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EndpointRow, NeighborRow, RouteRow } from '@heddle/agent'
import { stringify } from 'yaml'
import { ControlClient } from '../../../packages/cli/src/control/client.js'
import { FrrGateway } from '../../../packages/cli/src/lab/real/frr.js'
import { TOPOLOGY, type LabTopology } from '../../../packages/cli/src/lab/topology.js'
import { root } from '../../../scripts/lib/packages.mjs'
import type { Fabric } from './fabric.js'
import type { Machine } from './machine.js'
import { until } from './until.js'

const EXECUTABLE = join(root, 'packages', 'heddle', 'bin', 'heddle.js')

/** A reflector of FRR's in the namespace of the bridge: all that nodes learn of each other goes through it. */
export function reflectorOn(fabric: Fabric): FrrGateway {
  const gateway = { ...TOPOLOGY.gateway, name: fabric.hub, address: fabric.address }
  const topology: LabTopology = { ...TOPOLOGY, gateway, nodes: [], pods: [], external: [] }
  return new FrrGateway(topology, join(fabric.folder, 'frr'), { gracefulRestart: false })
}

export interface OverlayNodeOptions {
  readonly machine: Machine
  readonly address: string
  /** Address of the reflector. */
  readonly reflector: string
  /** Number of the node: its blocks of the pools, and in its route distinguishers. */
  readonly index: number
  readonly dataplane: 'tun' | 'ebpf'
  /** Added to each network. */
  readonly network?: object
}

/** `heddle node` in a machine, with the networks red and blue, whose pools are the same. */
export class OverlayNode {
  readonly socket: string

  private constructor(readonly options: OverlayNodeOptions) {
    this.socket = join(options.machine.folder, 'heddle.sock')
  }

  /** Starts it; resolves when it serves and its session is established. */
  static async start(options: OverlayNodeOptions): Promise<OverlayNode> {
    const node = new OverlayNode(options)
    const { machine } = options
    const config = join(machine.folder, 'node.yaml')
    writeFileSync(config, stringify(node.#document()))
    const child = machine.spawn('heddle', process.execPath, [EXECUTABLE, 'node', '--config', config, '--log-level', 'info'])
    await until(`the session of ${machine.name} is established, see ${machine.log('heddle')}`, async () => {
      if (child.exitCode !== null) throw new TypeError(`heddle node ended with ${child.exitCode}, see ${machine.log('heddle')}`)
      const neighbors = await node.neighbors().catch((): NeighborRow[] => [])
      return neighbors.length > 0 && neighbors.every(({ state }) => state === 'established')
    })
    return node
  }

  /** Runs `heddle` in the node's machine. */
  async heddle(...words: string[]): Promise<string> {
    return this.options.machine.run(process.execPath, EXECUTABLE, ...words)
  }

  async neighbors(): Promise<readonly NeighborRow[]> {
    return (await this.#show('neighbors')) as NeighborRow[]
  }

  async endpoints(): Promise<readonly EndpointRow[]> {
    return (await this.#show('endpoints')) as EndpointRow[]
  }

  async routes(): Promise<readonly RouteRow[]> {
    return (await this.#show('routes')) as RouteRow[]
  }

  async #show(what: string): Promise<unknown> {
    const client = await ControlClient.connect(this.socket)
    try {
      return await client.request('show', { what })
    } finally {
      await client.close()
    }
  }

  #document(): object {
    const { machine, address, reflector, index, dataplane, network } = this.options
    const { as, vrfs } = TOPOLOGY
    const block = { length: 28, indices: [index] }
    const pools = [
      { prefix: '10.1.0.0/24', block },
      { prefix: 'fd00:1::/120', block: { length: 124, indices: [index] } },
    ]
    return {
      socket: this.socket,
      node: { name: machine.name, address },
      bgp: { as, neighbors: [{ address: reflector, as, families: ['vpnv4-unicast', 'vpnv6-unicast'] }] },
      vrfs: vrfs.map(({ name, routeTarget, number }) => ({
        name,
        rd: `${address}:${number}`,
        import: [routeTarget],
        export: [routeTarget],
      })),
      dataplane: { kind: dataplane },
      cni: {
        annotation: ANNOTATION,
        networks: [
          ...vrfs.map(({ name }) => ({ name, pools, ...network })),
          // Its containers are known to the node by addresses of its own.
          { name: 'web', vrf: 'red', pools: [{ prefix: '10.2.0.0/24', block }], report: 'node-address' },
        ],
        quarantine: 0,
      },
    }
  }
}

/** Of a pod: names its network. */
export const ANNOTATION = 'heddle.example/network'
