import { setImmediate } from 'node:timers/promises'
import {
  DataplaneError,
  type ApplyFailure,
  type ApplyReport,
  type CounterSnapshot,
  type DataplaneCapabilities,
  type DataplaneEvent,
  type DataplaneFeature,
  type DataplaneState,
  type DeviceFacts,
  type DeviceRequest,
  type Encapsulation,
  type FibTransaction,
  type KernelInspection,
} from '@heddle/core'
import { ForwardingEngine } from '@heddle/forwarding'
import { untilAborted, type EventQueue, type Logger } from '@heddle/io'
import { LinuxError, type Netlink } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import { allOf } from './all-of.js'
import type { Ports } from './device/ports.js'
import type { PathWatch } from './device/path-watch.js'
import { largestSegment } from './device/segments.js'
import { TRANSIT_PIN, type Transit } from './device/transit.js'
import type { EbpfXdp } from './device/xdp.js'
import type { UplinkProgram } from './device/uplink-program.js'
import type { SegmentMerger } from './device/segment-merger.js'
import type { EbpfDataplane } from './ebpf-dataplane.js'
import { inspect } from './inspect.js'
import { inspectKernel } from './inspect-kernel.js'
import type { EbpfInspection } from './inspection.js'
import { checkRoom, limitsOf, withoutRefused } from './limits.js'
import type { KeeperScript } from './liveness/keeper-process.js'
import type { Liveness } from './liveness/liveness.js'
import type { NativeLock } from './native/binding.js'
import type { Mirrors } from './observe/mirrors.js'
import type { Traces } from './observe/traces.js'
import { call } from './native/call.js'
import { deleteUnclaimed } from './older-layout.js'
import { removePins } from './pins.js'
import type { Survival } from './pin-survival.js'
import type { EbpfChoice, EbpfFeatureName } from './probe.js'
import { OFFERED_FEATURES } from './features.js'
import { attemptFor, attemptsInto, idOf, NOTHING, removedIn } from './tables/changes.js'
import type { KernelMaps } from './tables/kernel-maps.js'
import { foundSizes, type AskedCapacity } from './tables/map-sizes.js'
import type { KernelTables } from './tables/kernel-tables.js'
import { someObjectOf } from './tables/some-object.js'
import { takeAwayKept } from './take-away-kept.js'

export interface EbpfRouterOptions {
  readonly choice: EbpfChoice
  readonly addresses: readonly IpAddress[]
  readonly uplink: string
  readonly underlayNetns: string | undefined
  readonly encapsulations: readonly Encapsulation[]
  readonly pinDirectory: string | undefined
  readonly asked: AskedCapacity
  readonly keeper: KeeperScript | undefined
  readonly xdp: EbpfXdp | undefined
  /** Features to do without although the kernel may have them. */
  readonly without: readonly EbpfFeatureName[]
  readonly logger: Logger
}

/** How often links are looked at, milliseconds. */
const LOOK_INTERVAL = 1000
/** How often flows that are too old are taken away. */
const SWEEP_INTERVAL = 10_000

/** What of a transaction the kernel refused. */
interface Written {
  readonly written: ApplyFailure[]
  /** Of the devices of ports that are gone, once they had their turns. */
  readonly detached: Promise<ApplyFailure[]>
}

/** The parts that an open dataplane is made of. */
interface Parts {
  readonly maps: KernelMaps
  readonly tables: KernelTables
  readonly ports: Ports
  /** Of segments in VXLAN, and of those behind joint labels. */
  readonly mergers: Readonly<Record<'vxlan' | 'joint', SegmentMerger>>
  readonly netlink: Netlink
  readonly locks: readonly NativeLock[]
  /** Undefined where there is none. */
  readonly liveness: Liveness | undefined
  readonly mirrors: Mirrors
  readonly traces: Traces
  readonly events: EventQueue<DataplaneEvent>
  readonly uplinkIndex: number
  readonly ingress: UplinkProgram
  readonly transit: Transit
  readonly paths: PathWatch
  readonly survival: Survival
}

/** The kernel dataplane: BPF programs forward, this object writes their tables and makes their devices. */
export class EbpfRouter implements EbpfDataplane {
  readonly capabilities: DataplaneCapabilities
  readonly events: EventQueue<DataplaneEvent>
  readonly choice: EbpfChoice
  readonly #options: EbpfRouterOptions
  readonly #parts: Parts
  /** Judges transactions by the rules that all dataplanes share; forwards nothing. */
  #judge: ForwardingEngine
  /** Whether the judge knows of tables that the kernel may not hold. */
  #isMisled = false
  /** Work on devices, one after the other. */
  #devices: Promise<unknown> = Promise.resolve()
  readonly #timers: readonly NodeJS.Timeout[]
  /** Whether a look waits for its turn, or has it. */
  #isLooking = false
  /** Why the last look did not see all, as it was logged. */
  #unseen: ReadonlySet<string> = new Set()
  /** What looks could not have endpoints do, as it was logged, by port. */
  #unsettled: ReadonlyMap<string, string> = new Map()
  #isSweeping = false
  /** Lost: its uplink is gone, and it has ended by itself. Closed: by whoever opened it. */
  #state: 'open' | 'lost' | 'closed' = 'open'
  /** What it does to end by itself. */
  #losing: Promise<void> | undefined
  /** What it does since it was closed first. */
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(options: EbpfRouterOptions, parts: Parts) {
    this.#options = options
    this.choice = options.choice
    this.#parts = parts
    this.events = parts.events
    const { liveness, mergers, maps, tables } = parts
    const isThere: Partial<Record<DataplaneFeature, boolean>> = {
      liveness: liveness !== undefined,
      'joint-labels': mergers.joint.isMerging,
    }
    this.capabilities = {
      kind: 'ebpf',
      encapsulations: options.encapsulations,
      underlayFamilies: [...new Set(options.addresses.map(({ family }) => family))].sort((a, b) => a - b),
      survivesClose: parts.survival.goesOn,
      features: OFFERED_FEATURES.filter((feature) => isThere[feature] ?? true),
      limits: limitsOf(tables.fib.rows.capacity, maps.capacity('flows'), maps.capacity('ports'), maps.capacity('policies')),
    }
    this.#judge = this.#newJudge()
    this.#timers = [
      setInterval(() => void this.#lookInTurn(), LOOK_INTERVAL).unref(),
      setInterval(() => void this.#sweep(), SWEEP_INTERVAL).unref(),
    ]
  }

  async apply(transaction: FibTransaction, signal?: AbortSignal): Promise<ApplyReport> {
    this.#mustBeOpen()
    signal?.throwIfAborted()
    const report = this.#apply(transaction)
    return signal === undefined ? report : untilAborted(report, signal)
  }

  async #apply(transaction: FibTransaction): Promise<ApplyReport> {
    const unread = this.#isMisled ? this.#judgeAnew() : ''
    if (unread !== '') return this.#refused(transaction, unread)
    const judged = this.#judge.judge(transaction)
    if (judged.status === 'refused') return judged
    // One of them is not what all others wait for: whoever wants it wants it with each transaction.
    const tooLarge = checkRoom(transaction)
    const { written, detached } = await this.#write(transaction, withoutRefused(transaction, tooLarge))
    const failures = [...tooLarge, ...written]
    // What is judged next is what the kernel holds, and not what it refused.
    if (failures.length > 0) this.#judgeAnew()
    const { mergers, transit } = this.#parts
    // How fast packets go is nothing that an object says: what the kernel refuses of it the next look asks for again.
    const aside = (work: () => Promise<void>): Promise<void> => this.#whileOpen(() => this.#warned(work))
    if (this.choice.mergesVxlan && transaction.vnis.set.length > 0) await aside(() => mergers.vxlan.ensure())
    if (transaction.labels.set.some(({ action }) => action.type === 'swap')) await aside(() => transit.swaps())
    if (transaction.ports.set.length > 0) failures.push(...(await this.#whileOpen(() => this.#settle())))
    return { ...judged, failures: [...failures, ...(await detached)] }
  }

  async dump(): Promise<DataplaneState> {
    this.#mustBeOpen()
    const { ports, paths } = this.#parts
    return { ...read(() => this.#tables()), detours: paths.detours(), devices: ports.devices() }
  }

  async counters(): Promise<CounterSnapshot> {
    this.#mustBeOpen()
    return read(() => this.#parts.tables.counters.snapshot())
  }

  async attachPort(port: number, device: DeviceRequest): Promise<DeviceFacts> {
    this.#mustBeOpen()
    if (!this.#judge.hasPort(port)) throw new DataplaneError('dataplane.port-unknown', `no transaction has set port ${port}`)
    const { underlayNetns } = this.#options
    const request = device.netns === undefined && underlayNetns !== undefined ? { ...device, netns: underlayNetns } : device
    return this.#inTurn(() => this.#parts.ports.attach(port, request, this.#judge.hasLink(port)))
  }

  async detachPort(port: number): Promise<void> {
    this.#mustBeOpen()
    await this.#inTurn(() => this.#parts.ports.detach(port, 'detached'))
  }

  inspect(): EbpfInspection {
    this.#mustBeOpen()
    return inspect(this.#parts.maps.object)
  }

  async inspectKernel(wanted?: { readonly parts?: boolean }): Promise<KernelInspection> {
    this.#mustBeOpen()
    const { maps, tables, ports, uplinkIndex, transit, mergers, survival } = this.#parts
    const { uplink, underlayNetns, pinDirectory, asked } = this.#options
    const room = { sizes: foundSizes(asked, (map) => maps.capacity(map)), usedBlocks: tables.fib.memory.used }
    const links = [
      ...(transit.isAttached ? [{ name: `uplink ${uplink}`, index: uplinkIndex, how: 'xdp' as const, pin: TRANSIT_PIN }] : []),
      { name: `uplink ${uplink}`, index: uplinkIndex, how: this.choice.uplink, pin: 'uplink' },
      ...ports.links(),
    ]
    return inspectKernel({
      object: maps.object,
      choice: this.choice,
      without: this.#options.without,
      transit,
      mergers,
      room,
      survival,
      links,
      underlayNetns,
      pinDirectory,
      ...wanted,
    })
  }

  async close(options?: { readonly keep?: boolean }): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#close(options)
      return this.#closing
    }
    // What became of it the first is told.
    await this.#closing.catch(() => undefined)
  }

  async #close(options: { readonly keep?: boolean } | undefined): Promise<void> {
    this.#state = 'closed'
    const { pinDirectory, underlayNetns: netns, logger } = this.#options
    const isKept = options?.keep === true && pinDirectory !== undefined
    if (this.#losing === undefined) return this.#end(isKept)
    await this.#losing
    if (isKept || pinDirectory === undefined) return
    await takeAwayKept({ pinDirectory, netns, uplink: this.#parts.uplinkIndex, logger })
  }

  async #end(isKept: boolean): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    const { maps, netlink, locks, liveness, mirrors, traces } = this.#parts
    await allOf([
      () => liveness?.close(isKept),
      () => traces.close(),
      // Behind a transaction that opens collectors.
      () => this.#inTurn(() => mirrors.close()),
      () => this.#inTurn(() => (isKept ? undefined : this.#dismantle())),
      () => call(() => maps.object.close()),
      () => netlink.close(),
      ...locks.map((lock) => () => lock.release()),
      () => this.events.end(),
    ])
  }

  /** Everything in the kernel that is not to go on. */
  async #dismantle(): Promise<void> {
    const { ports, mergers, transit, ingress, netlink, uplinkIndex } = this.#parts
    const { pinDirectory } = this.#options
    await allOf([
      () => ports.detachAll(this.#state === 'lost' ? 'the uplink is gone' : 'closed'),
      () => deleteUnclaimed(netlink, uplinkIndex),
      () => mergers.vxlan.remove(),
      () => mergers.joint.remove(),
      () => transit.detach(),
      () => ingress.detach(),
      () => (pinDirectory === undefined ? undefined : removePins(pinDirectory)),
    ])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Runs a program on a frame, for tests. @param netns namespace of the loopback link that it comes from @internal */
  run(
    program: string,
    frame: Uint8Array,
    segment = 0,
    repeat = 1,
    netns?: string,
  ): { verdict: number; duration: number; packet: Uint8Array } {
    return call(() => this.#parts.maps.object.testRun(program, frame, segment, repeat, netns))
  }

  /** The parts, for tests. @internal */
  get parts(): Pick<Parts, 'maps' | 'tables' | 'ports' | 'ingress' | 'mergers' | 'transit' | 'locks'> {
    return this.#parts
  }

  #tables(): Omit<DataplaneState, 'devices'> {
    const { tables, liveness, mirrors, traces } = this.#parts
    return { ...tables.dump(), ...liveness?.dump(), mirrors: mirrors.dump(), traces: traces.dump() }
  }

  /**
   * @param judged the transaction as it was found valid @param transaction what of it there is room for
   * @throws what is no refusal of an object; what was written until then counts, for programs and for what is judged next
   */
  async #write(judged: FibTransaction, transaction: FibTransaction): Promise<Written> {
    const { maps, mirrors, traces } = this.#parts
    try {
      const failures = this.#program(judged, transaction)
      // In turn before what is asked for behind this: a port that is set again may get another device.
      const detached = this.#detachRemoved(removedIn(judged.ports, idOf))
      const { mirrors: changes } = transaction
      if (changes !== undefined) failures.push(...(await this.#whileOpen(() => mirrors.program(changes))))
      this.#mustBeOpen()
      if (transaction.traces !== undefined) failures.push(...traces.program(transaction.traces))
      return { written: failures, detached }
    } catch (error) {
      if (this.#state === 'open') {
        maps.forgetDecisions()
        this.#judgeAnew()
      }
      throw error
    }
  }

  /** Watches first, and what is watched no more last, so that no next hop names what is not there. */
  #program(judged: FibTransaction, transaction: FibTransaction): ApplyFailure[] {
    const { tables, liveness } = this.#parts
    const { set, remove } = transaction.liveness ?? NOTHING
    const failures: ApplyFailure[] = []
    const attempt = attemptsInto(failures)
    tables.begin(transaction)
    for (const object of set) attempt('liveness', object.id, () => liveness?.set(object))
    for (const failure of tables.program(transaction, () => this.#judge.commit(judged))) failures.push(failure)
    for (const id of removedIn({ set, remove }, idOf)) attempt('liveness', id, () => liveness?.remove(id))
    const changed = [...set.map(idOf), ...remove]
    if (changed.length > 0) attemptFor(failures, 'liveness', changed)(() => liveness?.tell())
    return failures
  }

  /** Takes away the devices of ports that are gone, in turn; what the kernel refuses of that. */
  #detachRemoved(ports: readonly number[]): Promise<ApplyFailure[]> {
    const detached = Promise.all(ports.map((port) => this.#whileOpen(() => this.#detach(port)))).then((failures) => failures.flat())
    // It is told to whoever waits for it, unless something else was before.
    detached.catch(() => undefined)
    return detached
  }

  async #detach(port: number): Promise<ApplyFailure[]> {
    try {
      await this.#parts.ports.detach(port, 'removed')
      return []
    } catch (error) {
      if (!(error instanceof DataplaneError)) throw error
      return [{ object: { kind: 'port', key: String(port) }, code: error.code, message: error.message }]
    }
  }

  #settle(): Promise<ApplyFailure[]> {
    return this.#parts.ports.settle((port) => (this.#judge.hasPort(port) ? this.#judge.hasLink(port) : undefined))
  }

  /** Has judged by what the kernel holds; why that cannot be read, in which case the next transaction asks for it again. */
  #judgeAnew(): string {
    this.#isMisled = true
    try {
      this.#judge = this.#newJudge()
      this.#isMisled = false
      return ''
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      return error.message
    }
  }

  #refused(transaction: FibTransaction, unread: string): ApplyReport {
    const object = someObjectOf(transaction)
    const message = `what the kernel holds cannot be read, by which a transaction is judged: ${unread}`
    const failures = object === undefined ? [] : [{ object, code: 'dataplane.kernel', message }]
    return { status: 'refused', generation: transaction.generation, failures }
  }

  #newJudge(): ForwardingEngine {
    const { routes } = this.#parts.tables
    const judge = new ForwardingEngine({
      limits: this.capabilities.limits,
      encapsulations: this.capabilities.encapsulations,
      features: this.capabilities.features ?? [],
      newRoutes: (vrf) => routes.of(vrf),
    })
    routes.load(() => judge.load(this.#tables()))
    return judge
  }

  /** Each looks, whatever becomes of those before it. @throws what nobody foresaw */
  async #look(): Promise<void> {
    if (this.#state !== 'open') return
    if (await this.#isUplinkGone()) {
      // Not waited for: it takes its turn behind this one.
      this.#losing ??= this.#lose()
      return
    }
    const { maps, ports, ingress, transit, mergers } = this.#parts
    const looks = [
      async () => maps.giveUp(),
      () => ingress.look(),
      () => ports.look(),
      () => ports.restoreSome(),
      () => transit.look(),
      () => mergers.vxlan.look(),
      () => mergers.joint.look(),
      () => this.#lookAtUplink(),
      () => ports.moveOne(),
    ]
    const unseen = new Set<string>()
    await allOf(looks.map((look) => () => this.#warned(look, unseen)))
    this.#unseen = unseen
  }

  /** A link of the same name that comes later is another one. */
  async #isUplinkGone(): Promise<boolean> {
    const { netlink, uplinkIndex } = this.#parts
    try {
      await netlink.links.get(uplinkIndex)
      return false
    } catch (error) {
      // What else cannot be had of it the look at it tells.
      return error instanceof LinuxError && error.code === 'ENODEV'
    }
  }

  /** Ends, but for what is pinned: programs go with their link, and whoever opens another dataplane has them attached to the next. */
  async #lose(): Promise<void> {
    // Whoever closes it meanwhile is first.
    if (this.#state !== 'open') return
    this.#state = 'lost'
    const { uplink, pinDirectory, logger } = this.#options
    logger.error('The uplink is gone, and the dataplane with it: no packet goes into a tunnel, or comes out of one', {
      uplink,
      remedy: 'when there is a link of that name again, open another dataplane, as an agent does by itself',
    })
    try {
      await this.#end(pinDirectory !== undefined)
    } catch (error) {
      logger.warn('What is left of the dataplane cannot be taken away', { uplink, reason: String(error) })
    }
  }

  /** @param unseen takes why it failed */
  async #warned(look: () => Promise<void>, unseen = new Set<string>()): Promise<void> {
    try {
      await look()
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      // It went meanwhile, which the next look tells.
      if (await this.#isUplinkGone()) return
      const { message: reason } = error
      if (!unseen.has(reason) && !this.#unseen.has(reason)) this.#options.logger.warn('The links cannot be looked at', { reason })
      unseen.add(reason)
    }
  }

  async #lookAtUplink(): Promise<void> {
    const { tables, ports, netlink, uplinkIndex, paths } = this.#parts
    const unsettled = new Map((await this.#settle()).map(({ object, message }) => [object.key, message]))
    for (const [port, message] of unsettled) if (this.#unsettled.get(port) !== message) this.#options.logger.warn(message, { port })
    this.#unsettled = unsettled
    const uplink = await netlink.links.get(uplinkIndex)
    const { mtu } = uplink
    await ports.fitSegments(largestSegment(uplink, this.#options.addresses))
    if (mtu !== tables.config.get('underlay_mtu')) {
      tables.config.set('underlay_mtu', mtu)
      for (const local of this.#options.addresses) this.events.push({ type: 'underlay-changed', local, mtu })
    }
    await paths.look(mtu)
  }

  async #sweep(): Promise<void> {
    if (this.#isSweeping) return
    this.#isSweeping = true
    try {
      for (const _ of this.#parts.tables.sweep()) {
        await setImmediate()
        if (this.#state !== 'open') return
      }
    } finally {
      this.#isSweeping = false
    }
  }

  /** One at a time: while work on devices takes long, those that waited would all have their turns before what is asked for next. */
  async #lookInTurn(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      await this.#inTurn(() => this.#look())
    } catch (error) {
      this.#options.logger.error('The links cannot be looked at', { reason: String(error) })
    } finally {
      this.#isLooking = false
    }
  }

  #inTurn<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#devices.then(work)
    this.#devices = result.catch(() => undefined)
    return result
  }

  /** In turn, unless it is over by then: nothing is made behind what takes everything away. @throws DataplaneError `dataplane.closed`, `dataplane.lost` */
  #whileOpen<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#inTurn(() => {
      this.#mustBeOpen()
      return work()
    })
  }

  #mustBeOpen(): void {
    if (this.#state === 'lost') throw new DataplaneError('dataplane.lost', `the uplink ${this.#options.uplink} is gone`)
    if (this.#state === 'closed') throw new DataplaneError('dataplane.closed', 'the dataplane was closed')
  }
}

/** What the kernel holds. @throws DataplaneError `dataplane.device` where it does not tell: any other error ends whoever asks */
function read<T>(look: () => T): T {
  try {
    return look()
  } catch (cause) {
    if (!(cause instanceof LinuxError)) throw cause
    throw new DataplaneError('dataplane.device', `what the kernel holds cannot be read: ${cause.message}`, { cause })
  }
}
