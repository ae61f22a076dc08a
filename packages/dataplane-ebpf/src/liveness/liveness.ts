import { pathKey, reasonOf } from '@heddle/bfd'
import { LIVENESS_EVENTS, type DataplaneEvent, type DataplaneState, type LivenessObject } from '@heddle/core'
import type { Logger } from '@heddle/io'
import { BfdSockets, LinuxError, Poller, type BfdUplink } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import type { ChildProcess } from 'node:child_process'
import type { ConfigView } from '../tables/config.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { BackOff } from './back-off.js'
import { decodeLiveness, decodeWatch, encodeLiveness, encodeWatch, type Known, type Outcome } from './encoding.js'
import { LivenessKeeper } from './keeper.js'
import {
  dismissKeeper,
  isKeeperAlive,
  isRunning,
  KEEPER_ORDER,
  keeperGone,
  keeperNumber,
  type KeeperPlace,
  type KeeperScript,
  NO_KEEPER,
  startKeeper,
  takeKeeperLock,
  type VrfDevice,
} from './keeper-process.js'

/** How often it is looked for what a keeper found out, milliseconds: what packets do does not wait for it. */
const LOOK_INTERVAL = 50
/** How often it is looked whether the keeper lives, in looks. */
const LOOKS_A_CHECK = 20
/** With it every process of its namespace is killed, as when a container ends: the keeper ends before, so that far ends are told. */
const FIRST_PROCESS = 1
/**
 * Checks that a keeper is left alone which was asked to end by a signal: whoever sends one to all processes of a unit has sent it to this one as well, and waits
 * for those that come meanwhile.
 */
const CHECKS_OF_PEACE = 3
/** Checks without a keeper, in which far ends take their sessions for down, behind which nothing is known any more. */
const CHECKS_OF_TRUST = 5

export interface LivenessOptions {
  readonly maps: KernelMaps
  readonly config: ConfigView
  readonly addresses: readonly IpAddress[]
  readonly underlayNetns: string | undefined
  /** The uplink, and the VRF device that it is in. */
  readonly uplink: BfdUplink
  readonly vrf: VrfDevice | undefined
  /** Directory of pinned maps: with it, a process of its own keeps the sessions; without it, this one does. */
  readonly pins: string | undefined
  readonly script: KeeperScript | undefined
  readonly event: (event: DataplaneEvent) => void
  readonly logger: Logger
}

/** What a process has that keeps the sessions itself. */
interface Own {
  readonly keeper: LivenessKeeper
  readonly sockets: BfdSockets
  readonly poller: Poller
}

/** The paths of a dataplane that are watched by BFD, and who keeps the sessions. */
export class Liveness {
  readonly #options: LivenessOptions
  readonly #place: KeeperPlace | undefined
  readonly #own: Own | undefined
  readonly #told = new Map<number, Outcome>()
  readonly #timer: NodeJS.Timeout
  /** The keeper that was started last. */
  #started: ChildProcess | undefined
  readonly #backOff = new BackOff()
  /** Checks that have found no keeper since there was one. */
  #absences = 0
  /** Why keepers failed since one lived. */
  readonly #failures = new Set<string>()
  #isClosed = false
  #seen: number
  #looks = 0
  #hasWatches: boolean
  #isBlind = false

  private constructor(options: LivenessOptions, sockets: BfdSockets | undefined) {
    const { config, pins } = options
    this.#options = options
    this.#seen = config.get('liveness_version')
    for (const { id, ...outcome } of this.#states()) this.#told.set(id, outcome)
    this.#hasWatches = this.dump().liveness.length > 0
    if (pins === undefined && sockets !== undefined) this.#own = keepHere(options, sockets)
    this.#place = placeOf(options)
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL).unref()
  }

  /** Undefined when the sockets of BFD cannot be had, since another BFD runs on these addresses, or what serves them cannot. @throws LinuxError */
  static async open(options: LivenessOptions): Promise<Liveness | undefined> {
    const { addresses, underlayNetns, vrf, uplink, logger, config } = options
    const place = placeOf(options)
    if (place !== undefined && isKeeperAlive(place)) {
      if (config.get('keeper_version') === keeperNumber(place)) {
        // The process before may have ended between what it wanted watched and saying so.
        return Liveness.#begin(options, undefined, (liveness) => liveness.tell())
      }
      // One of another version, or with other sockets, makes room, and the next goes on with its sessions.
      if (!(await dismissKeeper(place, config))) logger.warn('A keeper of BFD sessions of another version, VRF or addresses does not end')
    }
    try {
      const sockets = await BfdSockets.open(addresses, underlayNetns, vrf?.name, uplink)
      if (place !== undefined) sockets.close()
      return Liveness.#begin(options, sockets, (liveness) => liveness.#ensureKeeper())
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error
      logger.warn('Liveness is not offered', { reason: error.message })
      return undefined
    }
  }

  /** Where it fails, nothing stays open, and nobody looks for keepers. */
  static #begin(options: LivenessOptions, sockets: BfdSockets | undefined, begin: (liveness: Liveness) => void): Liveness {
    let liveness: Liveness | undefined
    try {
      liveness = new Liveness(options, sockets)
      begin(liveness)
      return liveness
    } catch (error) {
      if (liveness !== undefined) liveness.#stop()
      sockets?.close()
      throw error
    }
  }

  /** Has a path watched. @throws LinuxError */
  set(object: LivenessObject): void {
    const { maps } = this.#options
    const before = maps.get('watches', object.id)
    // What is known of another path says nothing about this one; where none is watched, a keeper may not have come to take it away.
    if (before === undefined || pathKey(decodeWatch(object.id, before)) !== pathKey(object)) this.#forget(object.id)
    maps.set('watches', object.id, encodeWatch(object))
  }

  remove(id: number): void {
    this.#options.maps.delete('watches', id)
    this.#told.delete(id)
  }

  /** Has the keeper take over what was set and removed. @throws LinuxError */
  tell(): void {
    const { config } = this.#options
    config.set('watch_version', (config.get('watch_version') + 1) >>> 0)
    this.#hasWatches = this.dump().liveness.length > 0
    this.#own?.keeper.follow()
    this.#ensureKeeper()
  }

  dump(): Required<Pick<DataplaneState, 'liveness' | 'up' | 'down'>> {
    const liveness = Array.from(this.#options.maps.numbered('watches'), ([id, value]) => decodeWatch(id, value))
    const states = this.#states()
    const of = (wanted: Known): number[] => states.flatMap(({ id, known }) => (known === wanted ? [id] : []))
    return { liveness, up: of('up'), down: of('down') }
  }

  /** Looks at nothing any more. @param isKept the sessions go on without this process */
  async close(isKept: boolean): Promise<void> {
    this.#stop()
    if (this.#place === undefined || (isKept && process.pid !== FIRST_PROCESS)) return
    const { config, logger } = this.#options
    config.set('keeper_order', KEEPER_ORDER.end)
    try {
      if (await keeperGone(this.#place, this.#started)) return
      logger.warn('The keeper of BFD sessions does not end')
      // One of this process goes all the same: it may not have come to read what it is told.
      if (isRunning(this.#started)) this.#started?.kill('SIGKILL')
    } catch (error) {
      this.#cannotLook(error)
    }
  }

  #stop(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
    if (this.#own === undefined) return
    this.#own.keeper.close(false)
    this.#own.sockets.close()
    this.#own.poller.close()
  }

  #forget(id: number): void {
    const { maps } = this.#options
    // It may have been down: flows that went another way for it need not.
    if (maps.delete('liveness', id)) maps.forgetDecisions()
    this.#told.delete(id)
  }

  /** Where it cannot be seen whether there is a keeper, the one that there may be goes on: nobody who programs tables, and no timer, is to fail by that. */
  #ensureKeeper(): void {
    const { script, config, logger } = this.#options
    const place = this.#place
    // On a busy machine one takes longer to start than it is until the next check: more of them would make it busier still.
    if (place === undefined || this.#isKept(place) || isRunning(this.#started) || !this.#backOff.isDue) return
    this.#backOff.tried()
    // Here, and not by the keeper: it may be told to end while it starts.
    config.set('keeper_order', KEEPER_ORDER.goOn)
    try {
      this.#started = startKeeper(place, script, (reason) => this.#failed(reason))
      logger.info('A keeper of BFD sessions is started', { pid: this.#started.pid })
    } catch (error) {
      if (!(error instanceof Error && 'syscall' in error)) throw error
      this.#failed(error.message)
    }
  }

  /** Whether there is a keeper, as far as can be seen, or none is wanted. */
  #isKept(place: KeeperPlace): boolean {
    try {
      return !this.#hasWatches || isKeeperAlive(place)
    } catch (error) {
      this.#cannotLook(error)
      return true
    }
  }

  /** Told once, however often it is tried again. */
  #failed(reason: string): void {
    if (this.#isClosed || this.#failures.has(reason)) return
    this.#failures.add(reason)
    this.#options.logger.warn('A keeper of BFD sessions has failed, and another one is started', { reason })
  }

  #check(): void {
    const place = this.#place
    if (place === undefined) return
    this.#backOff.pass()
    if (this.#isKept(place)) {
      this.#backOff.succeeded()
      this.#failures.clear()
      this.#absences = 0
      return
    }
    this.#absences++
    if (this.#absences === 1 && this.#options.config.get('keeper_version') === NO_KEEPER) this.#backOff.hold(CHECKS_OF_PEACE)
    if (this.#absences > CHECKS_OF_TRUST) this.#distrust(place)
    this.#ensureKeeper()
  }

  /** What was up may be down by now: it is not known any more. What is down is so until somebody hears of it. */
  #distrust(place: KeeperPlace): void {
    try {
      // Rows are a keeper's, if there is one by now.
      const lock = takeKeeperLock(place)
      if (lock === undefined) return
      try {
        this.#forgetUp()
      } finally {
        lock.release()
      }
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error // the next check tries it again
    }
    for (const [id, { known, downs }] of this.#told) {
      if (known !== 'up') continue
      this.#told.set(id, { known: undefined, downs })
      this.#tellOf(id, 'admin-down', 'nobody keeps the session')
    }
  }

  #forgetUp(): void {
    const { maps } = this.#options
    for (const [id, value] of maps.numbered('liveness')) {
      const { known, downs, saved } = decodeLiveness(id, value)
      if (known === 'up') maps.set('liveness', id, encodeLiveness(saved, { known: undefined, downs }))
    }
  }

  /** The namespace of the uplink is gone, as a rule. Told once, and not at every look. */
  #cannotLook(error: unknown): void {
    if (!(error instanceof LinuxError)) throw error
    if (!this.#isBlind) this.#options.logger.warn('The keeper of BFD sessions cannot be looked for', { reason: error.message })
    this.#isBlind = true
  }

  #look(): void {
    this.#looks = (this.#looks + 1) % LOOKS_A_CHECK
    if (this.#looks === 0) this.#check()
    try {
      this.#own?.keeper.follow()
      const version = this.#options.config.get('liveness_version')
      if (version === this.#seen) return
      this.#tellChanges()
      this.#seen = version
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error // it is read again at the next look
    }
  }

  #tellChanges(): void {
    for (const { id, known, downs, reason } of this.#states()) {
      const before = this.#told.get(id)
      if (known === undefined || (known === before?.known && downs === before.downs)) continue
      this.#told.set(id, { known, downs })
      // It went down and came back between two looks.
      if (known !== 'down' && downs !== (before?.downs ?? 0)) this.#tellOf(id, 'down', 'the session was interrupted')
      this.#tellOf(id, known, reason)
    }
  }

  #tellOf(id: number, known: 'up' | 'down' | 'admin-down', reason: string): void {
    this.#options.event({ type: LIVENESS_EVENTS[known], liveness: id, reason })
  }

  /** Of paths that are watched: a keeper may not have come to take away what it knew of others. */
  #states(): (Outcome & { readonly id: number; readonly reason: string })[] {
    const { maps } = this.#options
    return Array.from(maps.numbered('liveness')).flatMap(([id, value]) => {
      if (maps.get('watches', id) === undefined) return []
      const { known, downs, saved } = decodeLiveness(id, value)
      return [{ id, known, downs, reason: reasonOf(saved.session) }]
    })
  }
}

/** @throws LinuxError, and the sockets are still open */
function keepHere({ maps, config }: LivenessOptions, sockets: BfdSockets): Own {
  const poller = Poller.open()
  try {
    poller.unref()
    return { poller, sockets, keeper: new LivenessKeeper({ maps, config, sockets, poller, isSucceeded: () => false }) }
  } catch (error) {
    poller.close()
    throw error
  }
}

/** Where its keeper works, if it is to have one. */
function placeOf({ pins, underlayNetns, vrf, addresses, uplink }: LivenessOptions): KeeperPlace | undefined {
  return pins === undefined ? undefined : { pins, underlayNetns, vrf, addresses: addresses.map(String), uplink: uplink.index }
}
