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
import { LinkAddresses, RateMemory, loadFlows, saveFlows, sharedFlowMemory, type ForwardingEngine } from '@heddle/forwarding'
import { EventQueue, type Logger, type Timer } from '@heddle/io'
import { BfdSockets, LinkReaper, LinuxError, NativeUnavailableError, Poller } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import { randomInt } from 'node:crypto'
import type { Lanes } from '../lanes/lanes.js'
import { openLanes } from '../lanes/open-lanes.js'
import { KernelDrops, withKernelDrops } from './kernel-drops.js'
import { offerHandover, type Handover } from './handover.js'
import { FLOWS, LIMITS } from './limits.js'
import { Ports } from './ports.js'
import { decodeRemembered, encodeRemembered } from './remembered.js'
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
  #ports!: Ports
  readonly #kernel: KernelDrops
  /** Judges transactions and holds what is programmed; with one lane, its engine. */
  #engine!: ForwardingEngine
  #lanes!: Lanes
  readonly #flows = sharedFlowMemory(FLOWS)
  readonly #linkMemory = new SharedArrayBuffer(LinkAddresses.octets(LIMITS.ports))
  readonly #addresses = new LinkAddresses(this.#linkMemory)
  readonly #rateMemory = new SharedArrayBuffer(RateMemory.octets(LIMITS.ports))
  readonly #rates = new RateMemory(this.#rateMemory)
  /** Transactions, one after the other: each is judged by what those before it left. */
  #transactions: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(options: TunForwarderOptions, { poller, tunnels, bfd }: Parts) {
    this.#options = options
    this.#poller = poller
    this.#tunnels = tunnels
    this.#bfd = bfd
    this.#kernel = new KernelDrops(tunnels.receivers, options)
    this.capabilities = {
      kind: 'tun',
      encapsulations: tunnels.encapsulations,
      underlayFamilies: [...new Set(options.addresses.map(({ family }) => family))].sort((a, b) => a - b),
      survivesClose: false,
      limits: LIMITS,
      features: DATAPLANE_FEATURES.filter((feature) => feature !== 'joint-labels' && (feature !== 'liveness' || bfd !== undefined)),
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
          bfd.expect()
        },
      })
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
    let tunnels: Tunnels | undefined
    let bfd: BfdSockets | undefined
    let forwarder: TunForwarder | undefined
    try {
      poller = Poller.open()
      tunnels = await openTunnels({ ...options, adopted: handover?.receivers })
      bfd = handover === undefined ? await openBfd(options) : adoptBfd(options, handover.bfd)
      await LinkReaper.sweep(options.underlayNetns) // what a forwarder before this one has buried
      forwarder = new TunForwarder(options, { poller, tunnels, bfd })
      await forwarder.#begin(handover !== undefined)
      return forwarder
    } catch (cause) {
      if (forwarder === undefined) for (const part of [bfd, tunnels, poller]) part?.close()
      else await forwarder.close()
      if (!(cause instanceof LinuxError) && !(cause instanceof NativeUnavailableError)) throw cause
      throw new DataplaneError('dataplane.device', `the underlay cannot be opened: ${cause.message}`, { cause })
    }
  }

  /** Opens the lanes, and lets packets in. */
  async #begin(isPaused: boolean): Promise<void> {
    const { workers, lane, logger, failed } = this.#options
    const tunnels = this.#tunnels
    await this.#kernel.begin()
    const { engine, lanes } = await openLanes({
      workers,
      lane,
      capabilities: this.capabilities,
      tunnels,
      poller: this.#poller,
      flowMemory: this.#flows,
      linkMemory: this.#linkMemory,
      rateMemory: this.#rateMemory,
      isPaused,
      observe: (event) => this.events.push(event),
      failed,
      logger,
    })
    this.#engine = engine
    this.#lanes = lanes
    this.#ports = new Ports({
      lanes,
      events: this.events,
      hasPort: (port) => engine.hasPort(port),
      hasLink: (port) => engine.hasLink(port),
      addresses: this.#addresses,
      logger,
    })
    tunnels.watch((local, mtu, remote) => {
      if (remote === undefined) {
        this.#engine.underlayMtu = tunnels.mtu
        this.#lanes.setUnderlayMtu(tunnels.mtu)
      } else {
        this.#setPathMtu(remote, tunnels.pathMtu(remote))
      }
      this.events.push({ type: 'underlay-changed', local, mtu, ...(remote !== undefined && { remote }) })
    })
    if (!isPaused) this.#serveBfd()
  }

  #setPathMtu(remote: IpAddress, octets: number | undefined): void {
    this.#engine.setPathMtu(remote, octets)
    this.#lanes.setPathMtu(remote, octets)
  }

  #serveBfd(): void {
    this.#bfd?.serve(
      this.#poller,
      (...packet) => this.#sessions?.receive(...packet),
      undefined,
      () => this.#sessions?.list() ?? [],
    )
  }

  async apply(transaction: FibTransaction, signal?: AbortSignal): Promise<ApplyReport> {
    this.#mustBeOpen()
    signal?.throwIfAborted()
    const applied = this.#transactions.then(() => this.#apply(transaction))
    this.#transactions = applied.catch(() => undefined)
    return applied
  }

  async #apply(transaction: FibTransaction): Promise<ApplyReport> {
    const report = this.#engine.judge(transaction)
    if (report.status === 'refused') return report
    for (const { id, link } of transaction.ports.set) await this.#ports.settleKind(id, link !== undefined)
    await this.#lanes.program(transaction, () => this.#engine.commit(transaction))
    // A device that was asked for meanwhile is of the kind that was to be had then.
    for (const { id, link } of transaction.ports.set) await this.#ports.settleKind(id, link !== undefined)
    for (const id of transaction.liveness?.remove ?? []) this.#sessions?.remove(id)
    for (const object of transaction.liveness?.set ?? []) this.#sessions?.set(object)
    this.#bfd?.expect()
    for (const port of transaction.ports.remove) {
      await this.#ports.detach(port, 'removed')
      if (this.#engine.hasPort(port)) continue
      this.#addresses.forget(port)
      this.#rates.forget(port)
    }
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
      devices: this.#ports.fds,
    })
    taken.catch((error: unknown) => this.#options.logger.warn('An offer was not taken', { reason: String(error) }))
    return offers
  }

  /** Reads nothing until `resume`: packets wait in devices and sockets. Returns what is remembered, as `encodeRemembered` writes it. */
  async pause(): Promise<readonly Uint8Array[]> {
    this.#paused = this.#sessions?.save() ?? []
    this.#sessions?.close()
    this.#bfd?.pause()
    await this.#lanes.pause()
    return encodeRemembered({
      sessions: this.#paused,
      counters: await this.#lanes.counters(),
      kernel: this.#kernel.save(),
      links: this.#addresses.save(),
      rates: this.#rates.save(),
      flows: saveFlows(this.#flows, FLOWS),
    })
  }

  /** Reads on. @param remembered by the forwarder before this one; left out to go on after a pause */
  async resume(remembered: readonly Uint8Array[] = []): Promise<void> {
    const before = decodeRemembered(remembered)
    if (before !== undefined) {
      loadFlows(this.#flows, FLOWS, before.flows)
      this.#addresses.load(before.links)
      this.#rates.load(before.rates)
      this.#kernel.load(before.kernel)
      await this.#lanes.addCounters(before.counters)
    }
    await this.#lanes.resume()
    if (this.#sessions === undefined) return
    this.#serveBfd()
    this.#sessions.resume(this.#engine.state().liveness ?? [], before?.sessions ?? this.#paused)
  }

  /** Makes what another forwarder had this one's. */
  async #take({ devices: fds }: Handover, state: DataplaneState): Promise<void> {
    const transaction = transactionOf(state)
    await this.#lanes.program(transaction, () => this.#engine.program(transaction))
    for (const id of state.down ?? []) {
      this.#engine.setLiveness(id, false)
      this.#lanes.setLiveness(id, false)
    }
    for (const device of state.devices) {
      const fd = fds.find((one) => one.port === device.port)?.fd
      if (fd === undefined) throw new DataplaneError('dataplane.device', `the device of port ${device.port} was not handed over`)
      await this.#ports.adopt(device, fd)
    }
  }

  async dump(): Promise<DataplaneState> {
    this.#mustBeOpen()
    const up = this.#sessions?.up()
    return { ...this.#engine.state(), ...(up !== undefined && { up }), devices: this.#ports.devices }
  }

  async counters(): Promise<CounterSnapshot> {
    this.#mustBeOpen()
    const [counted, drops] = await Promise.all([this.#lanes.counters(), this.#kernel.read(this.#ports.devices)])
    return withKernelDrops(counted, drops)
  }

  async attachPort(port: number, device: DeviceRequest): Promise<DeviceFacts> {
    this.#mustBeOpen()
    const { underlayNetns } = this.#options
    const request = device.netns === undefined && underlayNetns !== undefined ? { ...device, netns: underlayNetns } : device
    return this.#ports.attach(port, request)
  }

  async detachPort(port: number): Promise<void> {
    this.#mustBeOpen()
    await this.#ports.detach(port, 'detached')
  }

  /** With `keep` the devices stay for another forwarder to adopt; meanwhile nothing is forwarded. */
  async close(options?: { readonly keep?: boolean }): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#ports?.close(options?.keep === true)
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

function setTimer(delay: number, fire: () => void): Timer {
  const timer = setTimeout(fire, delay)
  return { cancel: () => clearTimeout(timer) }
}
