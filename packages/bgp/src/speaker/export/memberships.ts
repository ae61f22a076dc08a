import type { Clock, Timer } from '@heddle/io'
import type { NegotiatedSession } from '../../capability/negotiated-session.js'
import { SAFI } from '../../iana.js'
import { RTC, type Family } from '../../nlri/family.js'
import { RouteTargetFilter } from '../../policy/route-target-filter.js'
import type { RibTable } from '../../rib/rib-table.js'

/** Seconds that VPN routes wait for the peer's memberships: with a peer that will mark their end (RFC 4684 §6), and with one that may not. */
const WAIT = { marked: 60, unmarked: 2 } as const

/** Which VPN routes the peer of a session wants (RFC 4684): all of them, unless memberships are exchanged. */
export class Memberships {
  #filter: RouteTargetFilter | undefined
  #timer: Timer | undefined

  /** @param peer index in the tables @param ended the wait for the memberships is over */
  constructor(
    private readonly peer: number,
    { families, gracefulRestart }: NegotiatedSession,
    table: () => RibTable,
    clock: Clock,
    private readonly ended: () => void,
  ) {
    if (!families.includes(RTC)) return
    this.read(table())
    this.#timer = clock.setTimer((gracefulRestart === undefined ? WAIT.unmarked : WAIT.marked) * 1000, () => this.known())
  }

  /** What it wants; `undefined`: everything. */
  get filter(): RouteTargetFilter | undefined {
    return this.#filter
  }

  /** Whether the family's routes still wait to hear what is wanted. */
  awaited(family: Family): boolean {
    return this.#timer !== undefined && isFiltered(family)
  }

  /** Takes over what the peer has told by now. */
  read(table: RibTable): void {
    const told = [...table.peerPaths(this.peer)].map((path) => table.nlriOf(path))
    this.#filter = new RouteTargetFilter(told.flatMap((nlri) => (nlri.kind === 'rtc' ? [nlri] : [])))
  }

  /** All of them have come. */
  known(): void {
    if (this.#timer === undefined) return
    this.stop()
    this.ended()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

/** Whether the family's routes go by membership. */
export function isFiltered({ safi }: Family): boolean {
  return safi === SAFI.vpn || safi === SAFI.evpn
}
