import type { Clock, Timer } from '@heddle/io'
import type { NegotiatedSession } from '../capability/negotiated-session.js'
import { CEASE, NOTIFICATION } from '../iana.js'
import type { Family } from '../nlri/family.js'
import { PATH, type RibTable } from '../rib/rib-table.js'
import { isFinal } from '../session/hard-reset.js'
import type { DownCause } from '../session/session.js'

/** What is needed to keep a peer's routes over its restart. */
export interface StaleRoutesContext {
  readonly clock: Clock
  /** Index of the peer in the tables. */
  readonly peer: number
  /** Seconds that stale routes wait for End-of-RIB once the session is back. */
  readonly staleTime: number
  tableOf(family: Family): RibTable
  /** Routes have gone. */
  removed(families: readonly Family[]): void
}

/**
 * Whether the end of a session is a graceful restart of the peer: a connection that is lost without a word is (RFC 4724 §4.2); a NOTIFICATION
 * either way is, where both set the N bit and it is no hard reset (RFC 8538 §4).
 */
export function isGraceful(cause: DownCause, { gracefulRestart }: NegotiatedSession): boolean {
  if (gracefulRestart === undefined) return false
  switch (cause.kind) {
    case 'connection-lost':
      return true
    case 'notification-sent':
    case 'notification-received': {
      const { code, subcode } = cause.notification
      // what the peer means to be final it says by a hard reset
      const final =
        cause.kind === 'notification-sent' ? isFinal(cause.notification) : code === NOTIFICATION.cease && subcode === CEASE.hardReset
      return gracefulRestart.notification && !final
    }
    default:
      return false
  }
}

/** The helper's side of graceful restart for one peer (RFC 4724 §4.2). */
export class StaleRoutes {
  #families = new Set<Family>()
  #timer: Timer | undefined

  constructor(private readonly context: StaleRoutesContext) {}

  /** Families with routes that wait for the peer. */
  get families(): readonly Family[] {
    return [...this.#families]
  }

  /** The session is over: keeps what may be kept, takes out the rest of `all`. */
  down(all: readonly Family[], negotiated: NegotiatedSession | undefined, graceful: boolean): void {
    const kept = graceful ? (negotiated?.gracefulRestart?.families.map(({ family }) => family) ?? []) : []
    this.#timer?.cancel()
    for (const family of all) {
      const table = this.context.tableOf(family)
      if (kept.includes(family)) {
        table.removePeer(this.context.peer, PATH.stale) // still stale from the restart before: gone for good
        table.markPeer(this.context.peer, PATH.stale)
      } else table.removePeer(this.context.peer)
    }
    this.#families = new Set(kept)
    this.context.removed(all)
    if (kept.length > 0) this.#arm(negotiated?.gracefulRestart?.restartTime ?? 0)
  }

  /** The session is back: what the peer did not preserve goes; the rest waits for End-of-RIB. */
  up(negotiated: NegotiatedSession): void {
    if (this.#families.size === 0) return
    this.#timer?.cancel()
    const preserved = negotiated.gracefulRestart?.families.filter(({ forwardingPreserved }) => forwardingPreserved) ?? []
    for (const family of this.#families) {
      if (!preserved.some((entry) => entry.family.key === family.key)) this.finish(family)
    }
    if (this.#families.size > 0) this.#arm(this.context.staleTime)
  }

  /** End-of-RIB has come, or no longer matters: what is still stale goes. */
  finish(family: Family): void {
    if (!this.#families.delete(family)) return
    this.context.tableOf(family).removePeer(this.context.peer, PATH.stale)
    this.context.removed([family])
    if (this.#families.size === 0) this.#timer?.cancel()
  }

  /** Takes all stale routes out now. */
  clear(): void {
    for (const family of this.#families) this.finish(family)
    this.#timer?.cancel()
  }

  #arm(seconds: number): void {
    this.#timer = this.context.clock.setTimer(seconds * 1000, () => this.clear())
  }
}
