import { CEASE, NOTIFICATION } from '../iana.js'
import type { FsmConfig } from './config.js'
import { notify, start, stop, type FsmEffect } from './effect.js'
import type { FsmEvent, NotificationSummary, OpenSummary } from './event.js'
import type { FsmState, OpenConfirm } from './state.js'

/** One connection's machine: its state, and how often in a row it failed (ConnectRetryCounter). */
export interface Fsm {
  readonly state: FsmState
  readonly connectRetryCounter: number
}

/** What an event leads to. */
export interface FsmStep {
  readonly fsm: Fsm
  readonly effects: readonly FsmEffect[]
}

/** No change, nothing to do. */
export function stay(fsm: Fsm, effects: readonly FsmEffect[] = []): FsmStep {
  return { fsm, effects }
}

export function go(fsm: Fsm, state: FsmState, effects: readonly FsmEffect[]): FsmStep {
  return { fsm: { ...fsm, state }, effects }
}

/** How the counter changes on the way to Idle. */
type Count = 'reset' | 'keep' | 'increment'

/** To Idle: tell the peer where there is something to tell, drop the connection, stop every timer. */
export function toIdle({ state, connectRetryCounter }: Fsm, count: Count, notification?: NotificationSummary): FsmStep {
  const effects: FsmEffect[] = []
  if (notification !== undefined) effects.push(notify(notification))
  effects.push({ type: 'close' }, stop('connect-retry'), stop('delay-open'), stop('hold'), stop('keepalive'), stop('send-hold'))
  if (state.name === 'established') effects.push({ type: 'down' })
  const counter = count === 'reset' ? 0 : connectRetryCounter + (count === 'increment' ? 1 : 0)
  return { fsm: { state: { name: 'idle' }, connectRetryCounter: counter }, effects }
}

/**
 * Back to Active, to listen and to try again: the peer was there a moment ago, so the connect-retry timer starts with no more than the idle hold
 * time. A daemon that has just been started drops connections for which it has no configuration yet.
 */
export function listenAgain(fsm: Fsm, config: FsmConfig): FsmStep {
  return go(fsm, { name: 'active', delayingOpen: false }, [
    { type: 'close' },
    stop('delay-open'),
    stop('hold'),
    start('connect-retry', Math.min(config.idleHoldTime, config.connectRetryTime)),
  ])
}

/** The OPEN goes out; until the peer's is there, a large hold time counts (RFC 4271 §8.2.2, suggested 4 minutes). */
export function sendOpen(fsm: Fsm, config: FsmConfig): FsmStep {
  return go(fsm, { name: 'open-sent' }, [
    stop('connect-retry'),
    stop('delay-open'),
    { type: 'send-open' },
    start('hold', config.largeHoldTime),
  ])
}

/** The peer's OPEN is good: confirm it, and let the negotiated timers run (RFC 4271 §4.2, §4.4, §10). */
export function confirmOpen(fsm: Fsm, open: OpenSummary, config: FsmConfig, before: readonly FsmEffect[]): FsmStep {
  const holdTime = Math.min(config.holdTime, open.holdTime)
  const state: OpenConfirm = { name: 'open-confirm', open, holdTime }
  const timers = holdTime === 0 ? [stop('hold'), stop('keepalive')] : [start('hold', holdTime), start('keepalive', keepaliveTime(holdTime))]
  return go(fsm, state, [stop('connect-retry'), stop('delay-open'), ...before, { type: 'send-keepalive' }, ...timers])
}

/** A third of the hold time, at least a second apart (RFC 4271 §4.4). */
export function keepaliveTime(holdTime: number): number {
  return Math.max(1, holdTime / 3)
}

/** Cease for a stop by an operator: with the text of RFC 9003, or nothing at all when the stop is silent. */
export function ceaseOf(event: Extract<FsmEvent, { type: 'manual-stop' }>): NotificationSummary | undefined {
  if (event.silent === true) return undefined
  const subcode = event.subcode ?? CEASE.administrativeShutdown
  return { code: NOTIFICATION.cease, subcode, ...(event.shutdown === undefined ? {} : { shutdown: event.shutdown }) }
}

/** Subcodes of an FSM error: 1 OpenSent, 2 OpenConfirm, 3 Established (RFC 6608 §3). */
export function fsmError(subcode: 1 | 2 | 3): NotificationSummary {
  return { code: NOTIFICATION.fsm, subcode }
}

export const HOLD_TIMER_EXPIRED: NotificationSummary = Object.freeze({ code: NOTIFICATION.holdTimer, subcode: 0 })
export const SEND_HOLD_TIMER_EXPIRED: NotificationSummary = Object.freeze({ code: NOTIFICATION.sendHoldTimer, subcode: 0 })
export const COLLISION: NotificationSummary = Object.freeze({ code: NOTIFICATION.cease, subcode: CEASE.collisionResolution })

/** Cease for a stop that the speaker decided on by itself (RFC 4486 §4). */
export function stopped({ subcode, data }: Extract<FsmEvent, { type: 'automatic-stop' }>): NotificationSummary {
  return { code: NOTIFICATION.cease, subcode, ...(data === undefined ? {} : { data }) }
}
