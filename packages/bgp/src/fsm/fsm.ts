import { active } from './active.js'
import type { FsmConfig } from './config.js'
import { connect } from './connect.js'
import { established } from './established.js'
import type { FsmEvent } from './event.js'
import { idle } from './idle.js'
import { openConfirm } from './open-confirm.js'
import { openSent } from './open-sent.js'
import type { Fsm, FsmStep } from './transition.js'

/** A machine before its first start event. */
export const INITIAL_FSM: Fsm = Object.freeze({ state: Object.freeze({ name: 'idle' }), connectRetryCounter: 0 })

/**
 * The finite state machine of one connection (RFC 4271 §8): what `event` leads to in `fsm`. Pure: timers, sockets and messages are effects
 * for the session to carry out, in their order.
 */
export function stepFsm(fsm: Fsm, event: FsmEvent, config: FsmConfig): FsmStep {
  const { state } = fsm
  switch (state.name) {
    case 'idle':
      return idle(fsm, event, config)
    case 'connect':
      return connect(fsm, state, event, config)
    case 'active':
      return active(fsm, state, event, config)
    case 'open-sent':
      return openSent(fsm, event, config)
    case 'open-confirm':
      return openConfirm(fsm, state, event, config)
    default:
      return established(fsm, state, event)
  }
}
