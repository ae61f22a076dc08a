import { DataplaneError, type ApplyFailure, type Dataplane, type OverlayModel, type VpnRouteChange } from '@heddle/core'
import type { Clock, Logger, Timer } from '@heddle/io'
import { Backoff } from '../backoff.js'
import { Serial } from '../serial.js'

export interface SynchronizerOptions {
  readonly model: OverlayModel
  readonly clock: Clock
  readonly logger: Logger
  /** Tells peers about routes that the dataplane holds now, or holds no more. */
  readonly publish: (changes: readonly VpnRouteChange[]) => void
}

/** Retries of what the dataplane refused, milliseconds. */
const RETRY = { first: 200, most: 10_000 } as const

/**
 * Carries what the model wants to the dataplane, one transaction at a time, and what the dataplane holds to the peers: withdrawals before a
 * transaction, announcements behind it. What is refused is tried again, and named in `failures` meanwhile.
 */
export class Synchronizer {
  readonly #options: SynchronizerOptions
  readonly #serial = new Serial()
  readonly #retry: Backoff
  #dataplane: Dataplane | undefined
  #due: Promise<void> | undefined
  /** For what the model wants later, without being told. */
  #later: Timer | undefined
  #failures: readonly ApplyFailure[] = []
  /** What was logged of refusals that last. */
  #told: string | undefined
  #stopped = false

  constructor(options: SynchronizerOptions) {
    this.#options = options
    this.#retry = new Backoff(options.clock, () => void this.run(), RETRY)
  }

  /** Objects that the dataplane did not take with the last transaction. */
  get failures(): readonly ApplyFailure[] {
    return this.#failures
  }

  /** Goes on with `dataplane`; without one, transactions wait. The model must know what it holds. */
  use(dataplane: Dataplane | undefined): void {
    this.#dataplane = dataplane
  }

  /** Resolves when what the model wants now has been applied, refused, or has to wait for a dataplane. Calls share their work. */
  async run(): Promise<void> {
    this.#due ??= this.#serial.run(async () => {
      this.#due = undefined // what is wanted from here on is the next pass's
      await this.#pass()
      this.#schedule()
    })
    await this.#due
  }

  /** Ends retries; passes do nothing from now on. */
  stop(): void {
    this.#stopped = true
    this.#retry.reset()
    this.#later?.cancel()
  }

  async #pass(): Promise<void> {
    const { model, publish } = this.#options
    if (this.#stopped) return
    publish(model.takeExports())
    const dataplane = this.#dataplane
    const transaction = dataplane === undefined ? undefined : model.takeTransaction()
    if (dataplane === undefined || transaction === undefined) return
    try {
      const report = await dataplane.apply(transaction)
      const complete = model.programmed(report)
      this.#failures = report.failures
      if (complete) {
        this.#retry.reset()
        this.#told = undefined
      } else this.#refused(report.failures)
    } catch (error) {
      if (!(error instanceof DataplaneError)) throw error
      this.#options.logger.warn('the dataplane did not answer', { error: error.message })
      return
    }
    if (!this.#stopped) publish(model.takeExports())
  }

  #schedule(): void {
    this.#later?.cancel()
    const { clock, model } = this.#options
    const { due } = model
    if (this.#stopped || this.#dataplane === undefined || due === Number.POSITIVE_INFINITY) return
    this.#later = clock.setTimer(Math.max(0, due - clock.now()), () => void this.run())
  }

  #refused(failures: readonly ApplyFailure[]): void {
    const [first] = failures
    const fields = { failures: failures.length, first: first === undefined ? '' : describeFailure(first) }
    const isNews = JSON.stringify(fields) !== this.#told
    this.#told = JSON.stringify(fields)
    if (isNews) this.#options.logger.error('the dataplane did not take everything; it is tried again', fields)
    this.#retry.schedule()
  }
}

/** `KIND KEY: MESSAGE (CODE)`. */
export function describeFailure({ object, message, code }: ApplyFailure): string {
  return `${object.kind} ${object.key}: ${message} (${code})`
}
