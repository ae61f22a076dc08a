import { start } from './effect.js'
import type { FsmEvent } from './event.js'
import type { Established } from './state.js'
import {
  COLLISION,
  HOLD_TIMER_EXPIRED,
  SEND_HOLD_TIMER_EXPIRED,
  ceaseOf,
  fsmError,
  keepaliveTime,
  stay,
  stopped,
  toIdle,
  type Fsm,
  type FsmStep,
} from './transition.js'

/** Established (RFC 4271 §8.2.2): routes flow. Every way out has the effect `down`. */
export function established(fsm: Fsm, state: Established, event: FsmEvent): FsmStep {
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
    case 'open-received': // 19: whoever holds both connections decides (CollisionDetectEstablishedState), and sends event 23 to the loser
      return stay(fsm)

    case 'manual-stop': // 2
      return toIdle(fsm, 'reset', ceaseOf(event))

    case 'automatic-stop': // 8
      return toIdle(fsm, 'increment', stopped(event))

    case 'hold-timer-expired': // 10
      return toIdle(fsm, 'increment', HOLD_TIMER_EXPIRED)

    case 'keepalive-timer-expired': // 11
      return stay(fsm, state.holdTime === 0 ? [] : [{ type: 'send-keepalive' }, start('keepalive', keepaliveTime(state.holdTime))])

    case 'open-collision-dump': // 23
      return toIdle(fsm, 'increment', COLLISION)

    case 'tcp-connection-fails': // 18
    case 'notification-version-error': // 24
    case 'notification-received': // 25
      return toIdle(fsm, 'increment')

    case 'keepalive-received': // 26: a session that lives past its first interval ends the row of failures
      return { fsm: { state, connectRetryCounter: 0 }, effects: refreshed(state) }

    case 'update-received': // 27
      return stay(fsm, refreshed(state))

    case 'header-error': // 21: with what is wrong (RFC 4271 §6.1), where §8.2.2 would only say that something is
    case 'open-error': // 22
    case 'update-error': // 28
      return toIdle(fsm, 'increment', event.notification)

    case 'send-hold-timer-expired': // 29
      return toIdle(fsm, 'increment', SEND_HOLD_TIMER_EXPIRED)

    default: // 9, 12, 13, 20
      return toIdle(fsm, 'increment', fsmError(3))
  }
}

function refreshed({ holdTime }: Established): FsmStep['effects'] {
  return holdTime === 0 ? [] : [start('hold', holdTime)]
}
