import { BfdSessions, type SavedBfdSession } from '@heddle/bfd'
import {
  DATAPLANE_FEATURES,
  DataplaneError,
  LIVENESS_EVENTS,
  type ApplyReport,
  type CounterSnapshot,
  type Dataplane,
  type DataplaneCapabilities,
  type DataplaneEvent,
  type DataplaneState,
  type DeviceFacts,
  type DeviceRequest,
  type FibTransaction,
} from '@heddle/core'
import { ForwardingEngine, Sequences, loadFlows, saveFlows, sharedFlowMemory } from '@heddle/forwarding'
import { EventQueue, type Logger, type Timer } from '@heddle/io'
import { BfdSockets, LinkReaper, LinuxError, NativeUnavailableError, NetworkNamespace, Poller, TunDevice } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import { randomInt } from 'node:crypto'
import { configureDevice, openDevice, samePlace } from './device.js'
import { BatchClock, epoch } from '../lanes/batch-clock.js'
import type { Lanes } from '../lanes/lanes.js'
import { LocalLane } from '../lanes/local-lane.js'
import { ThreadedLanes } from '../lanes/threaded-lanes.js'
import { offerHandover, type Handover } from './handover.js'
import { FLOWS, LIMITS } from './limits.js'
import { transactionOf } from './restore.js'
import { openTunnels, type Tunnels } from './tunnels.js'

export interface TunForwarderOptions {
  /** Underlay addresses: those that tunnels of the tables have as `local`. */
  readonly addresses: readonly IpAddress[]
  /** Path of the underlay's network namespace; the process's own when left out. */
  readonly underlayNetns?: string | undefined
  /** Source ports per address that carry entropy: a power of two. */
  readonly entropyPorts: number
  /** Threads that forward; 0: the thread of the caller does. */
  readonly workers: number
  /** Script of such a thread, and options of Node.js for it. */
  readonly lane: { readonly script: string; readonly execArgv: readonly string[] }
  /** Called once when a thread came to its end by itself: nothing is forwarded from then on. */
  readonly failed?: (error: unknown) => void
  readonly logger: Logger
}

/** How often namespaces are looked for, milliseconds. */
const LOOK_INTERVAL = 1000

interface Attached {
  readonly device: TunDevice
  readonly request: DeviceRequest
  readonly facts: DeviceFacts
  /** Number of the device's namespace: a path may come to mean another one. */
  readonly namespace: number
}

/** What a forwarder is made of, opened in this order. */
interface Parts {
  readonly poller: Poller
  readonly tunnels: Tunnels
  readonly bfd: BfdSockets | undefined
}

/** The userspace dataplane in this process: TUN devices on one side, underlay sockets on the other, lanes in between. */
export class TunForwarder implements Dataplane {
  readonly capabilities: DataplaneCapabilities
  readonly events = new EventQueue<DataplaneEvent>()
  readonly #options: TunForwarderOptions
  readonly #poller: Poller
  readonly #tunnels: Tunnels
  readonly #bfd: BfdSockets | undefined
  readonly #sessions: BfdSessions | undefined
  /** Sessions to go on with after a pause. */
  #paused: readonly SavedBfdSession[] = []
  readonly #ports = new Map<number, Attached>()
  /** Judges transactions and holds what is programmed; with one lane, its engine. */
  #engine!: ForwardingEngine
  #lanes!: Lanes
  readonly #flows = sharedFlowMemory(FLOWS)
  /** Work on devices, one after the other. */
  #devices: Promise<unknown> = Promise.resolve()
  readonly #timer: NodeJS.Timeout
  readonly #reaper = new LinkReaper()
  #closed = false

  private constructor(options: TunForwarderOptions, { poller, tunnels, bfd }: Parts) {
    this.#options = options
    this.#poller = poller
    this.#tunnels = tunnels
    this.#bfd = bfd
    this.capabilities = {
      kind: 'tun',
      encapsulations: tunnels.encapsulations,
      underlayFamilies: [...new Set(options.addresses.map(({ family }) => family))].sort((a, b) => a - b),
      survivesClose: false,
      limits: LIMITS,
      features: DATAPLANE_FEATURES.filter((feature) => feature !== 'ethernet' && (feature !== 'liveness' || bfd !== undefined)),
    }
    this.#sessions =
      bfd &&
      new BfdSessions({
        clock: { setTimer },
        random: { uint32: () => randomInt(0, 0x1_0000_0000) },
        send: (object, packet) => bfd.send(object, packet),
        changed: ({ id }, state, reason) => {
          this.#engine.setLiveness(id, state !== 'down')
          this.#lanes.setLiveness(id, state !== 'down')
          this.events.push({ type: LIVENESS_EVENTS[state], liveness: id, reason })
        },
      })
    this.#timer = setInterval(() => void this.#inTurn(() => this.#look()), LOOK_INTERVAL).unref()
  }

  /**
   * Opens the underlay sockets; tables are empty.
   *
   * @throws DataplaneError `dataplane.device` when an address or port cannot be had or the native part is missing, `dataplane.permission`
   */
  static open(options: TunForwarderOptions): Promise<TunForwarder> {
    return TunForwarder.#open(options, undefined)
  }

  /**
   * Succeeds another forwarder of the same options: has its tables, devices and sockets, and reads none of them before `resume`.
   *
   * @param handover descriptors, which are this forwarder's from now on
   * @param state what the other one had programmed
   * @throws DataplaneError as `open`
   */
  static async adopt(options: TunForwarderOptions, handover: Handover, state: DataplaneState): Promise<TunForwarder> {
    const forwarder = await TunForwarder.#open(options, handover)
    try {
      await forwarder.#take(handover, state)
      return forwarder
    } catch (error) {
      await forwarder.close({ keep: true })
      throw error
    }
  }

  static async #open(options: TunForwarderOptions, handover: Handover | undefined): Promise<TunForwarder> {
    let poller: Poller | undefined
    let forwarder: TunForwarder | undefined
    try {
      poller = Poller.open()
      const tunnels = await openTunnels({ ...options, adopted: handover?.receivers })
      const bfd = handover === undefined ? await openBfd(options) : adoptBfd(options, handover.bfd)
      forwarder = new TunForwarder(options, { poller, tunnels, bfd })
      await forwarder.#begin(handover !== undefined)
      return forwarder
    } catch (cause) {
      if (forwarder === undefined) poller?.close()
      else await forwarder.close()
      if (!(cause instanceof LinuxError) && !(cause instanceof NativeUnavailableError)) throw cause
      throw new DataplaneError('dataplane.device', `the underlay cannot be opened: ${cause.message}`, { cause })
    }
  }

  /** Opens the lanes, and lets packets in. */
  async #begin(isPaused: boolean): Promise<void> {
    const { workers, lane, logger, failed } = this.#options
    const { encapsulations, features = [] } = this.capabilities
    const tunnels = this.#tunnels
    const common = {
      limits: LIMITS,
      encapsulations,
      features,
      underlayMtu: tunnels.mtu,
      epoch: epoch(),
      senders: tunnels.senders,
      flowMemory: this.#flows,
      observe: (event: DataplaneEvent) => this.events.push(event),
      tooLarge: (local: IpAddress, family: 4 | 6, remote: Uint32Array) => void tunnels.learn(local, family, remote),
    }
    if (workers === 0) {
      const local = new LocalLane({ ...common, clock: new BatchClock() }, tunnels.receivers, this.#poller, logger, isPaused)
      this.#engine = local.engine
      this.#lanes = local
    } else {
      const sequenceMemory = new SharedArrayBuffer(Sequences.octets)
      this.#engine = new ForwardingEngine({ ...common, sequenceMemory, outer: 'socket', clock: new BatchClock() })
      this.#lanes = await ThreadedLanes.open({
        ...common,
        ...lane,
        sequenceMemory,
        isPaused,
        threads: workers,
        receivers: tunnels.receivers,
        logger,
        failed: (error) => {
          logger.error('A thread that forwards has ended', { reason: error instanceof Error ? error.stack : String(error) })
          failed?.(error)
        },
      })
    }
    tunnels.watch((local, mtu) => {
      this.#engine.underlayMtu = tunnels.mtu
      this.#lanes.setUnderlayMtu(tunnels.mtu)
      this.events.push({ type: 'underlay-changed', local, mtu })
    })
    if (!isPaused) this.#serveBfd()
  }

  #serveBfd(): void {
    this.#bfd?.serve(this.#poller, (...packet) => this.#sessions?.receive(...packet))
  }

  async apply(transaction: FibTransaction, signal?: AbortSignal): Promise<ApplyReport> {
    this.#mustBeOpen()
    signal?.throwIfAborted()
    const report = this.#engine.apply(transaction)
    if (report.status === 'refused') return report
    await this.#lanes.program(transaction)
    for (const id of transaction.liveness?.remove ?? []) this.#sessions?.remove(id)
    for (const object of transaction.liveness?.set ?? []) this.#sessions?.set(object)
    for (const port of transaction.ports.remove) await this.#inTurn(() => this.#remove(port, 'removed'))
    return report
  }

  /**
   * Offers devices and sockets at `path` to a forwarder that is to succeed this one; both have them then.
   *
   * @returns number of offers, see `takeHandover`
   */
  offer(path: string): number {
    this.#mustBeOpen()
    const { offers, taken } = offerHandover(path, {
      receivers: this.#tunnels.handover,
      bfd: this.#bfd?.fds ?? [],
      devices: Array.from(this.#ports, ([port, { device }]) => ({ port, fd: device.fd })),
    })
    taken.catch((error: unknown) => this.#options.logger.warn('An offer was not taken', { reason: String(error) }))
    return offers
  }

  /** Reads nothing until `resume`: packets wait in devices and sockets. Returns what is remembered: BFD sessions, then flows. */
  async pause(): Promise<readonly Uint8Array[]> {
    this.#paused = this.#sessions?.save() ?? []
    this.#sessions?.close()
    this.#bfd?.pause()
    await this.#lanes.pause()
    return [new TextEncoder().encode(JSON.stringify(this.#paused)), ...saveFlows(this.#flows, FLOWS)]
  }

  /** Reads on. @param remembered by the forwarder before this one; left out to go on after a pause */
  async resume(remembered: readonly Uint8Array[] = []): Promise<void> {
    const [sessions, ...flows] = remembered
    loadFlows(this.#flows, FLOWS, flows)
    await this.#lanes.resume()
    if (this.#sessions === undefined) return
    this.#serveBfd()
    const saved = sessions === undefined ? this.#paused : (JSON.parse(new TextDecoder().decode(sessions)) as SavedBfdSession[])
    this.#sessions.resume(this.#engine.state().liveness ?? [], saved)
  }

  /** Makes what another forwarder had this one's. */
  async #take({ devices: fds }: Handover, state: DataplaneState): Promise<void> {
    const transaction = transactionOf(state)
    this.#engine.program(transaction)
    await this.#lanes.program(transaction)
    for (const id of state.down ?? []) {
      this.#engine.setLiveness(id, false)
      this.#lanes.setLiveness(id, false)
    }
    for (const { port, ifindex, mtu, mac, ...request } of state.devices) {
      const fd = fds.find((one) => one.port === port)?.fd
      if (fd === undefined) throw new DataplaneError('dataplane.device', `the device of port ${port} was not handed over`)
      const device = TunDevice.fromFd(fd, { offload: true })
      const facts = { ifindex, mtu, ...(mac !== undefined && { mac }) }
      this.#ports.set(port, { device, request: { ...request, mtu }, facts, namespace: namespaceOf(request) })
      await this.#lanes.addPort(port, device, (reason) => this.#gone(port, reason))
    }
  }

  async dump(): Promise<DataplaneState> {
    this.#mustBeOpen()
    const devices = Array.from(this.#ports, ([port, { request, facts }]) => ({ ...request, ...facts, port }))
    return { ...this.#engine.state(), ...(this.#sessions !== undefined && { up: this.#sessions.up() }), devices }
  }

  async counters(): Promise<CounterSnapshot> {
    this.#mustBeOpen()
    return this.#lanes.counters()
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
      await Promise.all(Array.from(this.#ports.keys(), (port) => this.#remove(port, 'closed', options?.keep)))
      await this.#lanes?.close()
    })
    await this.#reaper.reap()
    if (options?.keep === true) this.#sessions?.close()
    else this.#sessions?.leave()
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
    for (const [other, attached] of this.#ports) {
      if (other !== port && samePlace(attached.request, request)) {
        throw new DataplaneError('dataplane.device', `${request.ifname} is the device of port ${other}`)
      }
    }
    const namespace = namespaceOf(request)
    const before = this.#ports.get(port)
    if (before !== undefined && samePlace(before.request, request) && before.namespace === namespace) {
      const facts = await configureDevice(before.facts.ifindex, request)
      this.#ports.set(port, { ...before, request, facts })
      return facts
    }
    const { device, facts } = await openDevice(request)
    await this.#remove(port, 'replaced')
    this.#ports.set(port, { device, request, facts, namespace })
    await this.#lanes.addPort(port, device, (reason) => this.#gone(port, reason))
    this.events.push({ type: 'port-up', port })
    return facts
  }

  async #remove(port: number, reason: string, keep = false): Promise<void> {
    const attached = this.#ports.get(port)
    if (attached === undefined) return
    this.#ports.delete(port)
    this.events.push({ type: 'port-down', port, reason })
    await this.#lanes.removePort(port)
    if (!keep) await this.#delete(port, attached)
    attached.device.close()
  }

  /** Deletes a device by netlink, later: by its descriptor it would stop the forwarding of all others for some ten milliseconds. */
  async #delete(port: number, { request, facts, device }: Attached): Promise<void> {
    try {
      await this.#reaper.bury(request.netns, facts.ifindex)
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
    for (const [port, { request, namespace }] of this.#ports) {
      if (namespaceOf(request) === namespace) continue
      this.#options.logger.warn('A namespace is gone', { port, netns: request.netns })
      await this.#remove(port, `the namespace ${request.netns} is gone`)
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

/** Undefined when the sockets cannot be had, since another BFD runs on these addresses. */
async function openBfd({ addresses, underlayNetns, logger }: TunForwarderOptions): Promise<BfdSockets | undefined> {
  try {
    return await BfdSockets.open(addresses, underlayNetns)
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    logger.warn('Liveness is not offered', { reason: error.message })
    return undefined
  }
}

function adoptBfd(options: TunForwarderOptions, fds: readonly number[]): BfdSockets | undefined {
  return fds.length === 0 ? undefined : BfdSockets.adopt(options.addresses, fds)
}

/** Number of the namespace that a request names; 0 when there is none. */
function namespaceOf({ netns }: Pick<DeviceRequest, 'netns'>): number {
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
