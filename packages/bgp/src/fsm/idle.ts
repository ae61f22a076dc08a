import type { FsmConfig } from './config.js'
import { start, stop } from './effect.js'
import type { FsmEvent } from './event.js'
import { go, stay, type Fsm, type FsmStep } from './transition.js'

/** Idle (RFC 4271 §8.2.2): nothing is done for the peer until a start event. */
export function idle(fsm: Fsm, event: FsmEvent, config: FsmConfig): FsmStep {
  switch (event.type) {
    case 'manual-start': // 1
    case 'automatic-start': // 3
      return begin({ ...fsm, connectRetryCounter: 0 }, config, false)

    case 'manual-start-passive': // 4
    case 'automatic-start-passive': // 5
      return begin({ ...fsm, connectRetryCounter: 0 }, config, true)

    case 'automatic-start-damped': // 6
    case 'automatic-start-damped-passive': // 7: the more failures in a row, the longer the wait
      return stay(fsm, [start('idle-hold', Math.min(config.idleHoldTime * 2 ** fsm.connectRetryCounter, config.idleHoldLimit))])

    case 'idle-hold-timer-expired': // 13
      return begin(fsm, config, config.passive)

    case 'manual-stop': // 2: only a start that was waiting is called off
      return stay(fsm, [stop('idle-hold')])

    default: // 8–12, 14–28 mean nothing here
      return stay(fsm)
  }
}

function begin(fsm: Fsm, config: FsmConfig, passive: boolean): FsmStep {
  const timers = [stop('idle-hold'), start('connect-retry', config.connectRetryTime)]
  return passive
    ? go(fsm, { name: 'active', delayingOpen: false }, timers)
    : go(fsm, { name: 'connect', delayingOpen: false }, [...timers, { type: 'connect' }])
}
