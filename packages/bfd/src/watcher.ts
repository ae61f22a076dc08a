import { silentLogger, type Clock, type Logger, type Random, type Timer } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { BfdSessions, type BfdSessionStatus } from './sessions.js'
import { detectionOf, strictest, type BfdIntervals } from './intervals.js'
import { pathKey, type WatchedPath } from './watched-path.js'

/** How long until a path is tried again whose sockets cannot be had, milliseconds. */
const RETRY = 1_000
/** How long a session outlives the last who watches: who asks anew, with other intervals, finds it. */
const LINGER = 500

/** What packets of sessions leave and come in by. `BfdSockets` of `@heddle/linux` with a way to look paths up is one. */
export interface BfdPort {
  /** It can be told a device that packets leave and come in by. */
  readonly devices?: boolean
  /** How `remote` is reached: by which address of this host, and whether without a router between. Rejects while there is no way. */
  wayTo(remote: IpAddress, device?: string): Promise<{ readonly local: IpAddress; readonly isOnLink: boolean }>
  /** Has packets for `local` come in. Rejects when its sockets cannot be had. */
  add(local: IpAddress, device?: string): Promise<void>
  send(path: Pick<WatchedPath, 'local' | 'remote' | 'device' | 'hops'>, packet: Uint8Array): void
  /** Hands what arrives to `receive`. */
  serve(
    receive: (local: IpAddress, remote: IpAddress, hops: WatchedPath['hops'], ttl: number, packet: Uint8Array, device?: string) => void,
  ): void
  close(): void
}

/** The path that somebody wants watched. */
export interface BfdPathRequest {
  readonly remote: IpAddress
  /** That of the way to `remote` when left out. */
  readonly local?: IpAddress
  /** The link that it lies on; only where the port takes devices. */
  readonly device?: string
  /** Whether routers lie between (RFC 5883); as the way to `remote` says when left out. */
  readonly multihop?: boolean
  readonly intervals?: Partial<BfdIntervals>
}

/** How a watcher meets the world. */
export interface BfdWatcherOptions {
  readonly clock: Pick<Clock, 'now' | 'setTimer'>
  readonly random: Random
  readonly port: BfdPort
  readonly logger?: Logger
}

/** A session that somebody watches. */
export interface WatchedSession extends BfdSessionStatus {
  readonly told: 'up' | 'down' | 'admin-down' | undefined
  /** Clock time. */
  readonly since: number | undefined
  readonly reason: string | undefined
}

type State = 'up' | 'down' | 'admin-down'

interface Watch {
  readonly request: BfdPathRequest
  readonly changed: (state: State) => void
  isStopped: boolean
  hasFailed: boolean
  retry: Timer | undefined
  shared: Shared | undefined
}

/** A session, and who watches by it. */
interface Shared {
  readonly id: number
  readonly watches: Set<Watch>
  path: WatchedPath
  state: State | undefined
  /** Clock time of that state, and why it was come to. */
  since: number | undefined
  reason: string | undefined
  end: Timer | undefined
}

/**
 * Watches paths for whoever asks, one session a path however many ask for it, with the intervals of the strictest. Fits `SpeakerOptions.bfd` of
 * `@heddle/bgp`.
 */
export class BfdWatcher {
  readonly #options: BfdWatcherOptions
  readonly #logger: Logger
  readonly #sessions: BfdSessions
  readonly #shared = new Map<string, Shared>()
  readonly #waiting = new Set<Watch>()
  #nextId = 1
  #closed = false

  constructor(options: BfdWatcherOptions) {
    this.#options = options
    this.#logger = options.logger ?? silentLogger
    const { clock, random, port } = options
    this.#sessions = new BfdSessions({
      clock,
      random,
      send: (path, packet) => port.send(path, packet),
      changed: (path, state, reason) => this.#told(path, state, reason),
    })
    port.serve((...packet) => this.#sessions.receive(...packet))
  }

  /** Whether paths may name a device. */
  get devices(): boolean {
    return this.#options.port.devices ?? false
  }

  /** Watches a path until `stop`. @param changed is told each state, the one that is known already too */
  watch(request: BfdPathRequest, changed: (state: State) => void): { stop: () => void } {
    const watch: Watch = { request, changed, isStopped: false, hasFailed: false, retry: undefined, shared: undefined }
    void this.#begin(watch)
    return { stop: () => this.#stop(watch) }
  }

  /** All sessions, with the state that those who watch were told, since when and why; undefined while there is none. */
  list(): WatchedSession[] {
    return this.#sessions.list().map((session) => {
      const shared = this.#shared.get(pathKey(session.path))
      return { ...session, told: shared?.state, since: shared?.since, reason: shared?.reason }
    })
  }

  /** Ends all sessions, and the port. Far ends are told that nothing happened to their paths. */
  close(): void {
    this.#closed = true
    for (const watch of this.#waiting) watch.retry?.cancel()
    for (const { end } of this.#shared.values()) end?.cancel()
    this.#sessions.leave()
    this.#options.port.close()
  }

  async #begin(watch: Watch): Promise<void> {
    const { port, clock } = this.#options
    this.#waiting.add(watch)
    try {
      const path = await this.#resolve(watch.request)
      await port.add(path.local, path.device)
      if (watch.isStopped || this.#closed) return
      this.#waiting.delete(watch)
      this.#share(watch, path)
    } catch (error) {
      if (watch.isStopped || this.#closed) return
      // The link may be down just now, and the address with it.
      const reason = error instanceof Error ? error.message : String(error)
      this.#logger[watch.hasFailed ? 'debug' : 'warn']('A path cannot be watched yet', { remote: watch.request.remote.toString(), reason })
      watch.hasFailed = true
      watch.retry = clock.setTimer(RETRY, () => void this.#begin(watch))
    }
  }

  async #resolve({ remote, local, device, multihop, intervals }: BfdPathRequest): Promise<Omit<WatchedPath, 'id'>> {
    const isKnown = local !== undefined && multihop !== undefined
    const way = isKnown ? { local, isOnLink: !multihop } : await this.#options.port.wayTo(remote, device)
    const hops = (multihop ?? !way.isOnLink) ? 'multiple' : 'single'
    return { local: local ?? way.local, remote, ...(device === undefined ? {} : { device }), hops, ...strictest([intervals ?? {}]) }
  }

  #share(watch: Watch, path: Omit<WatchedPath, 'id'>): void {
    const key = pathKey(path)
    const shared = this.#shared.get(key) ?? {
      id: this.#nextId++,
      watches: new Set(),
      path: { ...path, id: 0 },
      state: undefined,
      since: undefined,
      reason: undefined,
      end: undefined,
    }
    this.#shared.set(key, shared)
    shared.end?.cancel()
    shared.end = undefined
    watch.shared = shared
    shared.watches.add(watch)
    this.#follow(shared)
    if (shared.state !== undefined) this.#tell(watch, shared.state)
  }

  /** Brings a session to what those who share it ask for. */
  #follow(shared: Shared): void {
    const { id, path, watches } = shared
    shared.path = { ...path, id, ...strictest(Array.from(watches, ({ request }) => request.intervals ?? {})) }
    this.#sessions.set(shared.path)
  }

  #stop(watch: Watch): void {
    const { shared } = watch
    watch.isStopped = true
    watch.retry?.cancel()
    this.#waiting.delete(watch)
    if (shared === undefined || !shared.watches.delete(watch)) return
    if (shared.watches.size > 0) return this.#follow(shared)
    shared.end = this.#options.clock.setTimer(LINGER, () => {
      this.#sessions.remove(shared.id)
      this.#shared.delete(pathKey(shared.path))
    })
  }

  #told(path: WatchedPath, state: State, reason: string): void {
    const shared = this.#shared.get(pathKey(path))
    if (shared === undefined) return
    const detection = `${detectionOf(path)} ms`
    this.#logger.info(`BFD session is ${state}`, { remote: path.remote.toString(), local: path.local.toString(), detection, reason })
    shared.state = state
    shared.since = this.#options.clock.now()
    shared.reason = reason
    for (const watch of shared.watches) this.#tell(watch, state)
  }

  /** What one who watches throws is not for others who watch the same path. */
  #tell({ request, changed }: Watch, state: State): void {
    try {
      changed(state)
    } catch (error) {
      const reason = error instanceof Error ? error.stack : String(error)
      this.#logger.error('Who watches a path failed to take its state', { remote: request.remote.toString(), state, reason })
    }
  }
}
