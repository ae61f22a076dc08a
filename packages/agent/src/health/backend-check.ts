import type { EndpointView, HealthCheckIntent, ServiceBackend, ServiceIntent } from '@heddle/core'
import type { Clock, Timer } from '@heddle/io'
import { ProbeError, type HealthProbe } from './health-probe.js'
import { judge, UNKNOWN, type Verdict } from './verdict.js'

export interface BackendCheckOptions {
  readonly service: ServiceIntent
  readonly backend: ServiceBackend
  readonly health: HealthCheckIntent
  readonly clock: Clock
  readonly probe: HealthProbe
  /** The backend's endpoint, while it is one of this node, with its device or without. */
  readonly endpoint: () => EndpointView | undefined
  /** Length of the prefix by which packets come to it; undefined when they get nowhere. */
  readonly matchLength: () => number | undefined
  /** The check that this one takes the place of: what it found counts until the first answer. */
  readonly before: BackendCheck | undefined
  /** It counts as up from now on, or as down. */
  readonly changed: (check: BackendCheck) => void
}

/** Of a backend that there is no way to: the first answer decides again. */
const DOWN: Verdict = { ...UNKNOWN, isUp: false }

/** Milliseconds between two looks for device and route, which cost nothing, however seldom the backend is asked. */
const LOOK = 1000

/**
 * Asks one backend again and again, one question at a time, and keeps what is thought of it. It is not asked while it is an endpoint of this node without
 * its device, and is down; nor while it is no endpoint of this node, and is down when the most specific route to it went.
 */
export class BackendCheck {
  readonly #options: BackendCheckOptions
  #verdict: Verdict
  /** Of what `verdict` tells: another endpoint of the same address has to be asked anew. */
  #place: string | undefined
  /** Length of the most specific prefix that ever led to it, -1 before one did, when it may be on its way: one that covers it says nothing of it. */
  #longestMatch = -1
  /** Clock's time of the next question. */
  #due = 0
  #since: number
  #reason: string | undefined
  #answers = { good: 0, bad: 0 }
  #timer: Timer | undefined
  #question: AbortController | undefined
  #stopped = false

  constructor(options: BackendCheckOptions) {
    this.#options = options
    const { before, clock } = options
    this.#verdict = before?.isDown === true ? DOWN : UNKNOWN
    this.#since = before?.since ?? clock.now()
    this.#reason = before?.reason
  }

  get service(): ServiceIntent {
    return this.#options.service
  }

  get backend(): ServiceBackend {
    return this.#options.backend
  }

  get isDown(): boolean {
    return !this.#verdict.isUp
  }

  /** Whether it is asked: it is an endpoint of this node. */
  get isAsked(): boolean {
    return this.#place !== undefined
  }

  /** Clock's time at which it came to be up or down. */
  get since(): number {
    return this.#since
  }

  /** Why the last question had no good answer. */
  get reason(): string | undefined {
    return this.#reason
  }

  /** Questions so far, by how they were answered. */
  get answers(): { readonly good: number; readonly bad: number } {
    return this.#answers
  }

  start(): void {
    this.#schedule(0)
  }

  /** Asks no more; says no word any more. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#question?.abort()
  }

  #schedule(delay: number): void {
    if (!this.#stopped) this.#timer = this.#options.clock.setTimer(delay, () => void this.#round())
  }

  async #round(): Promise<void> {
    const { clock, health } = this.#options
    const begin = clock.now()
    const endpoint = this.#options.endpoint()
    const place = endpoint?.state === 'attached' ? `${endpoint.netns} ${endpoint.ifname}` : undefined
    if (place !== this.#place) {
      this.#verdict = { ...this.#verdict, isKnown: false, against: 0 }
      this.#due = begin
    }
    this.#place = place
    if (endpoint === undefined) this.#lookForRoute()
    else {
      this.#longestMatch = this.backend.address.bits
      if (endpoint.state === 'attached' && begin >= this.#due) {
        this.#due = begin + health.interval
        await this.#askAt(endpoint)
      } else if (endpoint.state === 'failed') this.#conclude(DOWN, endpoint.error ?? 'its device is not there')
    }
    if (this.#stopped) return
    const next = place === undefined ? begin + Math.min(LOOK, health.interval) : Math.min(begin + LOOK, this.#due)
    this.#schedule(Math.max(0, next - clock.now()))
  }

  async #askAt({ netns }: EndpointView): Promise<void> {
    const reason = await this.#ask(netns)
    if (this.#stopped) return
    this.#answers[reason === undefined ? 'good' : 'bad']++
    this.#conclude(judge(this.#verdict, reason === undefined, this.#options.health), reason)
  }

  /** A backend on another node is that one's to ask; here it is enough that it went. */
  #lookForRoute(): void {
    const length = this.#options.matchLength()
    if (length !== undefined && length >= this.#longestMatch) {
      this.#longestMatch = length
      this.#conclude(UNKNOWN, undefined)
    } else if (this.#longestMatch >= 0) {
      const lost = `no route of /${this.#longestMatch} leads to it, only one of /${length}`
      this.#conclude(DOWN, length === undefined ? 'no route leads to it' : lost)
    }
  }

  /** Why there was no good answer; undefined when there was. */
  async #ask(netns: string): Promise<string | undefined> {
    const { clock, health, backend, probe } = this.#options
    const question = new AbortController()
    this.#question = question
    const timer = clock.setTimer(health.timeout, () => question.abort(new ProbeError(`no answer within ${health.timeout} ms`)))
    const ended = new Promise<never>((_resolve, reject) => {
      question.signal.addEventListener('abort', () => reject(question.signal.reason as Error), { once: true })
    })
    const { address, port } = backend
    try {
      await Promise.race([probe({ netns, address, port: health.port ?? port, check: health }, question.signal), ended])
      return undefined
    } catch (error) {
      return question.signal.aborted ? (question.signal.reason as Error).message : (error as Error).message
    } finally {
      timer.cancel()
      ended.catch(() => undefined)
    }
  }

  #conclude(verdict: Verdict, reason: string | undefined): void {
    const isNews = verdict.isUp !== this.#verdict.isUp
    this.#verdict = verdict
    this.#reason = reason
    if (!isNews) return
    this.#since = this.#options.clock.now()
    this.#options.changed(this)
  }
}
