import type { Clock, Timer } from '@heddle/io'
import type { Family } from '../../nlri/family.js'
import { PATH, type RibTable } from '../../rib/rib-table.js'

/** What the refreshes of one peer work on. */
export interface RefreshRoundsContext {
  readonly clock: Clock
  /** Index of the peer in the tables. */
  readonly peer: number
  /** Seconds after which an end is no longer waited for (RFC 7313 §4.2). */
  limit(): number
  tableOf(family: Family): RibTable
  /** Paths that were not announced again have gone. */
  removed(family: Family): void
}

/** The peer sends all routes of a family again, between two marks: what does not come again goes (RFC 7313). */
export class RefreshRounds {
  readonly #timers = new Map<number, Timer>()

  constructor(private readonly context: RefreshRoundsContext) {}

  begin(family: Family): void {
    const { clock, peer } = this.context
    this.#timers.get(family.key)?.cancel()
    this.#timers.set(
      family.key,
      clock.setTimer(this.context.limit() * 1000, () => this.end(family)),
    )
    this.context.tableOf(family).markPeer(peer, PATH.refreshing)
  }

  /** An end without a beginning means nothing. */
  end(family: Family): void {
    this.#timers.get(family.key)?.cancel()
    if (!this.#timers.delete(family.key)) return
    this.context.tableOf(family).removePeer(this.context.peer, PATH.refreshing)
    this.context.removed(family)
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }
}
