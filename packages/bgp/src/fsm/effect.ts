import type { NotificationSummary } from './event.js'

/** Timers of RFC 4271 §8 and §10, and the send hold timer of RFC 9687. */
export type FsmTimer = 'connect-retry' | 'hold' | 'keepalive' | 'delay-open' | 'idle-hold' | 'send-hold'

/** What the session must do to the world; carried out in order. */
export type FsmEffect =
  /** Starts the timer anew, running or not. `jitter`: multiply by a random factor of 0.75–1 (RFC 4271 §10). */
  | { readonly type: 'start-timer'; readonly timer: FsmTimer; readonly seconds: number; readonly jitter: boolean }
  | { readonly type: 'stop-timer'; readonly timer: FsmTimer }
  /** Begin a connection to the peer, instead of one that may be under way. */
  | { readonly type: 'connect' }
  /** Drop the connection, and any attempt to make one. */
  | { readonly type: 'close' }
  | { readonly type: 'send-open' }
  | { readonly type: 'send-keepalive' }
  | { readonly type: 'send-notification'; readonly notification: NotificationSummary }
  /** The session is up: routes may flow. */
  | { readonly type: 'established' }
  /** The session that was up is over: its routes go, or become stale under graceful restart. */
  | { readonly type: 'down' }

/** With jitter where RFC 4271 §10 asks for it. */
export function start(timer: FsmTimer, seconds: number): FsmEffect {
  return { type: 'start-timer', timer, seconds, jitter: timer === 'connect-retry' || timer === 'keepalive' || timer === 'idle-hold' }
}

export function stop(timer: FsmTimer): FsmEffect {
  return { type: 'stop-timer', timer }
}

export function notify(notification: NotificationSummary): FsmEffect {
  return { type: 'send-notification', notification }
}
