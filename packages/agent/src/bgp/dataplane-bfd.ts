import type { BfdPath, BfdSource, BfdState, BfdWatch } from '@heddle/bgp'
import {
  DataplaneError,
  hasFeature,
  pathName,
  type Dataplane,
  type DataplaneCapabilities,
  type DataplaneEvent,
  type DataplaneState,
  type OverlayModel,
  type PathIntent,
} from '@heddle/core'
import type { Clock, Logger, Timer } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import type { AgentConfig } from '../config.js'
import type { BfdRow } from '../view/rows.js'
import type { LinkKnowledge } from '../world.js'

/** What a session does where nobody says otherwise. */
const DEFAULTS = { desiredMinTx: 300_000, requiredMinRx: 300_000, multiplier: 3 }
/** How long a path is watched when nobody asks for it any more, milliseconds: who asks anew, with other intervals, finds its session. */
const LINGER = 500
/** How long until it is asked again how a peer is reached, milliseconds. */
const RETRY = 1_000
const STATES = { 'liveness-up': 'up', 'liveness-down': 'down', 'liveness-unknown': 'admin-down' } as const
const WORDS = { up: 'BFD session is up', down: 'BFD session is down', 'admin-down': 'BFD session has ended' } as const

export interface DataplaneBfdOptions {
  readonly model: OverlayModel
  /** Has the dataplane told what changed. */
  readonly synchronize: () => void
  readonly clock: Clock
  readonly logger: Logger
  /** Where a path says none. */
  readonly localAddress: IpAddress
  readonly isOnLink: LinkKnowledge | undefined
}

interface Watch {
  readonly path: BfdPath
  readonly changed: (state: BfdState) => void
  intent: PathIntent | undefined
  end: Timer | undefined
}

interface Known {
  readonly state: BfdState
  /** Clock time; undefined when it was so before this process. */
  readonly since: number | undefined
  readonly reason: string | null
}

type Liveness = Extract<DataplaneEvent, { readonly liveness: number }>

/** Why a dataplane may watch no paths; its log says which it is. */
const NOT_WATCHED =
  'it does not offer that, or could not have its sockets when it was opened: an address may not be there yet, or another BFD may run on it'

/**
 * What stands in the way where a configuration has paths watched, to neighbors or to the far ends of tunnels, and a dataplane watches none: it would refuse
 * each transaction that names one, for as long as it lives.
 */
export function watchingProblem(
  { bgp, traffic }: Pick<AgentConfig, 'bgp' | 'traffic'>,
  capabilities: Pick<DataplaneCapabilities, 'kind' | 'features'>,
): string | undefined {
  const neighbors = [...bgp.neighbors, ...(bgp.dynamicNeighbors ?? [])]
  const isAsked = traffic?.tunnelLiveness !== undefined || neighbors.some(({ bfd = false }) => bfd !== false)
  if (!isAsked || hasFeature(capabilities, 'liveness')) return undefined
  return `the dataplane ${capabilities.kind} watches no paths by BFD, as is asked for: ${NOT_WATCHED}`
}

/** @throws DataplaneError `dataplane.device` where a dataplane that was opened does not watch paths as is asked for */
export function checkWatching(config: Pick<AgentConfig, 'bgp' | 'traffic'>, { capabilities }: Pick<Dataplane, 'capabilities'>): void {
  const problem = watchingProblem(config, capabilities)
  if (problem !== undefined) throw new DataplaneError('dataplane.device', problem)
}

/** BFD with the peers of a node, kept up by its dataplane: it goes on when this process dies, as what is forwarded does. */
export class DataplaneBfd implements BfdSource {
  readonly #options: DataplaneBfdOptions
  readonly #watches = new Set<Watch>()
  readonly #known = new Map<string, Known>()
  readonly #onLink = new Map<string, boolean>()
  #stopped = false

  constructor(options: DataplaneBfdOptions) {
    this.#options = options
  }

  /** @see BfdSource.watch */
  watch(path: BfdPath, changed: (state: BfdState) => void): BfdWatch {
    const watch: Watch = { path, changed, intent: undefined, end: undefined }
    this.#watches.add(watch)
    void this.#begin(watch)
    return { stop: () => this.#stop(watch) }
  }

  /** The dataplane heard of a session, or hears it no more. */
  heard({ type, liveness, reason }: Liveness): void {
    const path = this.#options.model.watchedPaths.meantBy(liveness)
    if (path === undefined) return
    const state = STATES[type]
    this.#options.logger.info(WORDS[state], { remote: String(path.remote), reason })
    this.#tell(pathName(path), { state, since: this.#options.clock.now(), reason: reason ?? null })
  }

  /** The dataplane is gone, and what was heard says nothing any more. */
  lost(): void {
    for (const [name, { state }] of this.#known) {
      if (state !== 'admin-down')
        this.#tell(name, { state: 'admin-down', since: this.#options.clock.now(), reason: 'the dataplane is gone' })
    }
  }

  /** What a dataplane knows that was there before us, or took another's place. */
  learn({ liveness = [], up = [], down = [] }: DataplaneState): void {
    const [isUp, isDown] = [new Set(up), new Set(down)]
    const told = new Set(liveness.filter(({ id }) => isUp.has(id) || isDown.has(id)).map(pathName))
    for (const name of this.#known.keys()) if (!told.has(name)) this.#known.delete(name)
    for (const path of liveness) {
      const state = isUp.has(path.id) ? 'up' : isDown.has(path.id) ? 'down' : undefined
      if (state !== undefined && this.#known.get(pathName(path))?.state !== state)
        this.#tell(pathName(path), { state, since: undefined, reason: null })
    }
  }

  /** What is watched from now on is watched until the dataplane ends: this process does, and the next one takes it over. */
  stop(): void {
    this.#stopped = true
    for (const { end } of this.#watches) end?.cancel()
  }

  rows(): BfdRow[] {
    const now = this.#options.clock.now()
    return this.#options.model.watchedPaths.rows().map(({ path, users }) => {
      const known = this.#known.get(pathName(path))
      return {
        local: String(path.local),
        remote: String(path.remote),
        hops: path.hops,
        state: known?.state ?? 'unknown',
        since: known?.since === undefined ? null : (now - known.since) / 1000,
        reason: known?.reason ?? null,
        interval: path.desiredMinTx / 1000,
        detection: (path.requiredMinRx * path.multiplier) / 1000,
        users,
      }
    })
  }

  async #begin(watch: Watch): Promise<void> {
    const { remote, local = this.#options.localAddress, multihop, intervals } = watch.path
    const name = String(remote)
    const isKnown = multihop !== undefined || this.#onLink.has(name)
    if (!isKnown && !(await this.#ask(remote))) {
      if (!this.#stopped) this.#options.clock.setTimer(RETRY, () => void this.#begin(watch))
      return
    }
    if (this.#stopped || !this.#watches.has(watch)) return
    const isFar = multihop ?? this.#onLink.get(name) !== true
    watch.intent = { local, remote, hops: isFar ? 'multiple' : 'single', ...DEFAULTS, ...intervals }
    this.#follow()
    const known = this.#known.get(pathName(watch.intent))
    if (known !== undefined) watch.changed(known.state)
  }

  /** Finds out whether an address is on a link; there may be no way there just now. */
  async #ask(remote: IpAddress): Promise<boolean> {
    try {
      this.#onLink.set(String(remote), (await this.#options.isOnLink?.(remote)) ?? false)
      return true
    } catch (error) {
      this.#options.logger.debug('It is not known yet how a peer is reached', { remote: String(remote), reason: String(error) })
      return false
    }
  }

  #stop(watch: Watch): void {
    if (this.#stopped || watch.end !== undefined) return
    watch.end = this.#options.clock.setTimer(LINGER, () => {
      this.#watches.delete(watch)
      this.#follow()
    })
  }

  /** Has the dataplane watch what is asked for; of several who ask for one path, the last one counts. */
  #follow(): void {
    const wanted = new Map<string, PathIntent>()
    for (const { intent, end } of this.#watches) {
      if (intent === undefined) continue
      const name = pathName(intent)
      if (end === undefined || !wanted.has(name)) wanted.set(name, intent)
    }
    this.#options.model.watchedPaths.setForPeers([...wanted.values()])
    for (const name of this.#known.keys()) if (!this.#names().has(name)) this.#known.delete(name)
    this.#options.synchronize()
  }

  #tell(name: string, known: Known): void {
    this.#known.set(name, known)
    for (const { intent, end, changed } of this.#watches) {
      if (end === undefined && intent !== undefined && pathName(intent) === name) changed(known.state)
    }
  }

  #names(): ReadonlySet<string> {
    return new Set(this.#options.model.watchedPaths.rows().map(({ path }) => pathName(path)))
  }
}
