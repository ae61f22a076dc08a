import { DataplaneError, type DataplaneEvent, type DeviceFacts, type DeviceRequest } from '@heddle/core'
import type { LinkAddresses } from '@heddle/forwarding'
import type { EventQueue, Logger } from '@heddle/io'
import { LinkReaper, LinuxError, NetworkNamespace, TunDevice } from '@heddle/linux'
import type { MacAddress } from '@heddle/wire'
import type { Lanes } from '../lanes/lanes.js'
import { configureDevice, openDevice, placeOf, routesOf } from './device.js'

/** How often namespaces are looked for, milliseconds. */
const LOOK_INTERVAL = 1000

interface Attached {
  readonly device: TunDevice
  readonly request: DeviceRequest
  readonly facts: DeviceFacts
  /** Number of the device's namespace: a path may come to mean another one. */
  readonly namespace: number
}

/** A port's device, as a dump tells it. */
export type PortDevice = DeviceRequest & DeviceFacts & { readonly port: number }

export interface PortsOptions {
  readonly lanes: Lanes
  readonly events: EventQueue<DataplaneEvent>
  /** Whether a transaction has set the port. */
  readonly hasPort: (port: number) => boolean
  /** Whether the port's device is to carry Ethernet frames. */
  readonly hasLink: (port: number) => boolean
  /** Where the addresses of endpoints on Ethernet devices are known. */
  readonly addresses: LinkAddresses
  readonly logger: Logger
}

/** The ports' devices. Work on them is done in turn. */
export class Ports {
  readonly #attached = new Map<number, Attached>()
  /** Ports by where their devices are. */
  readonly #places = new Map<string, number>()
  /** Ports that wait for a device, with how many are asked for. */
  readonly #attaching = new Map<number, number>()
  readonly #lanes: Lanes
  readonly #events: EventQueue<DataplaneEvent>
  readonly #options: PortsOptions
  readonly #logger: Logger
  readonly #reaper = new LinkReaper()
  readonly #timer: NodeJS.Timeout
  #work: Promise<unknown> = Promise.resolve()
  /** Descriptors that are being closed. */
  #releases: Promise<unknown> = Promise.resolve()

  constructor(options: PortsOptions) {
    const { lanes, events, logger } = options
    this.#options = options
    this.#lanes = lanes
    this.#events = events
    this.#logger = logger
    this.#timer = setInterval(() => void this.#inTurn(() => this.#look()), LOOK_INTERVAL).unref()
  }

  /** What is attached. */
  get devices(): PortDevice[] {
    return Array.from(this.#attached, ([port, { request, facts }]) => ({ ...request, ...facts, port }))
  }

  /** Descriptors of the devices. */
  get fds(): { readonly port: number; readonly fd: number }[] {
    return Array.from(this.#attached, ([port, { device }]) => ({ port, fd: device.fd }))
  }

  /** @throws DataplaneError `dataplane.port-unknown`, `dataplane.device` when it is another port's, or cannot be had */
  async attach(port: number, request: DeviceRequest): Promise<DeviceFacts> {
    this.#attaching.set(port, (this.#attaching.get(port) ?? 0) + 1)
    try {
      return await this.#inTurn(() => this.#attach(port, request))
    } finally {
      const others = (this.#attaching.get(port) ?? 1) - 1
      if (others === 0) this.#attaching.delete(port)
      else this.#attaching.set(port, others)
    }
  }

  /** @param reason for the event that the port is down */
  detach(port: number, reason: string): Promise<void> {
    return this.#inTurn(() => this.#remove(port, reason))
  }

  /** Detaches the device of a port that is to have one of the other kind. @param hasLink whether it is to carry Ethernet frames */
  async settleKind(port: number, hasLink: boolean): Promise<void> {
    // Devices of other ports are not waited for.
    if (!this.#attaching.has(port) && !this.#isOther(port, hasLink)) return
    await this.#inTurn(() => this.#settleKind(port, hasLink))
  }

  async #settleKind(port: number, hasLink: boolean): Promise<void> {
    if (this.#isOther(port, hasLink)) await this.#remove(port, 'its link changed')
  }

  /** Whether the port has a device of the other kind. */
  #isOther(port: number, hasLink: boolean): boolean {
    const attached = this.#attached.get(port)
    return attached !== undefined && attached.device.ethernet !== hasLink
  }

  /** Takes a device that another forwarder had. */
  async adopt({ port, ifindex, mtu, mac, ...request }: PortDevice, fd: number): Promise<void> {
    const device = TunDevice.fromFd(fd, { offload: true })
    const facts = { ifindex, mtu, ...(mac !== undefined && { mac }) }
    this.#hold(port, { device, request: { ...request, mtu }, facts, namespace: namespaceOf(request) })
    await this.#lanes.addPort(port, device, (reason) => this.#gone(port, reason))
  }

  /** Gives all devices up, and the lanes. @param keep whether the devices stay */
  async close(keep: boolean): Promise<void> {
    clearInterval(this.#timer)
    await this.#inTurn(async () => {
      await Promise.all(Array.from(this.#attached.keys(), (port) => this.#remove(port, 'closed', keep)))
      await this.#lanes.close()
    })
    await this.#releases
    await this.#reaper.reap()
  }

  async #attach(port: number, request: DeviceRequest): Promise<DeviceFacts> {
    const { hasPort, hasLink, addresses } = this.#options
    if (!hasPort(port)) throw new DataplaneError('dataplane.port-unknown', `no transaction has set port ${port}`)
    const owner = this.#places.get(placeOf(request)) ?? port
    if (owner !== port) throw new DataplaneError('dataplane.device', `${request.ifname} is the device of port ${owner}`)
    const namespace = namespaceOf(request)
    const ethernet = hasLink(port)
    await this.#settleKind(port, ethernet)
    const before = this.#attached.get(port)
    if (before !== undefined && placeOf(before.request) === placeOf(request) && before.namespace === namespace) {
      const facts = await configureDevice(before.facts.ifindex, request, ethernet)
      this.#hold(port, { ...before, request, facts })
      return facts
    }
    const { device, facts } = await openDevice(request, ethernet)
    await this.#remove(port, 'replaced')
    if (facts.mac !== undefined) addresses.of(port).write(...wordsOf(facts.mac))
    this.#hold(port, { device, request, facts, namespace })
    await this.#lanes.addPort(port, device, (reason) => this.#gone(port, reason))
    this.#events.push({ type: 'port-up', port })
    return facts
  }

  #hold(port: number, attached: Attached): void {
    this.#attached.set(port, attached)
    this.#places.set(placeOf(attached.request), port)
  }

  async #remove(port: number, reason: string, keep = false): Promise<void> {
    const attached = this.#attached.get(port)
    if (attached === undefined) return
    this.#attached.delete(port)
    this.#places.delete(placeOf(attached.request))
    this.#events.push({ type: 'port-down', port, reason })
    await this.#lanes.removePort(port)
    if (!keep) await this.#delete(port, attached)
    this.#releases = Promise.all([this.#releases, attached.device.release()])
  }

  /**
   * Deletes a device by netlink, later: by its descriptor it would stop the forwarding of all others for some ten milliseconds. So it goes where its path leads to
   * another namespace by now, in which its number is another device's.
   */
  async #delete(port: number, { request, facts, device, namespace }: Attached): Promise<void> {
    try {
      if (namespaceOf(request) === namespace) return await this.#reaper.bury(request.netns, facts.ifindex, routesOf(request).map(String))
      device.setPersist(false)
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      this.#logger.debug('A device was not deleted by its link', { port, reason: error.message })
      try {
        device.setPersist(false)
      } catch (gone) {
        this.#logger.debug('A device was gone before it was removed', { port, reason: String(gone) })
      }
    }
  }

  /** The device went away under us: deleted, or with its namespace. */
  #gone(port: number, reason: string): void {
    this.#logger.warn('A device is gone', { port, reason })
    void this.#remove(port, reason, true)
  }

  /** An open descriptor keeps its namespace, so the end of a namespace shows only in that its path leads there no more. */
  async #look(): Promise<void> {
    const elsewhere = Array.from(this.#attached).filter(([, { request }]) => request.netns !== undefined)
    if (elsewhere.length === 0) return
    const found = await NetworkNamespace.identities(elsewhere.map(([, { request }]) => request.netns ?? ''))
    for (const [index, [port, attached]] of elsewhere.entries()) {
      const { request, namespace } = attached
      // Meanwhile its device may have gone.
      if (found[index] === namespace || this.#attached.get(port) !== attached) continue
      this.#logger.warn('A namespace is gone', { port, netns: request.netns })
      await this.#remove(port, `the namespace ${request.netns} is gone`)
    }
  }

  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#work.then(work)
    this.#work = result.catch(() => undefined)
    return result
  }
}

function wordsOf({ high, low }: MacAddress): [high: number, low: number] {
  return [high >>> 8, ((high << 24) | low) >>> 0]
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
