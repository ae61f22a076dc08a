import type { Clock, Timer } from '@heddle/io'
import type { Family } from '../nlri/family.js'

/**
 * The restarting speaker's side of graceful restart (RFC 4724 §4.1): of each family nothing is sent until every peer that will say so has sent
 * its End-of-RIB, or the selection deferral timer is over.
 */
export class RestartDeferral {
  readonly #waiting = new Map<number, Set<string>>()
  #timer: Timer | undefined

  /** @param ended is told each family whose wait is over */
  constructor(
    private readonly clock: Clock,
    private readonly seconds: number,
    private readonly ended: (familyKey: number) => void,
  ) {}

  /** Before the start: the peer's End-of-RIB of the family is waited for. */
  expect(peer: string, { key }: Family): void {
    const peers = this.#waiting.get(key) ?? new Set()
    this.#waiting.set(key, peers.add(peer))
  }

  /** The speaker has started: from here on the wait is limited. */
  start(): void {
    if (this.#waiting.size > 0) this.#timer = this.clock.setTimer(this.seconds * 1000, () => this.#expire())
  }

  /** Whether any family still waits: the R bit is set that long. */
  get active(): boolean {
    return this.#waiting.size > 0
  }

  /** Whether the family must not be sent yet. */
  holds(family: Family): boolean {
    return this.#waiting.has(family.key)
  }

  /** A peer has sent its End-of-RIB of the family, or will not. */
  done(peer: string, familyKey: number): void {
    const peers = this.#waiting.get(familyKey)
    if (peers === undefined) return
    peers.delete(peer)
    if (peers.size === 0) this.#end(familyKey)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#waiting.clear()
  }

  #expire(): void {
    for (const key of this.#waiting.keys()) this.#end(key)
  }

  #end(familyKey: number): void {
    this.#waiting.delete(familyKey)
    if (this.#waiting.size === 0) this.#timer?.cancel()
    this.ended(familyKey)
  }
}
