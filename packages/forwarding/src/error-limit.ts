import type { Clock } from '@heddle/io'

const PER_SECOND = 1000
const BURST = 100

/** A token bucket for ICMP errors (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f): 100 at once, 1,000 a second. */
export class ErrorLimit {
  #tokens = BURST
  #at: number

  constructor(private readonly clock: Pick<Clock, 'now'>) {
    this.#at = clock.now()
  }

  /** Whether one more may be sent now. */
  take(): boolean {
    const now = this.clock.now()
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#at) * PER_SECOND) / 1000)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
