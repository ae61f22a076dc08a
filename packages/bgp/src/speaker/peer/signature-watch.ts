import type { Clock, SignatureDrops, Timer, Transport } from '@heddle/io'

/** What may be wrong with the segments of who has another key, in words. */
const FAULTS: readonly (readonly [keyof SignatureDrops, string])[] = [
  ['wrong', 'with a wrong signature'],
  ['unsigned', 'without the signature that they need'],
  ['unexpected', 'with a signature that nobody expects'],
]

/**
 * Why a session with a key does not come up, as far as the system counts it: a segment whose signature is not what it should be vanishes without a word to
 * either end. Counts are those of all streams of the system, so that they say what may be, and not who it is.
 */
export class SignatureWatch {
  #timer: Timer | undefined
  #words: string | undefined
  /** Grows with each watch, so that an answer that comes late is known as one. */
  #round = 0

  constructor(
    private readonly clock: Clock,
    private readonly transport: Transport,
  ) {}

  /** What was dropped since the watch began. */
  get words(): string | undefined {
    return this.#words
  }

  /** Watches until `stop`. @param seconds between looks */
  start(seconds: number): void {
    this.stop()
    const round = ++this.#round
    this.#read((before) => {
      if (round === this.#round) this.#later(seconds, before, round)
    })
  }

  /** Idempotent. */
  stop(): void {
    this.#round++
    this.#timer?.cancel()
    this.#timer = undefined
    this.#words = undefined
  }

  #later(seconds: number, before: SignatureDrops, round: number): void {
    this.#timer = this.clock.setTimer(seconds * 1000, () => {
      this.#read((now) => {
        if (round !== this.#round) return
        this.#words = describeDrops(before, now)
        this.#later(seconds, before, round)
      })
    })
  }

  #read(take: (drops: SignatureDrops) => void): void {
    // a system that does not count says nothing
    this.transport.signatureDrops?.().then(take, () => undefined)
  }
}

/** What was dropped between two counts; `undefined`: nothing. */
export function describeDrops(before: SignatureDrops, now: SignatureDrops): string | undefined {
  const parts = FAULTS.flatMap(([kind, words]) => (now[kind] > before[kind] ? [`${now[kind] - before[kind]} ${words}`] : []))
  return parts.length === 0 ? undefined : `this system has dropped segments meanwhile: ${parts.join(', ')}`
}
