import { silentLogger, type Clock, type Logger, type Random, type Transport } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import type { SpeakerConfig } from '../speaker/config.js'
import type { Speaker } from '../speaker/speaker.js'
import { ClientSession } from './client-session.js'
import type { MonitoredTable } from './monitored-tables.js'

/** A station to be told, and what of. */
export interface BmpClientConfig {
  readonly address: IpAddress
  /** 1–65,535. */
  readonly port: number
  /** Adj-RIB-In before and after policy, Loc-RIB (RFC 9069), Adj-RIB-Out after policy (RFC 8671). Default: all. */
  readonly tables?: readonly (MonitoredTable | 'adj-out')[]
  /** Seconds between statistics reports; 0: none. Default 60. */
  readonly statistics?: number
  /** Octets that may wait for the station; one that is further behind is connected to anew, and told everything again. Default 16 MiB. */
  readonly queue?: number
  /** What the station is told of this router (RFC 7854 §4.4). */
  readonly system?: { readonly name: string; readonly description: string }
}

/** A client and the world that it runs in. */
export interface BmpClientOptions {
  readonly speaker: Speaker
  /** Of the speaker. */
  readonly speakerConfig: Pick<SpeakerConfig, 'as' | 'routerId'>
  readonly config: BmpClientConfig
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  /** Milliseconds since 1970: stations compare it with other routers'. */
  readonly now: () => number
  readonly logger?: Logger
}

/** Seconds between attempts, doubled each time that one fails. */
const BACKOFF = { least: 1, most: 60 } as const

/**
 * Tells a monitoring station what a speaker receives, chooses and sends (RFC 7854, RFC 8671, RFC 9069), over a connection that it opens and makes
 * again when it breaks. A station begins with everything that is there. Of tables that change faster than it reads it gets the newest state of each
 * route; the speaker never waits for it.
 */
export class BmpClient {
  readonly #options: BmpClientOptions
  readonly #logger: Logger
  readonly #ending = new AbortController()
  #session: ClientSession | undefined
  #running: Promise<void> | undefined

  constructor(options: BmpClientOptions) {
    this.#options = options
    const { address, port } = options.config
    this.#logger = (options.logger ?? silentLogger).child({ station: `${address} port ${port}` })
  }

  /** Whether the station is connected. */
  get connected(): boolean {
    return this.#session !== undefined
  }

  /** Begins to connect. Idempotent. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** Tells the station that this is the end (RFC 7854 §4.5), and closes. Idempotent. */
  async stop(): Promise<void> {
    this.#session?.terminate()
    this.#ending.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    for (let wait: number = BACKOFF.least; !signal.aborted; wait = Math.min(wait * 2, BACKOFF.most)) {
      try {
        await this.#serve()
        wait = BACKOFF.least
      } catch (error) {
        if (!signal.aborted)
          this.#logger.warn('the station is not there', { error: error instanceof Error ? error.message : String(error) })
      }
      if (!signal.aborted) await this.#pause(wait)
    }
  }

  async #serve(): Promise<void> {
    const { transport, config } = this.#options
    const { signal } = this.#ending
    const connection = await transport.connect({ remote: { address: config.address, port: config.port }, signal })
    const session = new ClientSession(this.#options, connection)
    this.#session = session
    this.#logger.info('the station is connected')
    try {
      const reason = await session.run()
      if (!signal.aborted) this.#logger.warn('the station is gone', { reason })
    } finally {
      this.#session = undefined
    }
  }

  /** Between three quarters of `seconds` and all of it, so that routers that lost a station together do not come back together. */
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
