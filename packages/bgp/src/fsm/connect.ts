import type { FsmConfig } from './config.js'
import { start, stop } from './effect.js'
import type { FsmEvent } from './event.js'
import type { Connect } from './state.js'
import { confirmOpen, go, listenAgain, sendOpen, stay, toIdle, type Fsm, type FsmStep } from './transition.js'

/** Connect (RFC 4271 §8.2.2): our connection attempt is under way, or the OPEN on it is being held back. */
export function connect(fsm: Fsm, state: Connect, event: FsmEvent, config: FsmConfig): FsmStep {
  switch (event.type) {
    case 'manual-start': // 1
    case 'automatic-start': // 3
    case 'manual-start-passive': // 4
    case 'automatic-start-passive': // 5
    case 'automatic-start-damped': // 6
    case 'automatic-start-damped-passive': // 7
    case 'tcp-connection-valid': // 14: a request is on its way
    case 'tcp-request-invalid': // 15: rejected by whoever listens
      return stay(fsm)

    case 'manual-stop': // 2
      return toIdle(fsm, 'reset')

    case 'connect-retry-timer-expired': // 9: try anew
      return go(fsm, { name: 'connect', delayingOpen: false }, [
        { type: 'close' },
        stop('delay-open'),
        start('connect-retry', config.connectRetryTime),
        { type: 'connect' },
      ])

    case 'delay-open-timer-expired': // 12
      return sendOpen(fsm, config)

    case 'tcp-request-acked': // 16
    case 'tcp-connection-confirmed': // 17
      return config.delayOpen
        ? go(fsm, { name: 'connect', delayingOpen: true }, [stop('connect-retry'), start('delay-open', config.delayOpenTime)])
        : sendOpen(fsm, config)

    case 'tcp-connection-fails': // 18: once it was up, the peer may come back by itself
      return state.delayingOpen ? listenAgain(fsm, config) : toIdle(fsm, 'keep')

    case 'open-received-delayed': // 20
      return confirmOpen(fsm, event.open, config, [{ type: 'send-open' }])

    case 'header-error': // 21
    case 'open-error': // 22
      return toIdle(fsm, 'increment', config.sendNotificationWithoutOpen ? event.notification : undefined)

    case 'notification-version-error': // 24
      return toIdle(fsm, state.delayingOpen ? 'keep' : 'increment')

    default: // 8, 10, 11, 13, 19, 23, 25–28
      return toIdle(fsm, 'increment')
  }
}
