import { EndpointError } from '@heddle/core'
import type { Clock, Logger, Timer } from '@heddle/io'
import { asCniError } from './staged.js'

export interface RestorationOptions {
  /** Has an attachment's endpoint attached; false when it was taken away meanwhile. @throws EndpointError */
  readonly restore: (key: string) => Promise<boolean>
  /** Without it nothing is tried again. */
  readonly clock: Clock | undefined
  readonly logger: Logger
}

/** Milliseconds until what could not be restored is tried again. */
const RETRY = { first: 1_000, most: 15_000 } as const

/** Gives attachments of a process before this one their endpoints, and tries again what the dataplane refuses, or is not there for. */
export class Restoration {
  readonly #options: RestorationOptions
  /** Keys of attachments that still have no endpoint. */
  readonly #waiting = new Set<string>()
  #delay: number = RETRY.first
  #timer: Timer | undefined
  #stopped = false

  constructor(options: RestorationOptions) {
    this.#options = options
  }

  /** Resolves when each was tried once. */
  async begin(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#attempt(key)
    this.#schedule()
  }

  /** Tries nothing any more. Idempotent. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #attempt(key: string): Promise<void> {
    const { restore, clock, logger } = this.#options
    try {
      const isRestored = await restore(key)
      if (this.#waiting.delete(key) && isRestored) logger.info('an attachment is restored', { attachment: key })
    } catch (error) {
      // The rest does not pass by itself: a container that went meanwhile gets its DEL from the runtime; CHECK tells of any other.
      const again = clock !== undefined && error instanceof EndpointError && error.code === 'endpoint.dataplane'
      const isNews = !again || !this.#waiting.has(key)
      if (again) this.#waiting.add(key)
      else this.#waiting.delete(key)
      if (isNews) logger.warn('an attachment could not be restored', { attachment: key, error: asCniError(error).message, again })
    }
  }

  #schedule(): void {
    if (this.#stopped || this.#waiting.size === 0) return
    this.#timer = this.#options.clock?.setTimer(this.#delay, () => void this.#retry())
    this.#delay = Math.min(this.#delay * 2, RETRY.most)
  }

  async #retry(): Promise<void> {
    for (const key of this.#waiting) if (!this.#stopped) await this.#attempt(key)
    this.#schedule()
  }
}
