import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { LabError } from '../errors.js'
import type { DropRow, NeighborRow, RouteRow } from '@heddle/agent'
import type { CaptureView, Flow, Lab, PeerView, PingResult } from '../lab.js'
import { nodeDocument } from '../node-document.js'
import { POD_IFNAME, type LabNode, type LabPod, type LabTopology } from '../topology.js'
import type { NodeDocument } from '../../config/document.js'
import { ControlClient } from '../../control/client.js'
import { Capture } from './capture.js'
import { attempt } from './command.js'
import { FrrGateway } from './frr.js'
import { LabProcess } from './process.js'
import { RealPod } from './pod.js'
import { removeNodeState } from './leftovers.js'
import { endProcesses } from './namespaces.js'
import { Underlay } from './underlay.js'

export interface RealLabOptions {
  readonly topology: LabTopology
  /** Script that runs `heddle`. */
  readonly executable: string
  /** Where the capture goes; none is made without it. */
  readonly captureFile?: string
  /** Overrides what the topology says of every node and of the gateway. */
  readonly gracefulRestart?: boolean
  /** Sections of a node's configuration besides what the topology says. */
  readonly sections?: (node: string) => Partial<NodeDocument>
  /** Names of nodes that forward in the kernel; the others do by TUN. */
  readonly kernelNodes?: readonly string[]
}

/** How long an answer may take that is expected, milliseconds: the machine may be busy. */
const PATIENCE = 10_000

/** The topology on real parts: namespaces, `heddle node` processes with TUN devices, FRR's bgpd, dumpcap. */
export class RealLab implements Lab {
  readonly kind = 'real'
  readonly description: string
  readonly underlay: Underlay
  readonly gateway: FrrGateway
  readonly #dir: string
  readonly #nodes = new Map<string, LabProcess>()
  readonly #pods = new Map<string, RealPod>()
  #capture: Capture | undefined

  private constructor(readonly options: RealLabOptions) {
    const { kernelNodes = [] } = options
    const devices = kernelNodes.length === 0 ? 'TUN' : `TUN and BPF (${kernelNodes.join(', ')})`
    this.description = `Linux ${release()}: network namespaces, ${devices}, MPLS over UDP, FRR's bgpd`
    this.#dir = mkdtempSync(join(tmpdir(), 'heddle-lab-'))
    this.underlay = new Underlay(options.topology)
    this.gateway = new FrrGateway(options.topology, join(this.#dir, 'frr'), {
      gracefulRestart: options.gracefulRestart ?? options.topology.gateway.gracefulRestart,
    })
  }

  /** Makes everything and starts it; removes what it made when that fails. @throws LabError */
  static async start(options: RealLabOptions, progress: (line: string) => void): Promise<RealLab> {
    const lab = new RealLab(options)
    try {
      lab.underlay.refuseLeftovers()
      progress('making namespaces and links')
      await lab.underlay.create()
      if (options.captureFile !== undefined) {
        mkdirSync(join(options.captureFile, '..'), { recursive: true })
        lab.#capture = new Capture(options.topology, options.captureFile, lab.#dir)
        await lab.#capture.start(lab.underlay.interfaces)
      }
      progress("starting FRR's bgpd on the gateway")
      await lab.gateway.start()
      progress('starting the pods')
      await Promise.all(options.topology.pods.map(async (pod) => lab.#createPod(pod)))
      progress(`starting ${options.topology.nodes.map(({ name }) => name).join(', ')}`)
      await Promise.all(options.topology.nodes.map(async ({ name }) => lab.startNode(name)))
      return lab
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** Folder with the configuration and log of every part. */
  get dir(): string {
    return this.#dir
  }

  async neighbors(node: string): Promise<readonly NeighborRow[]> {
    return (await this.#show(node, 'neighbors')) as NeighborRow[]
  }

  async routes(node: string): Promise<readonly RouteRow[]> {
    return (await this.#show(node, 'routes')) as RouteRow[]
  }

  async drops(node: string): Promise<readonly DropRow[]> {
    return (await this.#show(node, 'drops')) as DropRow[]
  }

  async ping(from: LabPod, to: string, count: number, patience = PATIENCE): Promise<PingResult> {
    return this.#pod(from).ping(to, count, patience)
  }

  async whoIs(from: LabPod, to: string, patience = PATIENCE): Promise<string | undefined> {
    return this.#pod(from).whoIs(to, patience)
  }

  async throughput(from: LabPod, to: string, milliseconds: number): Promise<number | undefined> {
    return this.#pod(from).throughput(to, milliseconds)
  }

  async flow(from: LabPod, to: string): Promise<Flow> {
    return this.#pod(from).flow(to)
  }

  async addPod(pod: LabPod): Promise<void> {
    const real = await this.#createPod(pod)
    await this.#request(pod.node, 'endpoint.add', {
      vrf: pod.vrf,
      netns: real.netns,
      ifname: POD_IFNAME,
      addresses: [...pod.addresses],
    })
  }

  async removePod(pod: LabPod): Promise<void> {
    await this.#request(pod.node, 'endpoint.del', { netns: this.#pod(pod).netns, ifname: POD_IFNAME })
    await this.#pod(pod).remove()
    this.#pods.delete(pod.name)
  }

  async killAgent(node: string): Promise<void> {
    await this.#nodes.get(node)?.stop('SIGKILL')
  }

  async killNode(node: string): Promise<void> {
    await this.killAgent(node)
    await endProcesses(node)
  }

  /** Ends what forwards on a node without warning; its agent goes on. */
  async killForwarder(node: string): Promise<void> {
    await endProcesses(node, { except: this.#nodes.get(node)?.pid })
  }

  /** Ends a node as an operator does. */
  async stopNode(node: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.#nodes.get(node)?.stop(signal)
  }

  /** What a node that ended has left: processes in its namespace, devices in its pods, its socket. */
  async leftovers(node: string): Promise<readonly string[]> {
    const { stdout: pids } = await attempt('ip', ['netns', 'pids', node])
    const found = pids.split('\n').flatMap((pid) => (pid === '' ? [] : [`process ${pid}`]))
    for (const pod of this.options.topology.pods.filter((candidate) => candidate.node === node)) {
      const { stdout } = await attempt('ip', ['-n', pod.name, '-o', 'link', 'show', POD_IFNAME])
      if (stdout !== '') found.push(`${POD_IFNAME} in ${pod.name}`)
    }
    if (existsSync(this.socket(node))) found.push(this.socket(node))
    return found
  }

  async startNode(name: string): Promise<void> {
    const node = this.options.topology.nodes.find((candidate) => candidate.name === name)
    if (node === undefined) throw new LabError('lab.topology', `there is no node ${name}`)
    const config = join(this.#dir, `${name}.yaml`)
    const log = join(this.#dir, `${name}.log`)
    writeFileSync(config, stringify(this.#document(node)))
    writeFileSync(log, '', { flag: 'a' })
    const from = readFileSync(log, 'utf8').length
    const started = LabProcess.start(
      name,
      name,
      process.execPath,
      [this.options.executable, 'node', '--config', config, '--log-level', 'info'],
      { log },
    )
    this.#nodes.set(name, started)
    for (let tries = 0; tries < 2400; tries++) {
      if (/^heddle node \S+ ready/m.test(readFileSync(log, 'utf8').slice(from))) return
      if (!started.running) break
      await this.sleep(25)
    }
    throw new LabError(
      'lab.node',
      `${name} did not become ready:\n${readFileSync(log, 'utf8').slice(from).split('\n').slice(-12).join('\n')}`,
    )
  }

  async peerView(): Promise<PeerView> {
    return this.gateway.view()
  }

  async capture(): Promise<CaptureView | undefined> {
    await this.#capture?.stop()
    return this.#capture?.read()
  }

  now(): number {
    return performance.now()
  }

  sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, milliseconds))
  }

  /** Control socket of a node. */
  socket(node: string): string {
    return `/run/heddle/${node}.sock`
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(async (node) => node.stop()))
    await this.#capture?.stop()
    await this.gateway.stop()
    await Promise.all([...this.#pods.values()].map(async (pod) => pod.remove()))
    await this.underlay.remove()
    await removeNodeState(this.options.topology)
    rmSync(this.#dir, { recursive: true, force: true })
  }

  async #show(node: string, what: string): Promise<unknown> {
    return this.#request(node, 'show', { what })
  }

  async #request(node: string, method: string, params: unknown): Promise<unknown> {
    const client = await ControlClient.connect(this.socket(node))
    try {
      return await client.request(method, params)
    } finally {
      await client.close()
    }
  }

  async #createPod(pod: LabPod): Promise<RealPod> {
    const real = new RealPod(pod, this.options.executable, this.#dir)
    this.#pods.set(pod.name, real)
    await real.create()
    return real
  }

  #pod({ name }: LabPod): RealPod {
    const pod = this.#pods.get(name)
    if (pod === undefined) throw new LabError('lab.topology', `pod ${name} is not there`)
    return pod
  }

  #document(node: LabNode): NodeDocument {
    const { topology, gracefulRestart, kernelNodes, sections } = this.options
    const netns = ({ name }: LabPod): string => `/run/netns/${name}`
    return {
      ...nodeDocument(topology, node, { netns, ...(gracefulRestart === undefined ? {} : { gracefulRestart }) }),
      dataplane: { kind: kernelNodes?.includes(node.name) === true ? 'ebpf' : 'tun' },
      ...sections?.(node.name),
    }
  }
}
