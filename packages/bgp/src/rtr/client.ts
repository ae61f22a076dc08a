import {
  logFailedCallback,
  silentLogger,
  type CallbackFailed,
  type Clock,
  type Logger,
  type Random,
  type Timer,
  type Transport,
} from '@heddle/io'
import type { IpAddress, IpPrefix } from '@heddle/wire'
import type { OriginValidation } from '../policy/policy.js'
import type { OriginValidator } from '../speaker/origin-validator.js'
import { OriginAuthorizations, type OriginAuthorization } from './authorizations.js'
import { CacheSession, RtrSessionError, type RtrIntervals, type RtrPosition, type RtrUpdate } from './cache-session.js'

/** A cache of origin authorizations. */
export interface RtrCacheConfig {
  readonly address: IpAddress
  /** 1–65,535. */
  readonly port: number
}

/** A client and the world that it runs in. */
export interface RtrClientOptions {
  /** The one that is preferred first (RFC 8210 §10). */
  readonly caches: readonly RtrCacheConfig[]
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  /** Authorizations of these prefixes are others: `speaker.originsChanged(prefixes)` looks at the routes in them again. */
  readonly changed: (prefixes: readonly IpPrefix[]) => void
  readonly logger?: Logger
}

const NEWEST_VERSION = 1
/** Seconds until another cache is tried when one is lost, doubled each time that all have been. */
const AGAIN = { least: 2, most: 600 } as const

/**
 * Learns which AS may originate which prefix from the first of its caches that answers (RFC 8210, RFC 6810), and validates routes with that. What it
 * knows stays when the cache is lost, until it expires.
 *
 * @example
 * const rtr = new RtrClient({ caches, clock, random, transport, changed: (prefixes) => speaker.originsChanged(prefixes) })
 * const speaker = new Speaker({ …, originValidator: rtr })
 */
export class RtrClient implements OriginValidator {
  readonly #options: RtrClientOptions
  readonly #logger: Logger
  readonly #failed: CallbackFailed
  readonly #ending = new AbortController()
  #authorizations = new OriginAuthorizations()
  /** Whose data they are. */
  #source: { readonly cache: RtrCacheConfig; readonly position: RtrPosition } | undefined
  #expiry: Timer | undefined
  #refresh: Timer | undefined
  #running: Promise<void> | undefined
  #connected: RtrCacheConfig | undefined

  constructor(options: RtrClientOptions) {
    this.#options = options
    this.#logger = options.logger ?? silentLogger
    this.#failed = logFailedCallback(this.#logger)
  }

  /** Authorizations that are known. */
  get size(): number {
    return this.#authorizations.size
  }

  /** The cache that it talks with. */
  get connected(): RtrCacheConfig | undefined {
    return this.#connected
  }

  validate(prefix: IpPrefix, origin: number | undefined): OriginValidation {
    return this.#authorizations.validate(prefix, origin)
  }

  /** Begins to connect. Idempotent. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** Ends, and forgets what it knows. Idempotent. */
  async stop(): Promise<void> {
    this.#ending.abort()
    this.#refresh?.cancel()
    this.#expiry?.cancel()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    const { caches } = this.#options
    const versions = new Map<RtrCacheConfig, number>()
    let wait: number = AGAIN.least
    for (let at = 0; !signal.aborted && caches.length > 0;) {
      const cache = caches[at]
      const version = versions.get(cache) ?? NEWEST_VERSION
      try {
        await this.#serve(cache, version, () => (wait = AGAIN.least))
      } catch (error) {
        if (signal.aborted) break
        const reason = error instanceof Error ? error.message : String(error)
        this.#logger.warn('the cache is lost', { cache: `${cache.address} port ${cache.port}`, error: reason })
        if (error instanceof RtrSessionError && error.downgrade && version > 0) {
          versions.set(cache, version - 1)
          continue
        }
      }
      at = (at + 1) % caches.length
      await this.#pause(wait)
      if (at === 0) wait = Math.min(wait * 2, AGAIN.most)
    }
  }

  async #serve(cache: RtrCacheConfig, version: number, works: () => void): Promise<void> {
    const { transport } = this.#options
    const { signal } = this.#ending
    const connection = await transport.connect({ remote: { address: cache.address, port: cache.port }, signal })
    const end = (): void => connection.reset()
    signal.addEventListener('abort', end)
    const position = this.#source?.cache === cache ? this.#source.position : undefined
    let isAnswered = false
    const session: CacheSession = new CacheSession(connection, version, position, {
      updated: (update) => {
        isAnswered = true
        works()
        this.#take(cache, update)
        this.#schedule(update.intervals.refresh, session)
      },
      empty: () => this.#schedule(AGAIN.most, session),
    })
    this.#connected = cache
    try {
      await session.run()
    } finally {
      this.#connected = undefined
      this.#refresh?.cancel()
      // a cache that was started anew refuses to go on from where another one was
      if (!isAnswered && this.#source?.cache === cache) this.#source = undefined
      signal.removeEventListener('abort', end)
      // the last words must leave before the connection does
      await connection.close().catch(() => connection.reset())
    }
  }

  #schedule(seconds: number, session: CacheSession): void {
    this.#refresh?.cancel()
    this.#refresh = this.#options.clock.setTimer(seconds * 1000, () => session.ask())
  }

  /** Takes an answer as a whole: validation never sees a part of it. */
  #take(cache: RtrCacheConfig, { isWhole, announced, withdrawn, position, intervals }: RtrUpdate): void {
    this.#source = { cache, position }
    this.#keep(intervals)
    const changed = isWhole ? this.#replace(announced) : this.#change(announced, withdrawn)
    if (changed.length === 0) return
    this.#logger.info('origin authorizations', { cache: String(cache.address), serial: position.serial, authorizations: this.size })
    this.#tell(changed)
  }

  /** What comes next, such as the next question to the cache, must not wait for who is told. */
  #tell(changed: readonly IpPrefix[]): void {
    if (changed.length === 0) return
    try {
      this.#options.changed(changed)
    } catch (error) {
      this.#failed('changed', error)
    }
  }

  /** @returns prefixes of which something is another now */
  #replace(announced: readonly OriginAuthorization[]): IpPrefix[] {
    const [before, fresh] = [this.#authorizations, new OriginAuthorizations()]
    const came = announced.filter((one) => fresh.add(one) && !before.has(one))
    const went = [...before.all()].filter((one) => !fresh.has(one))
    this.#authorizations = fresh
    return [...came, ...went].map(({ prefix }) => prefix)
  }

  /** As `#replace`. */
  #change(announced: readonly OriginAuthorization[], withdrawn: readonly OriginAuthorization[]): IpPrefix[] {
    const went = withdrawn.filter((one) => this.#authorizations.delete(one))
    const came = announced.filter((one) => this.#authorizations.add(one))
    return [...went, ...came].map(({ prefix }) => prefix)
  }

  /** What is not confirmed in time is no longer used (RFC 8210 §6). */
  #keep({ expire }: RtrIntervals): void {
    this.#expiry?.cancel()
    this.#expiry = this.#options.clock.setTimer(expire * 1000, () => {
      this.#logger.warn('origin authorizations have expired')
      this.#source = undefined
      this.#tell(this.#replace([]))
    })
  }

  async #pause(seconds: number): Promise<void> {
    const { clock, random } = this.#options
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(seconds * 1000 * (0.75 + random.uint32() / 2 ** 34), resolve)
      this.#ending.signal.addEventListener('abort', () => {
        timer.cancel()
        resolve()
      })
    })
  }
}
