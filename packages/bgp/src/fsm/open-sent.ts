import type { FsmConfig } from './config.js'
import type { FsmEvent } from './event.js'
import {
  COLLISION,
  HOLD_TIMER_EXPIRED,
  ceaseOf,
  confirmOpen,
  fsmError,
  listenAgain,
  stay,
  stopped,
  toIdle,
  type Fsm,
  type FsmStep,
} from './transition.js'

/** OpenSent (RFC 4271 §8.2.2): the transport is up, our OPEN is out, the peer's is awaited. */
export function openSent(fsm: Fsm, event: FsmEvent, config: FsmConfig): FsmStep {
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
      return stay(fsm)

    case 'manual-stop': // 2
      return toIdle(fsm, 'reset', ceaseOf(event))

    case 'automatic-stop': // 8
      return toIdle(fsm, 'increment', stopped(event))

    case 'hold-timer-expired': // 10
      return toIdle(fsm, 'increment', HOLD_TIMER_EXPIRED)

    case 'tcp-connection-fails': // 18: listen and wait rather than give up
      return listenAgain(fsm, config)

    case 'open-received': // 19
      return confirmOpen(fsm, event.open, config, [])

    case 'header-error': // 21
    case 'open-error': // 22
      return toIdle(fsm, 'increment', event.notification)

    case 'open-collision-dump': // 23
      return toIdle(fsm, 'increment', COLLISION)

    case 'notification-version-error': // 24
      return toIdle(fsm, 'keep')

    case 'notification-received': // 25: an FSM error too, but one does not answer a NOTIFICATION (RFC 4271 §6.4)
      return toIdle(fsm, 'increment')

    default: // 9, 11–13, 20, 26–28
      return toIdle(fsm, 'increment', fsmError(1))
  }
}
