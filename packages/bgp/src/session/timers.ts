import type { Clock, Random, Timer } from '@heddle/io'
import type { FsmTimer } from '../fsm/effect.js'

/** Least factor of jitter (RFC 4271 §10). */
const LEAST_JITTER = 0.75

/** The timers of one machine on an injected clock. */
export class SessionTimers {
  readonly #running = new Map<FsmTimer, { deadline: number; timer: Timer }>()

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly expired: (timer: FsmTimer) => void,
  ) {}

  /** Names of the timers that run. */
  get running(): readonly FsmTimer[] {
    return [...this.#running.keys()]
  }

  /** Starts a timer anew. One that is only moved to a later moment keeps its clock timer, so that a refresh costs nothing. */
  start(name: FsmTimer, seconds: number, jitter: boolean): void {
    const factor = jitter ? LEAST_JITTER + (1 - LEAST_JITTER) * (this.random.uint32() / 0x1_0000_0000) : 1
    const delay = seconds * 1000 * factor
    const deadline = this.clock.now() + delay
    const running = this.#running.get(name)
    if (running !== undefined && running.deadline <= deadline) {
      running.deadline = deadline
      return
    }
    running?.timer.cancel()
    this.#arm(name, deadline, delay)
  }

  stop(name: FsmTimer): void {
    this.#running.get(name)?.timer.cancel()
    this.#running.delete(name)
  }

  stopAll(): void {
    for (const { timer } of this.#running.values()) timer.cancel()
    this.#running.clear()
  }

  #arm(name: FsmTimer, deadline: number, delay: number): void {
    const timer = this.clock.setTimer(delay, () => {
      const entry = this.#running.get(name)
      if (entry === undefined) return
      const left = entry.deadline - this.clock.now()
      if (left > 0) return this.#arm(name, entry.deadline, left)
      this.#running.delete(name)
      this.expired(name)
    })
    this.#running.set(name, { deadline, timer })
  }
}
