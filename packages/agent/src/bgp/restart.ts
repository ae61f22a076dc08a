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
export function restartTimeOf({ gracefulRestart }: SpeakerConfig): number {
  return (typeof gracefulRestart === 'object' ? gracefulRestart.restartTime : undefined) ?? DEFAULT_RESTART_TIME
}
