import type { Clock, Timer } from '@heddle/io'
import type { NegotiatedSession } from '../../capability/negotiated-session.js'
import { CEASE, NOTIFICATION, WELL_KNOWN_COMMUNITY } from '../../iana.js'
import { familyOf, type Family } from '../../nlri/family.js'
import { withCommunity } from '../../policy/export-rules.js'
import { PATH, type RibTable } from '../../rib/rib-table.js'
import { isFinal } from '../../session/hard-reset.js'
import type { DownCause } from '../../session/session.js'

/** What is needed to keep a peer's routes over its restart. */
export interface StaleRoutesContext {
  readonly clock: Clock
  /** Index of the peer in the tables. */
  readonly peer: number
  /** Seconds that stale routes wait for End-of-RIB once the session is back. */
  staleTime(): number
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
  /** Seconds for which routes of a family may be kept as the last choice (RFC 9494), and the timers of those that are. */
  #longLived = new Map<Family, number>()
  readonly #longTimers = new Map<Family, Timer>()

  constructor(private readonly context: StaleRoutesContext) {}

  /** Families with routes that wait for the peer. */
  get families(): readonly Family[] {
    return [...this.#families]
  }

  /** The session is over: keeps what may be kept, takes out the rest of `all`. */
  down(all: readonly Family[], negotiated: NegotiatedSession | undefined, graceful: boolean): void {
    const restarting = graceful ? (negotiated?.gracefulRestart?.families.map(({ family }) => family) ?? []) : []
    const entries = graceful ? (negotiated?.longLivedGracefulRestart ?? []) : []
    this.#longLived = new Map(
      entries.flatMap(({ family, staleTime }) => (staleTime > 0 ? [[familyOf(family.afi, family.safi), staleTime]] : [])),
    )
    this.#timer?.cancel()
    const kept: Family[] = []
    for (const family of all) {
      const table = this.context.tableOf(family)
      const long = [...this.#longLived.keys()].some(({ key }) => key === family.key)
      if (restarting.some(({ key }) => key === family.key) || long) {
        kept.push(family)
        // still stale from the restart before: gone for good, unless for long (RFC 9494 §4.2)
        if (!long) table.removePeer(this.context.peer, PATH.stale)
        table.markPeer(this.context.peer, PATH.stale)
      } else {
        this.#endLong(family)
        table.removePeer(this.context.peer)
      }
    }
    this.#families = new Set(kept)
    this.context.removed(all)
    // without a restart time of its own, a family is kept for long at once (RFC 9494 §4.2)
    for (const family of kept) if (!restarting.some(({ key }) => key === family.key)) this.#over(family)
    if (this.#families.size > 0) this.#arm(negotiated?.gracefulRestart?.restartTime ?? 0)
  }

  /** The session is back: what the peer did not preserve goes; the rest waits for End-of-RIB. */
  up(negotiated: NegotiatedSession): void {
    if (this.#families.size === 0) return
    this.#timer?.cancel()
    const entries = [...(negotiated.gracefulRestart?.families ?? []), ...(negotiated.longLivedGracefulRestart ?? [])]
    const preserved = entries.filter(({ forwardingPreserved }) => forwardingPreserved)
    for (const family of this.#families) {
      if (!preserved.some((entry) => entry.family.key === family.key)) this.finish(family)
    }
    if (this.#families.size > 0) this.#arm(this.context.staleTime(), true)
  }

  /** End-of-RIB has come, or no longer matters: what is still stale goes. */
  finish(family: Family): void {
    if (!this.#families.delete(family)) return
    this.#endLong(family)
    this.context.tableOf(family).removePeer(this.context.peer, PATH.stale)
    this.context.removed([family])
    if (this.#families.size === 0) this.#timer?.cancel()
  }

  /** Takes all stale routes out now. */
  clear(): void {
    for (const family of this.#families) this.finish(family)
    this.#timer?.cancel()
  }

  /** @param final whether long-lived routes go too when it is over */
  #arm(seconds: number, final = false): void {
    this.#timer = this.context.clock.setTimer(seconds * 1000, () => {
      if (final) return this.clear()
      for (const family of this.#families) this.#over(family)
    })
  }

  /** The restart time is over: routes are kept for long, or go. */
  #over(family: Family): void {
    const seconds = [...this.#longLived].find(([{ key }]) => key === family.key)?.[1]
    if (seconds === undefined) return this.finish(family)
    if (this.#longTimers.has(family)) return undefined
    const table = this.context.tableOf(family)
    for (const path of Array.from(table.peerPaths(this.context.peer))) if (table.has(path, PATH.stale)) keepForLong(table, path)
    this.#longTimers.set(
      family,
      this.context.clock.setTimer(seconds * 1000, () => this.finish(family)),
    )
    this.context.removed([family])
    return undefined
  }

  #endLong(family: Family): void {
    this.#longTimers.get(family)?.cancel()
    this.#longTimers.delete(family)
  }
}

/** Marks a path as stale for long, which makes it the last choice everywhere; one that says it must not be kept goes (RFC 9494 §4.3). */
function keepForLong(table: RibTable, path: number): void {
  const { sets } = table
  const set = sets.get(table.setOf(path))
  if (set.attributes.communities?.includes(WELL_KNOWN_COMMUNITY.noLlgr) === true) return table.remove(path)
  const received = table.receivedOf(path)
  const marked = sets.intern({ ...set, attributes: withCommunity(set.attributes, WELL_KNOWN_COMMUNITY.llgrStale) })
  if (marked !== received) sets.retain(received)
  table.flag(path, PATH.llgrStale, true)
  return table.reimport(path, marked, table.invalidOf(path), marked === received ? 0 : received)
}
