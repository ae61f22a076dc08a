import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { DEFAULT_FSM_CONFIG, type FsmConfig } from './config.js'
import type { FsmEffect, FsmTimer } from './effect.js'
import { EVENT_NUMBER, type FsmEvent } from './event.js'
import { INITIAL_FSM, stepFsm } from './fsm.js'
import type { FsmState, FsmStateName } from './state.js'
import type { Fsm } from './transition.js'

const open = { as: 65001, holdTime: 30, routerId: IpAddress.parse('192.0.2.1') }
const notification = { code: 3, subcode: 1 }

/** One event of each number. */
const EVENTS: readonly FsmEvent[] = [
  { type: 'manual-start' },
  { type: 'manual-stop' },
  { type: 'automatic-start' },
  { type: 'manual-start-passive' },
  { type: 'automatic-start-passive' },
  { type: 'automatic-start-damped' },
  { type: 'automatic-start-damped-passive' },
  { type: 'automatic-stop', subcode: 1 },
  { type: 'connect-retry-timer-expired' },
  { type: 'hold-timer-expired' },
  { type: 'keepalive-timer-expired' },
  { type: 'delay-open-timer-expired' },
  { type: 'idle-hold-timer-expired' },
  { type: 'tcp-connection-valid' },
  { type: 'tcp-request-invalid' },
  { type: 'tcp-request-acked' },
  { type: 'tcp-connection-confirmed' },
  { type: 'tcp-connection-fails' },
  { type: 'open-received', open },
  { type: 'open-received-delayed', open },
  { type: 'header-error', notification },
  { type: 'open-error', notification },
  { type: 'open-collision-dump' },
  { type: 'notification-version-error' },
  { type: 'notification-received' },
  { type: 'keepalive-received' },
  { type: 'update-received' },
  { type: 'update-error', notification },
  { type: 'send-hold-timer-expired' },
]

const STATES: readonly FsmState[] = [
  { name: 'idle' },
  { name: 'connect', delayingOpen: false },
  { name: 'active', delayingOpen: false },
  { name: 'open-sent' },
  { name: 'open-confirm', open, holdTime: 30 },
  { name: 'established', open, holdTime: 30 },
]

const LETTER: Readonly<Record<FsmStateName, string>> = {
  idle: 'I',
  connect: 'C',
  active: 'A',
  'open-sent': 'S',
  'open-confirm': 'F',
  established: 'E',
}

/**
 * RFC 4271 §8.2.2 as a table. A cell is the next state (I, C, A, S, F for OpenConfirm, E), then `n` with the code of the NOTIFICATION that is
 * sent, then how the ConnectRetryCounter changes: `+` one more, `0` reset.
 */
const MATRIX: readonly (readonly [
  event: number,
  idle: string,
  connect: string,
  active: string,
  sent: string,
  confirm: string,
  up: string,
])[] = [
  //    Idle  Connect Active OpenSent OpenConfirm Established
  [1, 'C0', 'C', 'A', 'S', 'F', 'E'],
  [2, 'I', 'I0', 'I0', 'In6/20', 'In6/20', 'In6/20'],
  [3, 'C0', 'C', 'A', 'S', 'F', 'E'],
  [4, 'A0', 'C', 'A', 'S', 'F', 'E'],
  [5, 'A0', 'C', 'A', 'S', 'F', 'E'],
  [6, 'I', 'C', 'A', 'S', 'F', 'E'],
  [7, 'I', 'C', 'A', 'S', 'F', 'E'],
  [8, 'I', 'I+', 'I+', 'In6/1+', 'In6/1+', 'In6/1+'],
  [9, 'I', 'C', 'C', 'In5/1+', 'In5/2+', 'In5/3+'],
  [10, 'I', 'I+', 'I+', 'In4/0+', 'In4/0+', 'In4/0+'],
  [11, 'I', 'I+', 'I+', 'In5/1+', 'F', 'E'],
  [12, 'I', 'S', 'S', 'In5/1+', 'In5/2+', 'In5/3+'],
  [13, 'C', 'I+', 'I+', 'In5/1+', 'In5/2+', 'In5/3+'],
  [14, 'I', 'C', 'A', 'S', 'F', 'E'],
  [15, 'I', 'C', 'A', 'S', 'F', 'E'],
  [16, 'I', 'S', 'S', 'S', 'F', 'E'],
  [17, 'I', 'S', 'S', 'S', 'F', 'E'],
  [18, 'I', 'I', 'I+', 'A', 'I+', 'I+'],
  [19, 'I', 'I+', 'I+', 'F', 'F', 'E'],
  [20, 'I', 'F', 'F', 'In5/1+', 'In5/2+', 'In5/3+'],
  [21, 'I', 'I+', 'I+', 'In3/1+', 'In3/1+', 'In3/1+'],
  [22, 'I', 'I+', 'I+', 'In3/1+', 'In3/1+', 'In3/1+'],
  [23, 'I', 'I+', 'I+', 'In6/7+', 'In6/7+', 'In6/7+'],
  [24, 'I', 'I+', 'I+', 'I', 'I', 'I+'],
  [25, 'I', 'I+', 'I+', 'I+', 'I+', 'I+'],
  [26, 'I', 'I+', 'I+', 'In5/1+', 'E', 'E0'],
  [27, 'I', 'I+', 'I+', 'In5/1+', 'In5/2+', 'E'],
  [28, 'I', 'I+', 'I+', 'In5/1+', 'In5/2+', 'In3/1+'],
  [29, 'I', 'I+', 'I+', 'In5/1+', 'In8/0+', 'In8/0+'],
]

/** What happened, in the notation of the table. */
function cell(state: FsmState, event: FsmEvent, config: FsmConfig): string {
  const { fsm, effects } = stepFsm({ state, connectRetryCounter: 5 }, event, config)
  const sent = effects.flatMap((effect) => (effect.type === 'send-notification' ? [effect.notification] : []))
  const counter = fsm.connectRetryCounter === 6 ? '+' : fsm.connectRetryCounter === 0 ? '0' : ''
  return LETTER[fsm.state.name] + sent.map(({ code, subcode }) => `n${code}/${subcode}`).join('') + counter
}

describe.each(MATRIX)('event %i of RFC 4271 §8.1', (number, ...cells) => {
  it.each(STATES.map((state, column) => [state.name, state, cells[column]] as const))('in %s', (_name, state, expected) => {
    const event = EVENTS[number - 1]
    expect(EVENT_NUMBER[event.type]).toBe(number)
    expect(cell(state, event, DEFAULT_FSM_CONFIG)).toBe(expected)
  })
})

/**
 * Timers that are started or restarted, with their seconds: `c` connect-retry, `h` hold, `k` keepalive, `i` idle-hold, `s` send-hold (RFC 9687).
 * Before the peer's OPEN the hold time is the large one. No other event starts any.
 */
const TIMERS: Readonly<
  Record<number, readonly [idle: string, connect: string, active: string, sent: string, confirm: string, up: string]>
> = {
  //   Idle    Connect    Active     OpenSent   OpenConfirm Established
  1: ['c120', '', '', '', '', ''],
  3: ['c120', '', '', '', '', ''],
  4: ['c120', '', '', '', '', ''],
  5: ['c120', '', '', '', '', ''],
  6: ['i8', '', '', '', '', ''],
  7: ['i8', '', '', '', '', ''],
  9: ['', 'c120', 'c120', '', '', ''],
  11: ['', '', '', '', 'k10', 'k10'],
  12: ['', 'h240', 'h240', '', '', ''],
  13: ['c120', '', '', '', '', ''],
  16: ['', 'h240', 'h240', '', '', ''],
  17: ['', 'h240', 'h240', '', '', ''],
  18: ['', '', '', 'c1', '', ''],
  19: ['', '', '', 'h30 k10', '', ''],
  20: ['', 'h30 k10', 'h30 k10', '', '', ''],
  26: ['', '', '', '', 'h30 s480', 'h30'],
  27: ['', '', '', '', '', 'h30'],
}

describe.each(EVENTS.map((event) => [EVENT_NUMBER[event.type], event] as const))('event %i starts', (number, event) => {
  it.each(STATES.map((state, column) => [state.name, state, TIMERS[number]?.[column] ?? ''] as const))(
    'in %s',
    (_name, state, expected) => {
      const { effects } = stepFsm({ state, connectRetryCounter: 5 }, event, DEFAULT_FSM_CONFIG)
      const started = effects.flatMap((effect) => (effect.type === 'start-timer' ? [`${effect.timer[0]}${effect.seconds}`] : []))
      expect(started.join(' ')).toBe(expected)
    },
  )
})

describe('with DelayOpen', () => {
  const config = { ...DEFAULT_FSM_CONFIG, delayOpen: true, delayOpenTime: 7 }
  const start = (timer: FsmTimer, seconds: number): FsmEffect =>
    expect.objectContaining({ type: 'start-timer', timer, seconds }) as FsmEffect

  it.each(['connect', 'active'] as const)('holds the OPEN back in %s', (name) => {
    const step = stepFsm({ state: { name, delayingOpen: false }, connectRetryCounter: 0 }, { type: 'tcp-request-acked' }, config)
    expect(step.fsm.state).toEqual({ name, delayingOpen: true })
    expect(step.effects).toEqual([{ type: 'stop-timer', timer: 'connect-retry' }, start('delay-open', 7)])
  })

  it.each(['connect', 'active'] as const)('answers the OPEN that comes first in %s (event 20)', (name) => {
    const step = stepFsm({ state: { name, delayingOpen: true }, connectRetryCounter: 0 }, { type: 'open-received-delayed', open }, config)
    expect(step.fsm.state).toEqual({ name: 'open-confirm', open, holdTime: 30 })
    expect(step.effects.map(({ type }) => type)).toEqual([
      'stop-timer',
      'stop-timer',
      'send-open',
      'send-keepalive',
      'start-timer',
      'start-timer',
    ])
  })

  it('goes back to listening when the connection fails meanwhile (event 18)', () => {
    const step = stepFsm(
      { state: { name: 'connect', delayingOpen: true }, connectRetryCounter: 0 },
      { type: 'tcp-connection-fails' },
      config,
    )
    expect(step.fsm.state.name).toBe('active')
  })

  it('does not count a version error while it waits (event 24)', () => {
    const fsm: Fsm = { state: { name: 'active', delayingOpen: true }, connectRetryCounter: 2 }
    expect(stepFsm(fsm, { type: 'notification-version-error' }, config).fsm.connectRetryCounter).toBe(2)
  })

  it.each(['connect', 'active'] as const)('reports errors before the OPEN only where it is told to, in %s', (name) => {
    const fsm: Fsm = { state: { name, delayingOpen: true }, connectRetryCounter: 0 }
    const event: FsmEvent = { type: 'open-error', notification }
    const says = (sendNotificationWithoutOpen: boolean): boolean =>
      stepFsm(fsm, event, { ...config, sendNotificationWithoutOpen }).effects.some(({ type }) => type === 'send-notification')
    expect([says(false), says(true)]).toEqual([false, true])
  })
})

describe('hold time (RFC 4271 §4.2, §4.4)', () => {
  const timersFor = (ours: number, theirs: number): FsmEffect[] =>
    stepFsm(
      { state: { name: 'open-sent' }, connectRetryCounter: 0 },
      { type: 'open-received', open: { ...open, holdTime: theirs } },
      { ...DEFAULT_FSM_CONFIG, holdTime: ours },
    ).effects.filter((effect) => effect.type === 'start-timer')

  it.each([
    [90, 30, 30],
    [9, 180, 9],
    [3, 3, 3],
  ])('%i here and %i there make %i', (ours, theirs, agreed) => {
    expect(timersFor(ours, theirs)).toEqual([
      { type: 'start-timer', timer: 'hold', seconds: agreed, jitter: false },
      { type: 'start-timer', timer: 'keepalive', seconds: agreed / 3, jitter: true },
    ])
  })

  it.each([
    [0, 90],
    [90, 0],
    [0, 0],
  ])('%i here and %i there mean no keepalives at all', (ours, theirs) => {
    expect(timersFor(ours, theirs)).toEqual([])
  })
})

test('the longer the row of failures, the longer Idle holds, up to eight times', () => {
  const waits = [0, 1, 2, 3, 4, 50].map((connectRetryCounter) => {
    const [effect] = stepFsm(
      { state: { name: 'idle' }, connectRetryCounter },
      { type: 'automatic-start-damped' },
      DEFAULT_FSM_CONFIG,
    ).effects
    return effect.type === 'start-timer' ? effect.seconds : undefined
  })
  expect(waits).toEqual([1, 2, 4, 8, 8, 8])
})

test('a silent stop says nothing', () => {
  const step = stepFsm({ state: STATES[5], connectRetryCounter: 0 }, { type: 'manual-stop', silent: true }, DEFAULT_FSM_CONFIG)
  expect(step.effects.some(({ type }) => type === 'send-notification')).toBe(false)
})

test('any events lead to legal states, with the timers of the state and no other', () => {
  const legal: Readonly<Record<FsmStateName, readonly FsmTimer[]>> = {
    idle: ['idle-hold'],
    connect: ['connect-retry', 'delay-open'],
    active: ['connect-retry', 'delay-open'],
    'open-sent': ['hold'],
    'open-confirm': ['hold', 'keepalive'],
    established: ['hold', 'keepalive', 'send-hold'],
  }
  const config = fc.record({
    delayOpen: fc.boolean(),
    passive: fc.boolean(),
    sendNotificationWithoutOpen: fc.boolean(),
    holdTime: fc.constantFrom(0, 3, 90),
  })
  fc.assert(
    fc.property(config, fc.array(fc.constantFrom(...EVENTS), { maxLength: 60 }), (options, events) => {
      const running = new Set<FsmTimer>()
      let up = 0
      let fsm = INITIAL_FSM
      for (const event of events) {
        const step = stepFsm(fsm, event, { ...DEFAULT_FSM_CONFIG, ...options })
        fsm = step.fsm
        for (const effect of step.effects) {
          if (effect.type === 'start-timer') running.add(effect.timer)
          if (effect.type === 'stop-timer') running.delete(effect.timer)
          if (effect.type === 'established') up++
          if (effect.type === 'down') up--
          if (effect.type === 'send-notification') expect(fsm.state.name).toBe('idle')
        }
        for (const timer of running) expect(legal[fsm.state.name]).toContain(timer)
        expect(up).toBe(fsm.state.name === 'established' ? 1 : 0)
        if (fsm.state.name === 'open-confirm' || fsm.state.name === 'established') {
          expect(running.has('hold')).toBe(fsm.state.holdTime > 0)
          expect(fsm.state.holdTime === 0 || fsm.state.holdTime >= 3).toBe(true)
        }
      }
    }),
  )
})
