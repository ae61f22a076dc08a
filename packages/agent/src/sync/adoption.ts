import type { Speaker } from '@heddle/bgp'
import type { Clock, Timer } from '@heddle/io'

export interface AdoptionOptions {
  readonly speaker: Speaker
  readonly clock: Clock
  /** Called once, when the peers have told what they have or time is over. */
  readonly ended: () => void
  /** Milliseconds after which peers that are not back are not waited for. */
  readonly deadline: number
}

/** A family without graceful restart may have no mark at the end of its routes: it gets this many milliseconds from Established on. */
const UNMARKED_WAIT = 3_000

/**
 * Decides how long a restarted agent keeps what it found in its dataplane: until every peer has sent the end of its routes in each family
 * (RFC 4724 §2), and all that came was handed out.
 */
export class Adoption {
  readonly #options: AdoptionOptions
  /** `NEIGHBOR FAMILY` of each End-of-RIB that is still to come. */
  readonly #awaited = new Set<string>()
  readonly #timers: Timer[] = []
  #over = false

  constructor(options: AdoptionOptions) {
    this.#options = options
    const { speaker, clock, deadline } = options
    for (const { address, config } of speaker.neighbors()) for (const family of config.families) this.#awaited.add(`${address} ${family}`)
    this.#timers.push(clock.setTimer(deadline, () => this.end()))
    speaker.events.on('end-of-rib', this.#onEndOfRib)
    speaker.events.on('neighbor', this.#onNeighbor)
  }

  /** To be called when routes were taken over by the model: ends when nothing is awaited and nothing waits to be taken. */
  check(): void {
    if (this.#awaited.size === 0 && this.#options.speaker.pendingChanges === 0) this.end()
  }

  /** Ends it now. Idempotent. */
  end(): void {
    if (this.#over) return
    this.cancel()
    this.#options.ended()
  }

  /** Ends it without a word. */
  cancel(): void {
    this.#over = true
    for (const timer of this.#timers) timer.cancel()
    this.#options.speaker.events.off('end-of-rib', this.#onEndOfRib)
    this.#options.speaker.events.off('neighbor', this.#onNeighbor)
  }

  readonly #onEndOfRib = ({ neighbor, family }: { readonly neighbor: string; readonly family: { readonly name: string } }): void => {
    this.#arrived([`${neighbor} ${family.name}`])
  }

  readonly #onNeighbor = ({ address, config, negotiated }: ReturnType<Speaker['neighbors']>[number]): void => {
    if (negotiated === undefined) return
    const spoken = new Set<string>(negotiated.families.map(({ name }) => name))
    this.#arrived(config.families.filter((family) => !spoken.has(family)).map((family) => `${address} ${family}`))
    const marked = new Set<string>(negotiated.gracefulRestart?.families.map(({ family }) => family.name))
    const rest = config.families.filter((family) => !marked.has(family)).map((family) => `${address} ${family}`)
    if (rest.length === 0) return
    this.#timers.push(this.#options.clock.setTimer(UNMARKED_WAIT, () => this.#arrived(rest)))
  }

  #arrived(keys: readonly string[]): void {
    for (const key of keys) this.#awaited.delete(key)
    // Changes that are on their way to the model, in a promise, are there behind a timer.
    this.#timers.push(this.#options.clock.setTimer(0, () => this.check()))
  }
}
