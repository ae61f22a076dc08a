import { DataplaneError, type Dataplane, type DataplaneEvent, type DataplaneState } from '@heddle/core'
import type { Clock, Logger } from '@heddle/io'
import { AgentError } from '../agent-error.js'
import { Backoff } from '../backoff.js'

/**
 * Where an agent's dataplane comes from: one that whoever made it also closes, or a function that opens one. What a function opens belongs to the
 * agent: it is closed with the agent, and opened anew when it is lost.
 */
export type DataplaneSource = Dataplane | (() => Promise<Dataplane>)

export interface DataplaneKeeperOptions {
  readonly source: DataplaneSource
  readonly clock: Clock
  readonly logger: Logger
  /** Called for everything the dataplane tells. */
  readonly event: (event: DataplaneEvent) => void
  /** The dataplane is gone; another one will be opened if it can be. */
  readonly lost: () => void
  /**
   * Gives another one what it is to hold. When it throws, that one is closed and the next one opened later; when that is lost meanwhile, the next one is
   * opened behind this.
   */
  readonly fill: (dataplane: Dataplane) => Promise<void>
  /** Another one is there in its place, and filled. */
  readonly replaced: () => void
}

/** How soon a dataplane that was lost is opened anew, milliseconds. */
const RETRY = { first: 20, most: 5_000 } as const

/** Keeps a dataplane open and listens to what it tells. */
export class DataplaneKeeper {
  readonly #options: DataplaneKeeperOptions
  readonly #reopen: Backoff
  #current: Dataplane | undefined
  /** Whether what the last one had programmed outlives it. */
  #survives = false
  /** The one that was lost, until another takes over what it has left. */
  #lost: Dataplane | undefined
  /** There is one, and it has what it is to hold. */
  #isReady = false
  /** Why none could be opened, as it was logged. */
  #told: string | undefined
  #events: AsyncIterator<DataplaneEvent> | undefined
  /** Another one is being opened, behind those before it. */
  #replacing: Promise<void> | undefined
  /** How it was closed. */
  #closed: { readonly keep: boolean } | undefined

  constructor(options: DataplaneKeeperOptions) {
    this.#options = options
    this.#reopen = new Backoff(
      options.clock,
      () => {
        // Behind one that was lost while it was filled, of which something may be under way.
        this.#replacing = (this.#replacing ?? Promise.resolve()).then(async () => this.#replace())
      },
      RETRY,
    )
  }

  /** The dataplane, unless it is lost at the moment. */
  get current(): Dataplane | undefined {
    return this.#current
  }

  /** The dataplane. @throws AgentError `agent.dataplane-lost` */
  get required(): Dataplane {
    if (this.#current === undefined) throw new AgentError('agent.dataplane-lost', this.#gone)
    return this.#current
  }

  /** What there is to say of one that is lost, until another one is filled; undefined while nothing is amiss. */
  get lost(): string | undefined {
    return this.#isReady ? undefined : this.#gone
  }

  get #gone(): string {
    const gone = 'the dataplane is gone and not back yet'
    return this.#told === undefined ? gone : `${gone}: ${this.#told}`
  }

  /** Whether what is programmed outlives the agent; of one that is lost, as it was. */
  get survives(): boolean {
    return typeof this.#options.source !== 'function' || this.#survives
  }

  /** @throws DataplaneError as the source does */
  async open(): Promise<Dataplane> {
    const { source } = this.#options
    const dataplane = typeof source === 'function' ? await source() : source
    this.#follow(dataplane)
    this.#isReady = true
    return dataplane
  }

  /** What a dataplane holds that is to be used from now on. @throws DataplaneError `dataplane.lost` when it is gone meanwhile, and as `dump` */
  async dump(dataplane: Dataplane): Promise<DataplaneState> {
    const state = await dataplane.dump()
    if (this.#current !== dataplane) throw new DataplaneError('dataplane.lost', 'it was lost as soon as it was open')
    return state
  }

  /**
   * Lets go of the dataplane; one that belongs to the agent is closed, with `keep` so that it goes on where it can. Where there is none, what the last one has
   * left is taken away, unless it is to be kept. Idempotent.
   */
  async close(options: { readonly keep: boolean }): Promise<void> {
    if (this.#isClosed()) return
    this.#closed = options
    this.#reopen.reset()
    await this.#events?.return?.()
    await this.#replacing
    const { source } = this.#options
    if (typeof source !== 'function') return
    const dataplane = this.#current ?? this.#lost ?? (options.keep ? undefined : await this.#openLeft(source))
    if (dataplane !== undefined) await this.#release(dataplane, options)
  }

  /** What one has left that was closed since it would not do goes with another, where that can be had. */
  async #openLeft(source: () => Promise<Dataplane>): Promise<Dataplane | undefined> {
    try {
      return await source()
    } catch (error) {
      if (!(error instanceof DataplaneError)) throw error
      this.#options.logger.warn('what the dataplane has left stays', { error: error.message })
      return undefined
    }
  }

  async #release(dataplane: Dataplane, options: { readonly keep: boolean }): Promise<void> {
    await dataplane.close(options).catch((error: unknown) => {
      if (!(error instanceof DataplaneError)) throw error
      this.#options.logger.debug('the dataplane was gone before it was closed', { error: error.message })
    })
  }

  #isClosed(): boolean {
    return this.#closed !== undefined
  }

  #follow(dataplane: Dataplane): void {
    this.#current = dataplane
    this.#survives = dataplane.capabilities.survivesClose
    const events = dataplane.events[Symbol.asyncIterator]()
    this.#events = events
    void this.#listen(dataplane, events)
  }

  async #listen(dataplane: Dataplane, events: AsyncIterator<DataplaneEvent>): Promise<void> {
    for (;;) {
      const { value, done } = await events.next()
      if (this.#isClosed() || this.#current !== dataplane) return
      if (done === true) break
      this.#options.event(value)
    }
    // Events end when the dataplane does.
    this.#current = undefined
    this.#lost = dataplane
    this.#isReady = false
    this.#options.lost()
    if (typeof this.#options.source === 'function') return this.#reopen.schedule()
    this.#told = 'nobody said how to open another one'
    this.#options.logger.error('the dataplane is gone, and nobody said how to open another one')
  }

  async #replace(): Promise<void> {
    const { source, logger, fill, replaced } = this.#options
    if (this.#isClosed() || typeof source !== 'function') return
    let dataplane: Dataplane | undefined
    try {
      dataplane = await source()
      this.#lost = undefined
      // Closed meanwhile: who does so waits for this, and closes it.
      if (this.#isClosed()) return void (this.#current = dataplane)
      this.#follow(dataplane)
      await fill(dataplane)
      this.#told = undefined
      if (this.#current !== dataplane) return // lost meanwhile: the next attempt is due
      this.#reopen.reset()
      this.#isReady = true
      replaced()
      logger.info('another dataplane is there', { kind: dataplane.capabilities.kind })
    } catch (error) {
      if (!(error instanceof DataplaneError)) throw error
      // What lasts is told once.
      if (error.message !== this.#told) logger.error('the dataplane cannot be opened', { error: error.message })
      this.#told = error.message
      if (this.#isClosed()) return
      if (dataplane !== undefined) {
        if (this.#current !== dataplane) return // as above
        this.#current = undefined
        await this.#release(dataplane, { keep: true })
      }
      this.#reopen.schedule()
    }
  }
}
