import type { FsmConfig } from './config.js'
import { start, stop } from './effect.js'
import type { FsmEvent } from './event.js'
import type { Active } from './state.js'
import { ceaseOf, confirmOpen, go, sendOpen, stay, stopped, toIdle, type Fsm, type FsmStep } from './transition.js'

/** Active (RFC 4271 §8.2.2): waits for the peer's connection, or holds the OPEN on it back. */
export function active(fsm: Fsm, state: Active, event: FsmEvent, config: FsmConfig): FsmStep {
  switch (event.type) {
    case 'manual-start': // 1
    case 'automatic-start': // 3
    case 'manual-start-passive': // 4
    case 'automatic-start-passive': // 5
    case 'automatic-start-damped': // 6
    case 'automatic-start-damped-passive': // 7
    case 'tcp-connection-valid': // 14
    case 'tcp-request-invalid': // 15
      return stay(fsm)

    case 'manual-stop': // 2
      return toIdle(fsm, 'reset', state.delayingOpen && config.sendNotificationWithoutOpen ? ceaseOf(event) : undefined)

    case 'connect-retry-timer-expired': // 9: a passive speaker goes on waiting
      return config.passive
        ? stay(fsm, [start('connect-retry', config.connectRetryTime)])
        : go(fsm, { name: 'connect', delayingOpen: false }, [
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
        ? go(fsm, { name: 'active', delayingOpen: true }, [stop('connect-retry'), start('delay-open', config.delayOpenTime)])
        : sendOpen(fsm, config)

    case 'tcp-connection-fails': // 18: the RFC restarts the connect-retry timer here, which means nothing in Idle; it is stopped instead
      return toIdle(fsm, 'increment')

    case 'open-received-delayed': // 20
      return confirmOpen(fsm, event.open, config, [{ type: 'send-open' }])

    case 'header-error': // 21
    case 'open-error': // 22
      return toIdle(fsm, 'increment', config.sendNotificationWithoutOpen ? event.notification : undefined)

    case 'automatic-stop': // 8
      return toIdle(fsm, 'increment', state.delayingOpen && config.sendNotificationWithoutOpen ? stopped(event) : undefined)

    case 'notification-version-error': // 24
      return toIdle(fsm, state.delayingOpen ? 'keep' : 'increment')

    default: // 10, 11, 13, 19, 23, 25–28
      return toIdle(fsm, 'increment')
  }
}
