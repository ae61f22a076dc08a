import type { NeighborConfig, SpeakerConfig } from '@heddle/bgp'
import type { Clock } from '@heddle/io'

/** Seconds that peers wait for a restart when the configuration says nothing (as `SpeakerConfig.gracefulRestart`). */
const DEFAULT_RESTART_TIME = 120

/**
 * Graceful restart as this agent can keep it: peers are asked to keep routes only where packets are forwarded meanwhile, and are told that we restart
 * only when a dataplane was taken over (RFC 4724 §4.1).
 */
export function restartConfig(
  { gracefulRestart = true }: SpeakerConfig,
  { survives, restarting }: { readonly survives: boolean; readonly restarting: boolean },
): NonNullable<SpeakerConfig['gracefulRestart']> {
  if (gracefulRestart === false) return false
  const wanted = gracefulRestart === true ? {} : gracefulRestart
  return survives ? { ...wanted, restarting } : { ...wanted, restartTime: 0, forwardingPreserved: false }
}

/** Seconds that peers wait for a restart of ours. */
export function restartTimeOf({ gracefulRestart }: Pick<SpeakerConfig, 'gracefulRestart'>): number {
  return (typeof gracefulRestart === 'object' ? gracefulRestart.restartTime : undefined) ?? DEFAULT_RESTART_TIME
}

/** Seconds of silence after which a session ends when the configuration says nothing (as `SpeakerConfig.holdTime`). */
const DEFAULT_HOLD_TIME = 90

/** Seconds for which packets and UPDATEs may be on their way. */
const ON_THE_WAY = 60

/**
 * Seconds for which others may still send by a route that this agent took back. Who has lost the session by which it would be told, without a word,
 * notices when the hold time ends, and then keeps the route for the restart time, and for the long-lived one where that is offered. Those of others
 * are not known here: they are taken for ours, and for the defaults where ours are shorter. Who has no hold time (0) notices nothing: of those this says
 * nothing, see `neighborsWithoutHoldTime`.
 */
export function restOf(bgp: SpeakerConfig): number {
  const all = [bgp, ...bgp.neighbors, ...(bgp.dynamicNeighbors ?? [])]
  const longest = (what: (one: Pick<SpeakerConfig, 'holdTime' | 'gracefulRestart'>) => number | undefined, least: number): number =>
    Math.max(least, ...all.map((one) => what(one) ?? 0))
  return (
    ON_THE_WAY +
    longest(({ holdTime }) => holdTime, DEFAULT_HOLD_TIME) +
    longest(restartTimeOf, DEFAULT_RESTART_TIME) +
    longest(({ gracefulRestart }) => (typeof gracefulRestart === 'object' ? gracefulRestart.longLived : undefined), 0)
  )
}

/**
 * Neighbors with which sessions have no hold time, and no BFD that would end them instead: such a peer that is cut off without a word keeps routes for as
 * long as it likes, and no rest is long enough for it.
 */
export function neighborsWithoutHoldTime({ holdTime, neighbors, dynamicNeighbors = [] }: SpeakerConfig): string[] {
  const isEndless = (one: Pick<NeighborConfig, 'holdTime' | 'bfd'>): boolean =>
    (one.holdTime ?? holdTime) === 0 && (one.bfd ?? false) === false
  return [...neighbors.filter(isEndless).map(({ address }) => address), ...dynamicNeighbors.filter(isEndless).map(({ prefix }) => prefix)]
}

/** A configuration that another one has replaced, which told peers to keep routes for longer. */
interface Former {
  readonly rest: number
  /** When nobody goes by it any more, in the time of the clock. */
  readonly until: number
}

/**
 * For how long what is released rests, while configurations come and go: a peer that lost its session before a change keeps routes for as long as it was
 * told before that.
 */
export class ReleaseRest {
  #rest: number
  #former: readonly Former[] = []

  constructor(
    private readonly clock: Pick<Clock, 'now'>,
    bgp: SpeakerConfig,
  ) {
    this.#rest = restOf(bgp) * 1000
  }

  /** Milliseconds for what is released now. */
  get milliseconds(): number {
    const now = this.clock.now()
    return Math.max(this.#rest, ...this.#former.filter(({ until }) => until > now).map(({ rest }) => rest))
  }

  /** Peers are told by another configuration from now on. */
  reconfigure(bgp: SpeakerConfig): void {
    const [now, rest] = [this.clock.now(), restOf(bgp) * 1000]
    const before = { rest: this.#rest, until: now + this.#rest }
    this.#former = [...this.#former, before].filter((former) => former.until > now && former.rest > rest)
    this.#rest = rest
  }
}
