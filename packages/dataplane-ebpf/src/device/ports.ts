import {
  DataplaneError,
  type ApplyFailure,
  type DataplaneEvent,
  type DataplaneState,
  type DeviceFacts,
  type DeviceRequest,
} from '@heddle/core'
import type { EventQueue, Logger } from '@heddle/io'
import { LinkReaper, LinuxError, Netlink, NetworkNamespace, type Link } from '@heddle/linux'
import { MacAddress } from '@heddle/wire'
import { macOf } from '../layout/objects.js'
import { allOf } from '../all-of.js'
import type { EbpfAttachment } from '../probe.js'
import type { InspectedLink } from '../inspect-kernel.js'
import { attemptsInto } from '../tables/changes.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { decodeRequest, routesOf, samePlace } from './device-request.js'
import { EgressPrograms, linkPin, PROGRAM, type EgressProgramsOptions } from './egress-programs.js'
import { hostNamesOf, WrittenDevices, type WrittenDevicesOptions } from './written-devices.js'
import {
  checkPlace,
  findLink,
  isEndOf,
  namespaceOf,
  openPair,
  raisePair,
  setResolving,
  setSegments,
  type DevicePair,
  type EbpfDeviceKind,
  type PeerEnd,
} from './device-pair.js'

export interface PortsOptions extends WrittenDevicesOptions, Omit<EgressProgramsOptions, 'object'> {
  readonly maps: KernelMaps
  /** Of the router's namespace. */
  readonly netlink: Netlink
  /** What new devices are. */
  readonly devices: EbpfDeviceKind
  /** Octets of the largest segment that the uplink takes in one piece. */
  readonly largestSegment: number
  readonly events: EventQueue<DataplaneEvent>
  readonly logger: Logger
}

/**
 * How long no device has come or gone before one is moved from its filter to tcx, milliseconds. A packet costs less by tcx, but the move and the device's end
 * wait for a grace period of RCU each, tens of milliseconds in which no link of the machine can be changed: endpoints that come in crowds, or for moments, are
 * not to pay that.
 */
const CALM = 10_000

/** Devices whose programs are looked for at a look; all of them in turn. */
const ASKED_AT_ONCE = 32

/** A link went by itself, with its namespace, or by somebody else. */
const GONE: readonly string[] = ['ENODEV', 'ENOENT']

interface Attached {
  readonly request: DeviceRequest
  readonly facts: DeviceFacts
  readonly hostIndex: number
  /** Number of the device's namespace: a path may come to mean another one. */
  readonly namespace: number
  /** To detach the program by. */
  readonly attachment: number
  readonly means: EbpfAttachment
  /** Whether it could not be moved to tcx, and stays as it is. */
  readonly isUnmovable: boolean
  /** Whether the endpoint looks for its neighbours. */
  readonly resolves: boolean
  /** Octets of the largest segment that it was told to let pass; one that was taken over is told anew, whatever it was told before. */
  readonly largestSegment: number | undefined
  /** Why it could not be told, as it was logged. */
  readonly unfit: string | undefined
  /** Whether a dataplane before this one made it: since then the path of its namespace may have come to lead to another one. */
  readonly isAdopted: boolean
}

/** The devices of ports: pairs with the egress program at the router's end. */
export class Ports {
  readonly #options: PortsOptions
  readonly #written: WrittenDevices
  readonly #programs: EgressPrograms
  readonly #attached = new Map<number, Attached>()
  /** By port, what is still to be done to take its last device away, since the kernel refused it. */
  readonly #left = new Map<number, readonly (() => unknown)[]>()
  /** Ports whose devices were set down, since their programs were gone and could not be had again. */
  readonly #down = new Set<number>()
  readonly #reaper = new LinkReaper()
  #largestSegment: number
  /** Ports whose programs were not looked for in this round. */
  #round: number[] = []
  /** When a device came or went last; see `performance.now`. */
  #changed = performance.now()

  constructor(options: PortsOptions) {
    this.#options = options
    this.#written = new WrittenDevices(options)
    this.#programs = new EgressPrograms({ ...options, object: options.maps.object })
    this.#largestSegment = options.largestSegment
  }

  /** Takes over the devices that a dataplane before this one has left; those that are gone meanwhile are forgotten. */
  async adopt(): Promise<void> {
    const { netlink, netns } = this.#options
    await LinkReaper.sweep(netns)
    const links = new Map((await netlink.links.list()).map((link) => [link.index, link]))
    for (const [port, written, request] of this.#written.all()) {
      const hostIndex = written.get('ifindex')
      // Before Linux 6.9 links that go while they are listed have others left out: a device that goes on would be forgotten.
      const host = links.get(hostIndex) ?? (await findLink(netlink, hostIndex))
      const isOurs = host !== undefined && this.#written.isOf(port, host)
      if (!isOurs || request === undefined) {
        this.#isGone(port, hostIndex)
        if (!isOurs) this.#programs.unpin(port)
        continue
      }
      const facts = { ifindex: written.get('peer_ifindex'), mac: macOf(written.octets('peer_mac')), mtu: written.get('peer_mtu') }
      const decoded = decodeRequest(request)
      const means = this.#programs.meansBefore(port, host)
      const attachment = await this.#attachAgain(port, host, means)
      if (attachment === undefined) continue
      // It was without a program, or its process ended before it set it up.
      if (!host.up) await this.#set(host.index, true)
      this.#written.writeAgain(port, host)
      this.#attached.set(port, {
        request: decoded,
        facts,
        hostIndex,
        namespace: namespaceOf(decoded),
        attachment,
        means,
        isUnmovable: false,
        resolves: written.get('resolves') === 1,
        largestSegment: undefined,
        unfit: undefined,
        isAdopted: true,
      })
    }
  }

  /** Undefined when the device has gone since it was looked for. */
  async #attachAgain(port: number, host: Link, means: EbpfAttachment): Promise<number | undefined> {
    try {
      return await this.#programs.attach(port, host, means)
    } catch (error) {
      if (!(error instanceof LinuxError) || error.code !== 'ENODEV') throw error
      this.#isGone(port, host.index)
      this.#programs.unpin(port)
      return undefined
    }
  }

  #isGone(port: number, hostIndex: number): void {
    this.#options.logger.warn('A device is gone', { port })
    this.#written.forget(port, hostIndex)
  }

  /**
   * @param resolves whether the endpoint shall look for its neighbours
   * @throws DataplaneError `dataplane.netns-missing` without the endpoint's namespace; `dataplane.permission`; `dataplane.device` where the device is another
   *   port's or nobody's, or the kernel refuses it or its program
   */
  async attach(port: number, request: DeviceRequest, resolves: boolean): Promise<DeviceFacts> {
    const { netlink, events, devices } = this.#options
    for (const [other, { request: taken }] of this.#attached) {
      if (other !== port && samePlace(taken, request)) {
        throw new DataplaneError('dataplane.device', `${request.ifname} is the device of port ${other}`)
      }
    }
    // Before anything is taken away: what is refused leaves the port the device that it has.
    const namespace = await checkPlace(request)
    const before = this.#attached.get(port)
    const isHere = before !== undefined && samePlace(before.request, request) && before.namespace === namespace
    if (!isHere) await this.detach(port, 'replaced')
    const largestSegment = this.#largestSegment
    const device = { ...request, resolves, kind: devices, largestSegment }
    // One that came with another uplink has that one's name.
    const pair = await openPair(netlink, hostNamesOf(this.#options.uplink, port), device, isHere ? before.hostIndex : undefined)
    const facts = factsOf(pair)
    const isSame = isHere && before.hostIndex === pair.host.index
    // Somebody took it away, and nobody has looked since, or it is not found by its names any more: what was made in its place has no program.
    if (isHere && !isSame) {
      await this.#takeAway(port, [() => this.#buryIfThere(port, before.hostIndex)])
      await this.#lose(port, before)
    }
    const { host } = pair
    const program = isSame ? before : await this.#program(port, pair, request, resolves)
    if (isSame) {
      // Where that is refused it goes on by what was written before.
      this.#writeDown(port, pair, request, resolves)
      if (this.#down.has(port)) await this.#haveProgram(port, before.attachment)
      await raisePair(netlink, pair, request)
      this.#down.delete(port)
    } else this.#changed = performance.now()
    const { attachment, means, isUnmovable } = program
    this.#attached.set(port, {
      request,
      facts,
      hostIndex: host.index,
      namespace,
      attachment,
      means,
      isUnmovable,
      resolves,
      largestSegment,
      unfit: undefined,
      isAdopted: false,
    })
    if (!isHere) events.push({ type: 'port-up', port })
    return facts
  }

  /** Has endpoints look for their neighbours, or not, as the tables want it by port: `undefined` for one that goes. Returns those that could not be told. */
  async settle(wants: (port: number) => boolean | undefined): Promise<ApplyFailure[]> {
    const failures: ApplyFailure[] = []
    for (const [port, attached] of this.#attached) {
      const resolves = wants(port)
      if (resolves === undefined || attached.resolves === resolves) continue
      try {
        await setResolving(peerOf(attached), resolves)
      } catch (error) {
        if (!(error instanceof DataplaneError)) throw error
        failures.push({ object: { kind: 'port', key: String(port) }, code: error.code, message: error.message })
        continue
      }
      attemptsInto(failures)('port', port, () => {
        this.#written.writeResolving(port, resolves)
        this.#attached.set(port, { ...attached, resolves })
      })
    }
    return failures
  }

  /** The uplink takes segments of that many octets in one piece now, and so do devices. Those that could not be told are told at the next call. */
  async fitSegments(largest: number): Promise<void> {
    this.#largestSegment = largest
    for (const [port, attached] of this.#attached) {
      if (attached.largestSegment === largest) continue
      try {
        await setSegments(this.#options.netlink, peerOf(attached), largest)
        this.#attached.set(port, { ...attached, largestSegment: largest, unfit: undefined })
      } catch (error) {
        if (!(error instanceof DataplaneError)) throw error
        if (error.message !== attached.unfit) this.#options.logger.warn(error.message, { port })
        this.#attached.set(port, { ...attached, unfit: error.message })
      }
    }
  }

  /** Removes the device. What the kernel refuses of that is tried again by `look`, and before anything else is done for the port. @throws DataplaneError then */
  async detach(port: number, reason: string): Promise<void> {
    const attached = this.#attached.get(port)
    if (attached === undefined) return this.#takeAway(port, this.#left.get(port) ?? [])
    this.#attached.delete(port)
    this.#down.delete(port)
    this.#changed = performance.now()
    this.#options.events.push({ type: 'port-down', port, reason })
    const { request, hostIndex, attachment, namespace } = attached
    let isBuried = false
    await this.#takeAway(port, [
      () => this.#written.forget(port, hostIndex),
      // Where the path leads to another namespace by now, its end goes with the router's.
      () => (namespaceOf(request) === namespace ? this.#buryPeer(attached) : undefined),
      async () => {
        // Behind a refusal once only: its number may be another's by then.
        if (!isBuried) await this.#buryHost(hostIndex)
        isBuried = true
        // Not before it is down: what the endpoint still sends would be the host's.
        await this.#programs.detach(attachment)
      },
    ])
  }

  /** Takes steps beside each other; what the kernel refuses is left. @throws DataplaneError when something is */
  async #takeAway(port: number, steps: readonly (() => unknown)[]): Promise<void> {
    const outcomes = await Promise.allSettled(steps.map(async (step) => step()))
    const left = steps.filter((_, index) => outcomes[index].status === 'rejected')
    if (left.length === 0) return void this.#left.delete(port)
    this.#left.set(port, left)
    const { reason: cause } = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult
    if (!(cause instanceof LinuxError)) throw cause
    throw new DataplaneError('dataplane.device', `the device of port ${port} cannot be taken away: ${cause.message}`, { cause })
  }

  /** Forgets a device that is gone, and its program with it. */
  async #lose(port: number, { hostIndex, attachment }: Attached): Promise<void> {
    this.#attached.delete(port)
    this.#down.delete(port)
    this.#written.forget(port, hostIndex)
    await this.#programs.lose(attachment)
  }

  async detachAll(reason: string): Promise<void> {
    const ports = [...this.#attached.keys(), ...this.#left.keys()]
    await allOf([...ports.map((port) => () => this.detach(port, reason)), () => this.#reaper.reap()])
  }

  /** The endpoint's end, unless its number is another device's. */
  async #buryPeer({ request, facts, hostIndex, isAdopted }: Attached): Promise<void> {
    try {
      if (isAdopted) {
        using inside = await Netlink.open(request.netns)
        if (!isEndOf(await inside.links.get(facts.ifindex), hostIndex)) return
      }
      await this.#reaper.bury(request.netns, facts.ifindex, routesOf(request).map(String))
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error // gone, with its namespace or by itself; or it goes with the router's end
    }
  }

  /** As `#buryHost`, unless its number is another device's by now. */
  async #buryIfThere(port: number, hostIndex: number): Promise<void> {
    const host = await findLink(this.#options.netlink, hostIndex)
    if (host !== undefined && this.#written.isOf(port, host)) await this.#buryHost(hostIndex)
  }

  /** The router's end is down at once, and goes a little later, and the other with it. @throws LinuxError when it stays */
  async #buryHost(hostIndex: number): Promise<void> {
    try {
      await this.#reaper.bury(this.#options.netns, hostIndex, [], true)
    } catch (error) {
      if (!(error instanceof LinuxError) || !GONE.includes(error.code)) throw error
    }
  }

  /** Looks for devices that went away: a pair ends with the namespace of either end. And takes away what is left of others. */
  async look(): Promise<void> {
    // It was told when it was refused first.
    for (const [port, steps] of this.#left) await this.#takeAway(port, steps).catch(notDone)
    const indexes = Array.from(this.#attached.values(), ({ hostIndex }) => hostIndex)
    const missing = new Set(await NetworkNamespace.missingLinks(this.#options.netns, indexes))
    if (missing.size === 0) return
    for (const [port, { hostIndex }] of this.#attached) {
      if (!missing.has(hostIndex)) continue
      this.#options.logger.warn('A device is gone', { port })
      await this.detach(port, 'the device is gone').catch((error: unknown) => {
        this.#options.logger.warn(notDone(error).message, { port })
      })
    }
  }

  /** Attaches programs anew that somebody took away from devices, which would leave to the host what endpoints send; some at a look. @throws LinuxError */
  async restoreSome(): Promise<void> {
    if (this.#round.length === 0) this.#round = [...this.#attached.keys()]
    const asked = new Map<number, number>()
    for (const port of this.#round.splice(0, ASKED_AT_ONCE)) {
      const attachment = this.#attached.get(port)?.attachment
      if (attachment !== undefined) asked.set(attachment, port)
    }
    const lost = await this.#programs.lost([...asked.keys()])
    for (const [attachment, port] of asked) {
      if (lost.includes(attachment)) await this.#restore(port)
      else if (this.#down.has(port)) await this.#endDown(port)
    }
  }

  async #restore(port: number): Promise<void> {
    const { netlink, events, logger } = this.#options
    const attached = this.#attached.get(port)
    if (attached === undefined) return
    try {
      if (!this.#written.isOf(port, await netlink.links.get(attached.hostIndex))) {
        // Another device has its number by now.
        logger.warn('A device is gone', { port })
        events.push({ type: 'port-down', port, reason: 'the device is gone' })
        return await this.#lose(port, attached)
      }
      await this.#programs.restore(attached.attachment)
      logger.warn("Somebody took a device's program away: it was attached anew", { port, program: PROGRAM })
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      // With the device, which the next look finds.
      if (GONE.includes(error.code)) return
      // What its endpoint sends would come to the host.
      if (!this.#down.has(port))
        logger.warn('A device has lost its program, and is down until it has it again', { port, reason: error.message })
      this.#down.add(port)
      return await this.#set(attached.hostIndex, false)
    }
    if (this.#down.has(port)) await this.#endDown(port)
  }

  /** Sets a device up again that has its program again. @throws LinuxError */
  async #endDown(port: number): Promise<void> {
    const attached = this.#attached.get(port)
    if (attached !== undefined) await this.#set(attached.hostIndex, true)
    this.#down.delete(port)
  }

  /** Sets a device up, or down; one that is gone is found by the next look. @throws LinuxError */
  async #set(hostIndex: number, up: boolean): Promise<void> {
    try {
      await this.#options.netlink.links.change(hostIndex, { up })
    } catch (error) {
      if (!(error instanceof LinuxError) || !GONE.includes(error.code)) throw error
    }
  }

  /** Moves a program from its filter to tcx, of one device: each holds up whoever has work on a link of the machine. */
  async moveOne(): Promise<void> {
    const { hasTcx, logger } = this.#options
    if (!hasTcx || performance.now() - this.#changed < CALM) return
    const found = [...this.#attached].find(([, { means, isUnmovable }]) => means === 'clsact' && !isUnmovable)
    if (found === undefined) return
    const [port, attached] = found
    try {
      await this.#programs.moveToTcx(attached.attachment)
      this.#attached.set(port, { ...attached, means: 'tcx' })
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      logger.warn('A device stays with its filter', { port, reason: error.message })
      if (error.code === 'EBUSY') return void this.#attached.set(port, { ...attached, isUnmovable: true })
      // What else the kernel has refused it may do later, behind all others.
      this.#attached.delete(port)
      this.#attached.set(port, attached)
      this.#changed = performance.now()
    }
  }

  /** Links at the router's end of endpoints' devices, in order of their ports. */
  links(): InspectedLink[] {
    const sorted = [...this.#attached].sort(([a], [b]) => a - b)
    return sorted.map(([port, { request, hostIndex, means }]) => {
      const inside = request.netns === undefined ? '' : ` in ${request.netns}`
      return { name: `port ${port}: ${request.ifname}${inside}`, index: hostIndex, how: means, pin: linkPin(port) }
    })
  }

  devices(): DataplaneState['devices'] {
    return Array.from(this.#attached, ([port, { request, facts }]) => ({ ...request, ...facts, port })).sort((a, b) => a.port - b.port)
  }

  async #program(
    port: number,
    pair: DevicePair,
    request: DeviceRequest,
    resolves: boolean,
  ): Promise<Pick<Attached, 'attachment' | 'means' | 'isUnmovable'>> {
    const { netlink } = this.#options
    let attachment: number | undefined
    try {
      this.#writeDown(port, pair, request, resolves)
      const means = this.#programs.meansOf(pair.host)
      attachment = await this.#programs.attach(port, pair.host, means)
      await raisePair(netlink, pair, request)
      return { attachment, means, isUnmovable: false }
    } catch (cause) {
      // What is refused of that is done before the port gets another device, and by the next look.
      await this.#takeAway(port, [() => this.#written.forget(port, pair.host.index)]).catch(notDone)
      const deleted = netlink.links.delete(pair.host.index).catch(() => undefined)
      if (attachment !== undefined) await this.#undo(attachment, deleted)
      throw notAttached(port, cause)
    }
  }

  /** Has a device that was set down have its program, before it is set up. @throws DataplaneError when the kernel refuses it still */
  async #haveProgram(port: number, attachment: number): Promise<void> {
    try {
      const lost = await this.#programs.lost([attachment])
      if (lost.length > 0) await this.#programs.restore(attachment)
    } catch (cause) {
      throw notAttached(port, cause)
    }
  }

  /** Behind its device, so that it is not without; and before the port gets another one, whose program would have the same pin. */
  async #undo(attachment: number, deleted: Promise<unknown>): Promise<void> {
    await deleted
    await this.#programs.detach(attachment).catch(() => undefined)
  }

  /** @throws DataplaneError when the kernel refuses it */
  #writeDown(port: number, pair: DevicePair, request: DeviceRequest, resolves: boolean): void {
    try {
      this.#written.write(port, pair, request, resolves)
    } catch (cause) {
      if (!(cause instanceof LinuxError)) throw cause
      throw new DataplaneError('dataplane.device', `the device of port ${port} cannot be written down: ${cause.message}`, { cause })
    }
  }
}

/** What became of a program that cannot be had; what is no refusal of the kernel as it is. */
function notAttached(port: number, cause: unknown): unknown {
  if (!(cause instanceof LinuxError)) return cause
  return new DataplaneError('dataplane.device', `the program of port ${port} cannot be attached: ${cause.message}`, { cause })
}

/** What is done later. @throws what is no refusal */
function notDone(error: unknown): DataplaneError {
  if (!(error instanceof DataplaneError)) throw error
  return error
}

function peerOf({ request, facts, namespace, hostIndex }: Attached): PeerEnd {
  return { request, namespace, index: facts.ifindex, hostIndex }
}

function factsOf({ peer }: DevicePair): DeviceFacts {
  return { ifindex: peer.index, mtu: peer.mtu, ...(peer.mac === undefined ? {} : { mac: MacAddress.parse(peer.mac) }) }
}
