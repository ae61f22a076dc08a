import { BFD_STATES, type BfdPacket, type BfdState } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import {
  SLOW_INTERVAL,
  bfdPacket,
  detectionTime,
  newBfdSession,
  stepBfd,
  transmitInterval,
  type BfdConfig,
  type BfdSession,
} from './session.js'

const CONFIG: BfdConfig = { discriminator: 7, desiredMinTx: 300_000, requiredMinRx: 200_000, multiplier: 3, hops: 'multiple' }

function from(state: BfdState, more: Partial<BfdPacket> = {}): BfdPacket {
  return {
    diagnostic: 0,
    state,
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    detectMultiplier: 5,
    myDiscriminator: 9,
    yourDiscriminator: 7,
    desiredMinTxInterval: 400_000,
    requiredMinRxInterval: 500_000,
    requiredMinEchoRxInterval: 0,
    ...more,
  }
}

const at = (state: BfdState): BfdSession => ({ ...newBfdSession(), state })

// RFC 5880 §6.2 and §6.8.6: rows are this end's state, columns what happens.
const EVENTS = ['admin-down', 'down', 'init', 'up', 'expires', 'disable', 'enable'] as const
const MATRIX: Readonly<Record<BfdState, readonly BfdState[]>> = {
  //             ← admin-down ← down       ← init       ← up         expires       disable       enable
  'admin-down': ['admin-down', 'admin-down', 'admin-down', 'admin-down', 'admin-down', 'admin-down', 'down'],
  down: ['down', 'init', 'up', 'down', 'down', 'admin-down', 'down'],
  init: ['down', 'init', 'up', 'up', 'down', 'admin-down', 'init'],
  up: ['down', 'down', 'up', 'up', 'down', 'admin-down', 'up'],
}

describe.each(BFD_STATES)('a session that is %s', (state) => {
  it.each(EVENTS.map((event, column) => [event, MATRIX[state][column]] as const))('on %s becomes %s', (event, expected) => {
    const happening =
      event === 'expires'
        ? ({ type: 'detection-expired' } as const)
        : event === 'disable'
          ? ({ type: 'admin-down' } as const)
          : event === 'enable'
            ? ({ type: 'admin-up' } as const)
            : ({ type: 'received', packet: from(event) } as const)
    expect(stepBfd(at(state), happening, CONFIG).session.state).toBe(expected)
  })
})

test('why a session went down is told by its diagnostic', () => {
  const expired = stepBfd(at('up'), { type: 'detection-expired' }, CONFIG).session
  expect([expired.diagnostic, expired.remoteDiscriminator]).toEqual([1, 0])
  expect(stepBfd(at('up'), { type: 'received', packet: from('down') }, CONFIG).session.diagnostic).toBe(3)
  expect(stepBfd(at('up'), { type: 'admin-down' }, CONFIG).session.diagnostic).toBe(7)
})

test('a packet for another session, or for none while up, changes nothing', () => {
  for (const packet of [from('down', { yourDiscriminator: 8 }), from('up', { yourDiscriminator: 0 })]) {
    const session = at('up')
    expect(stepBfd(session, { type: 'received', packet }, CONFIG)).toEqual({ session, answer: false, alive: false })
  }
})

describe.each(['single', 'multiple'] as const)('a packet that names no session, %s hop(s) away,', (hops) => {
  const nobodys = (state: BfdState): BfdPacket => from(state, { yourDiscriminator: 0, myDiscriminator: 66, desiredMinTxInterval: 1 })

  // One every few seconds, from anywhere, kept a path down.
  it.each(['down', 'admin-down'] as const)('that says %s, ends what is up only where none but the link can send it', (said) => {
    const session = { ...at('up'), remoteDiscriminator: 9 }
    const step = stepBfd(session, { type: 'received', packet: nobodys(said) }, { ...CONFIG, hops })
    if (hops === 'multiple') expect(step).toEqual({ session, answer: false, alive: false })
    else expect(step).toMatchObject({ session: { state: 'down', remoteDiscriminator: 66 }, alive: true })
  })

  it('begins a session, as does one that an end sends which began anew', () => {
    for (const state of ['down', 'init'] as const) {
      const { session } = stepBfd(
        { ...at(state), remoteDiscriminator: 9 },
        { type: 'received', packet: nobodys('down') },
        { ...CONFIG, hops },
      )
      expect(session).toMatchObject({ state: 'init', remoteDiscriminator: 66 })
    }
  })

  it('has no session fall silent or wait for long, unless it is a neighbour', () => {
    const times = { requiredMinRxInterval: 0, desiredMinTxInterval: 0xffff_ffff, detectMultiplier: 255 }
    const { session } = stepBfd(at('down'), { type: 'received', packet: { ...nobodys('down'), ...times } }, { ...CONFIG, hops })
    expect(transmitInterval(session, CONFIG, 0)).toBe(hops === 'multiple' ? 1000 : undefined)
    expect(detectionTime(session, CONFIG)).toBe(hops === 'multiple' ? 3000 : (255 * 0xffff_ffff) / 1000)
  })
})

test('a Poll is answered at once by a Final, and a Final ends this end’s Poll', () => {
  const { session, answer } = stepBfd(at('init'), { type: 'received', packet: from('up', { poll: true }) }, CONFIG)
  expect([answer, session.polling]).toEqual([true, true])
  expect(bfdPacket(session, CONFIG, true)).toMatchObject({ final: true, poll: false })
  expect(bfdPacket(session, CONFIG)).toMatchObject({ final: false, poll: true, desiredMinTxInterval: 300_000 })
  expect(stepBfd(session, { type: 'received', packet: from('up', { final: true }) }, CONFIG).session.polling).toBe(false)
})

test('a session that is not up says that it sends once a second, and does (§6.8.3)', () => {
  expect(bfdPacket(at('down'), CONFIG).desiredMinTxInterval).toBe(SLOW_INTERVAL)
  expect(transmitInterval(at('down'), CONFIG, 0)).toBe(1000)
  expect(transmitInterval(at('down'), CONFIG, 1)).toBe(750)
})

test('intervals are what both ends agree on (§6.8.2, §6.8.4)', () => {
  const { session } = stepBfd(at('init'), { type: 'received', packet: from('up') }, CONFIG)
  expect(transmitInterval(session, CONFIG, 0)).toBe(500)
  expect(detectionTime(session, CONFIG)).toBe(5 * 400)
  expect(transmitInterval({ ...session, remoteMinRx: 0 }, CONFIG, 0)).toBeUndefined()
  expect(transmitInterval(session, { ...CONFIG, multiplier: 1 }, 0)).toBe(450)
  expect(transmitInterval(session, { ...CONFIG, multiplier: 1 }, 1)).toBe(375)
})

test('an end in demand mode is sent nothing while both are up, but for a Poll (§6.6)', () => {
  const session: BfdSession = { ...at('up'), remoteState: 'up', remoteDemand: true }
  expect(transmitInterval(session, CONFIG, 0)).toBeUndefined()
  expect(transmitInterval({ ...session, polling: true }, CONFIG, 0)).toBe(1000)
})
