import type { FsmConfig } from './config.js'
import { start } from './effect.js'
import type { FsmEvent } from './event.js'
import type { OpenConfirm } from './state.js'
import {
  COLLISION,
  HOLD_TIMER_EXPIRED,
  SEND_HOLD_TIMER_EXPIRED,
  ceaseOf,
  fsmError,
  go,
  keepaliveTime,
  stay,
  stopped,
  toIdle,
  type Fsm,
  type FsmStep,
} from './transition.js'

/** OpenConfirm (RFC 4271 §8.2.2): both OPENs are out, the peer's KEEPALIVE is awaited. */
export function openConfirm(fsm: Fsm, state: OpenConfirm, event: FsmEvent, config: FsmConfig): FsmStep {
  switch (event.type) {
    case 'manual-start': // 1
    case 'automatic-start': // 3
    case 'manual-start-passive': // 4
    case 'automatic-start-passive': // 5
    case 'automatic-start-damped': // 6
    case 'automatic-start-damped-passive': // 7
    case 'tcp-connection-valid': // 14: a second connection has a machine of its own
    case 'tcp-request-invalid': // 15
    case 'tcp-request-acked': // 16
    case 'tcp-connection-confirmed': // 17
    case 'open-received': // 19: whoever holds both connections decides the collision, and sends event 23 to the loser
      return stay(fsm)

    case 'manual-stop': // 2
      return toIdle(fsm, 'reset', ceaseOf(event))

    case 'automatic-stop': // 8
      return toIdle(fsm, 'increment', stopped(event))

    case 'hold-timer-expired': // 10
      return toIdle(fsm, 'increment', HOLD_TIMER_EXPIRED)

    case 'keepalive-timer-expired': // 11
      return stay(fsm, state.holdTime === 0 ? [] : [{ type: 'send-keepalive' }, start('keepalive', keepaliveTime(state.holdTime))])

    case 'tcp-connection-fails': // 18
    case 'notification-received': // 25
      return toIdle(fsm, 'increment')

    case 'header-error': // 21
    case 'open-error': // 22
      return toIdle(fsm, 'increment', event.notification)

    case 'open-collision-dump': // 23
      return toIdle(fsm, 'increment', COLLISION)

    case 'notification-version-error': // 24
      return toIdle(fsm, 'keep')

    case 'keepalive-received': // 26
      return go(fsm, { name: 'established', open: state.open, holdTime: state.holdTime }, [
        ...(state.holdTime === 0 ? [] : [start('hold', state.holdTime)]),
        ...(config.sendHoldTime === 0 || state.holdTime === 0 ? [] : [start('send-hold', sendHoldTime(config, state.holdTime))]),
        { type: 'established' },
      ])

    case 'send-hold-timer-expired': // 29
      return toIdle(fsm, 'increment', SEND_HOLD_TIMER_EXPIRED)

    default: // 9, 12, 13, 20, 27, 28
      return toIdle(fsm, 'increment', fsmError(2))
  }
}

/** The greater of the configured time and twice the hold time (RFC 9687 §3.2). */
function sendHoldTime(config: FsmConfig, holdTime: number): number {
  return Math.max(config.sendHoldTime, 2 * holdTime)
}
