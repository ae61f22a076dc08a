import type { Clock, Random, Timer } from '@heddle/io'

/** Least factor of jitter (RFC 4271 §10). */
const LEAST_JITTER = 0.75

/**
 * The MinRouteAdvertisementIntervalTimer of one session (RFC 4271 §9.2.1.1): after a burst of UPDATEs the next one waits, and what changes
 * meanwhile goes out together, as it is at last.
 */
export class AdvertisementInterval {
  #timer: Timer | undefined

  /** @param seconds 0: nothing ever waits @param over is told when a wait has ended */
  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly seconds: number,
    private readonly over: () => void,
  ) {}

  /** Whether nothing may be sent yet. */
  get waits(): boolean {
    return this.#timer !== undefined
  }

  /** A burst is over. */
  begin(): void {
    if (this.seconds === 0 || this.waits) return
    const factor = LEAST_JITTER + (1 - LEAST_JITTER) * (this.random.uint32() / 0x1_0000_0000)
    this.#timer = this.clock.setTimer(this.seconds * 1000 * factor, () => {
      this.#timer = undefined
      this.over()
    })
  }

  /** Waits no longer. */
  end(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
