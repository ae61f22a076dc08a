import type { Clock } from '../clock.js'

/**
 * Carries events between two hosts of a memory network, in order, `latency` milliseconds each. While the link is cut, what is reliable waits (as
 * TCP would send it again) and what is not is lost.
 */
export class MemoryLink {
  readonly #held: (() => void)[] = []
  #cut = false

  constructor(
    readonly clock: Clock,
    readonly latency: number,
  ) {}

  get isCut(): boolean {
    return this.#cut
  }

  /** Runs `arrive` after the latency; when the link is cut then, after it was healed. */
  sendReliably(arrive: () => void): void {
    this.clock.setTimer(this.latency, () => {
      if (this.#cut || this.#held.length > 0) this.#held.push(arrive)
      else arrive()
    })
  }

  /** Runs `arrive` after the latency unless the link is cut now or then. */
  send(arrive: () => void): void {
    if (this.#cut) return
    this.clock.setTimer(this.latency, () => {
      if (!this.#cut) arrive()
    })
  }

  cut(): void {
    this.#cut = true
  }

  heal(): void {
    this.#cut = false
    while (!this.#cut && this.#held.length > 0) this.#held.shift()?.()
  }
}
