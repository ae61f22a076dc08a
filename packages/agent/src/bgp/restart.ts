import type { SpeakerConfig } from '@heddle/bgp'

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
 * are not known here: they are taken for ours, and for the defaults where ours are shorter.
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
