import {
  DATAPLANE_FEATURES,
  DataplaneError,
  type ApplyReport,
  type CounterSnapshot,
  type Dataplane,
  type DataplaneCapabilities,
  type DataplaneEvent,
  type DataplaneLimits,
  type DataplaneState,
  type DeviceFacts,
  type DeviceRequest,
  type FibTransaction,
} from '@heddle/core'
import { BfdSessions, ForwardingEngine, MAX_LABEL_STACK_DEPTH, type PacketOut } from '@heddle/forwarding'
import { EventQueue, type Logger, type Timer } from '@heddle/io'
import { LinuxError, NativeUnavailableError, Netlink, NetworkNamespace, Poller, type Watch } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import { randomInt } from 'node:crypto'
import { BfdSockets } from './bfd-sockets.js'
import { configureDevice, openDevice, samePlace } from './device.js'
import { ForwardingLoop } from './forwarding-loop.js'
import { PacketMemory } from './packet-memory.js'
import type { Sink } from './sink.js'
import { TunPort } from './tun-port.js'
import { openTunnels, type Tunnels } from './tunnels.js'
import { watch } from './watching.js'

export interface TunForwarderOptions {
  /** Underlay addresses: those that tunnels of the tables have as `local`. */
  readonly addresses: readonly IpAddress[]
  /** Path of the underlay's network namespace; the process's own when left out. */
  readonly underlayNetns?: string | undefined
  /** Source ports per address that carry entropy: a power of two. */
  readonly entropyPorts: number
  readonly logger: Logger
}

const LIMITS: DataplaneLimits = {
  vrfs: 4096,
  ports: 4096,
  nextHops: 1_048_576,
  groups: 1_048_576,
  groupMembers: 256,
  labels: 1_048_576,
  vnis: 65_536,
  routes: 4_194_304,
  labelStackDepth: MAX_LABEL_STACK_DEPTH,
  policies: 131_072,
  policyRules: 1024,
  flows: 65_536,
  services: 65_536,
  natPools: 4096,
  liveness: 4096,
  serviceBackends: 4096,
  mirrors: 1024,
  traces: 64,
}

/** How often namespaces are looked for, milliseconds. */
const LOOK_INTERVAL = 1000

interface Attached {
  readonly tun: TunPort
  /** Number of the device's namespace: a path may come to mean another one. */
  readonly namespace: number
  readonly watch: Watch
}

/** The userspace dataplane in this process: TUN devices on one side, underlay sockets on the other, the forwarding engine in between. */
export class TunForwarder implements Dataplane {
  readonly capabilities: DataplaneCapabilities
  readonly events = new EventQueue<DataplaneEvent>()
  readonly #options: TunForwarderOptions
  readonly #engine: ForwardingEngine
  readonly #memory = new PacketMemory()
  readonly #poller: Poller
  readonly #tunnels: Tunnels
  readonly #loop: ForwardingLoop
  readonly #watches: Watch[] = []
  readonly #bfd: BfdSockets | undefined
  readonly #sessions: BfdSessions | undefined
  readonly #ports = new Map<number, Attached>()
  /** Work on devices, one after the other. */
  #devices: Promise<unknown> = Promise.resolve()
  readonly #timer: NodeJS.Timeout
  #closed = false

  private constructor(options: TunForwarderOptions, poller: Poller, tunnels: Tunnels, bfd: BfdSockets | undefined) {
    const features = DATAPLANE_FEATURES.filter((feature) => feature !== 'liveness' || bfd !== undefined)
    this.#options = options
    this.#poller = poller
    this.#tunnels = tunnels
    this.capabilities = {
      kind: 'tun',
      encapsulations: tunnels.encapsulations,
      underlayFamilies: [...new Set(options.addresses.map(({ family }) => family))].sort((a, b) => a - b),
      survivesClose: false,
      limits: LIMITS,
      features,
    }
    this.#engine = new ForwardingEngine({
      limits: LIMITS,
      encapsulations: tunnels.encapsulations,
      features,
      clock: { now: () => performance.now() },
      epoch: performance.timeOrigin,
      observe: (event) => this.events.push(event),
      outer: 'socket',
      underlayMtu: tunnels.mtu,
      hasDevice: (port) => this.#ports.has(port),
    })
    const sinks = {
      device: (port: number): Sink | undefined => this.#ports.get(port)?.tun,
      underlay: (out: PacketOut): Sink | undefined => tunnels.sink(out),
    }
    this.#loop = new ForwardingLoop(this.#engine, this.#memory, sinks)
    tunnels.serve(this.#engine, this.#memory, (local, mtu) => {
      this.#engine.underlayMtu = tunnels.mtu
      this.events.push({ type: 'underlay-changed', local, mtu })
    })
    this.#bfd = bfd
    this.#sessions =
      bfd &&
      new BfdSessions({
        clock: { setTimer },
        random: { uint32: () => randomInt(0, 0x1_0000_0000) },
        send: (object, packet) => bfd.send(object, packet),
        changed: ({ id }, isUp, reason) => {
          this.#engine.setLiveness(id, isUp)
          this.events.push({ type: isUp ? 'liveness-up' : 'liveness-down', liveness: id, reason })
        },
      })
    if (this.#sessions !== undefined) bfd?.serve(poller, this.#sessions)
    for (const receiver of tunnels.receivers) {
      const gone = (reason: string): void => options.logger.error('An underlay socket failed', { reason })
      this.#watches.push(this.#watch(receiver.socket.fd, () => this.#loop.fromUnderlay(receiver), gone))
    }
    this.#timer = setInterval(() => void this.#inTurn(() => this.#look()), LOOK_INTERVAL).unref()
  }

  /**
   * Opens the underlay sockets; tables are empty.
   *
   * @throws DataplaneError `dataplane.device` when an address or port cannot be had or the native part is missing, `dataplane.permission`
   */
  static async open(options: TunForwarderOptions): Promise<TunForwarder> {
    let poller: Poller | undefined
    try {
      poller = Poller.open()
      return new TunForwarder(options, poller, await openTunnels(options), await BfdSockets.open(options))
    } catch (cause) {
      poller?.close()
      if (!(cause instanceof LinuxError) && !(cause instanceof NativeUnavailableError)) throw cause
      throw new DataplaneError('dataplane.device', `the underlay cannot be opened: ${cause.message}`, { cause })
    }
  }

  async apply(transaction: FibTransaction, signal?: AbortSignal): Promise<ApplyReport> {
    this.#mustBeOpen()
    signal?.throwIfAborted()
    const report = this.#engine.apply(transaction)
    if (report.status === 'refused') return report
    for (const id of transaction.liveness?.remove ?? []) this.#sessions?.remove(id)
    for (const object of transaction.liveness?.set ?? []) this.#sessions?.set(object)
    for (const port of transaction.ports.remove) await this.#inTurn(() => this.#remove(port, 'removed'))
    return report
  }

  async dump(): Promise<DataplaneState> {
    this.#mustBeOpen()
    const devices = Array.from(this.#ports.values(), ({ tun: { port, request, facts } }) => ({ ...request, ...facts, port }))
    return { ...this.#engine.state(), devices }
  }

  async counters(): Promise<CounterSnapshot> {
    this.#mustBeOpen()
    return this.#engine.counters()
  }

  async attachPort(port: number, device: DeviceRequest): Promise<DeviceFacts> {
    this.#mustBeOpen()
    const { underlayNetns } = this.#options
    const request = device.netns === undefined && underlayNetns !== undefined ? { ...device, netns: underlayNetns } : device
    return this.#inTurn(() => this.#attach(port, request))
  }

  async detachPort(port: number): Promise<void> {
    this.#mustBeOpen()
    await this.#inTurn(() => this.#remove(port, 'detached'))
  }

  /** With `keep` the devices stay for another forwarder to adopt; meanwhile nothing is forwarded. */
  async close(options?: { readonly keep?: boolean }): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    await this.#inTurn(async () => {
      for (const watch of this.#watches) watch.close()
      await Promise.all(Array.from(this.#ports.keys(), (port) => this.#remove(port, 'closed', options?.keep)))
    })
    this.#sessions?.close()
    this.#bfd?.close()
    this.#tunnels.close()
    this.#poller.close()
    this.events.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #attach(port: number, request: DeviceRequest): Promise<DeviceFacts> {
    if (!this.#engine.hasPort(port)) throw new DataplaneError('dataplane.port-unknown', `no transaction has set port ${port}`)
    for (const { tun } of this.#ports.values()) {
      if (tun.port !== port && samePlace(tun.request, request)) {
        throw new DataplaneError('dataplane.device', `${request.ifname} is the device of port ${tun.port}`)
      }
    }
    const namespace = namespaceOf(request)
    const before = this.#ports.get(port)
    const here = before !== undefined && samePlace(before.tun.request, request) && before.namespace === namespace
    const { device, facts } = here
      ? { device: before.tun.device, facts: await configureDevice(before.tun.facts.ifindex, request) }
      : await openDevice(request)
    if (here) before.watch.close()
    else await this.#remove(port, 'replaced')
    const tun = new TunPort(port, device, request, facts, this.#memory, this.#engine)
    const watched = this.#watch(
      device.fd,
      () => this.#loop.fromPort(tun),
      (reason) => this.#gone(port, reason),
    )
    this.#ports.set(port, { tun, watch: watched, namespace })
    if (!here) this.events.push({ type: 'port-up', port })
    return facts
  }

  #watch(fd: number, turn: () => boolean, gone: (reason: string) => void): Watch {
    return watch(this.#poller, { fd, turn, gone, flush: () => this.#loop.flush() }, this.#options.logger)
  }

  async #remove(port: number, reason: string, keep = false): Promise<void> {
    const attached = this.#ports.get(port)
    if (attached === undefined) return
    const { watch, tun } = attached
    this.#ports.delete(port)
    watch.close()
    this.events.push({ type: 'port-down', port, reason })
    if (!keep) await this.#delete(tun)
    tun.device.close()
  }

  /** Deletes a device by netlink, on a thread: by its descriptor it would stop the forwarding of all others for some ten milliseconds. */
  async #delete({ port, request, facts, device }: TunPort): Promise<void> {
    try {
      using netlink = await Netlink.open(request.netns)
      await netlink.links.delete(facts.ifindex)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      this.#options.logger.debug('A device was not deleted by its link', { port, reason: error.message })
      try {
        device.setPersist(false)
      } catch (gone) {
        this.#options.logger.debug('A device was gone before it was removed', { port, reason: String(gone) })
      }
    }
  }

  /** The device went away under us: deleted, or with its namespace. */
  #gone(port: number, reason: string): void {
    this.#options.logger.warn('A device is gone', { port, reason })
    void this.#remove(port, reason, true)
  }

  /** An open descriptor keeps its namespace, so the end of a namespace shows only in that its path leads there no more. */
  async #look(): Promise<void> {
    for (const [port, { tun, namespace }] of this.#ports) {
      if (namespaceOf(tun.request) === namespace) continue
      this.#options.logger.warn('A namespace is gone', { port, netns: tun.request.netns })
      await this.#remove(port, `the namespace ${tun.request.netns} is gone`)
    }
  }

  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#devices.then(work)
    this.#devices = result.catch(() => undefined)
    return result
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new DataplaneError('dataplane.closed', 'the dataplane was closed')
  }
}

/** Number of the namespace that a request names; 0 when there is none. */
function namespaceOf({ netns }: DeviceRequest): number {
  try {
    return NetworkNamespace.identity(netns)
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    return 0
  }
}

function setTimer(delay: number, fire: () => void): Timer {
  const timer = setTimeout(fire, delay)
  return { cancel: () => clearTimeout(timer) }
}
