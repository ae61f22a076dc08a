import { describe, expect, it } from 'vitest'
import type { FsmStateName } from '../../fsm/state.js'
import type { Session } from '../../session/session.js'
import { resolveCollision, type CollisionVerdict } from './collision.js'

const connection = (name: FsmStateName, incoming: boolean, connectedAt: number, gracefulRestart = false): Session =>
  ({
    state: { name },
    incoming,
    connectedAt,
    establishedAt: connectedAt + 1,
    negotiated: gracefulRestart ? { gracefulRestart: {} } : {},
  }) as unknown as Session

/** RFC 4271 §6.8: of two connections the one stays that the speaker with the higher identifier made. */
const cases: readonly (readonly [
  what: string,
  fresh: boolean,
  other: boolean,
  state: FsmStateName,
  us: number,
  them: number,
  CollisionVerdict,
])[] = [
  ['theirs comes, theirs is the higher identifier', true, false, 'open-confirm', 1, 2, 'dump-other'],
  ['theirs comes, ours is the higher identifier', true, false, 'open-confirm', 2, 1, 'dump-new'],
  ['ours comes, theirs is the higher identifier', false, true, 'open-confirm', 1, 2, 'dump-new'],
  ['ours comes, ours is the higher identifier', false, true, 'open-confirm', 2, 1, 'dump-other'],
  ['the other is not so far yet', true, false, 'open-sent', 1, 2, 'keep-both'],
  ['the other has no connection', true, false, 'connect', 1, 2, 'keep-both'],
  ['the peer made both', true, true, 'open-confirm', 2, 1, 'dump-other'],
  ['the other is up', true, false, 'established', 1, 2, 'dump-new'],
]

describe('connection collision (RFC 4271 §6.8)', () => {
  it.each(cases)('%s', (_what, fresh, other, state, routerId, remoteRouterId, verdict) => {
    const rules = { routerId, remoteRouterId, detectEstablished: false, restarting: false }
    expect(resolveCollision(connection('open-sent', fresh, 2), connection(state, other, 1), rules)).toBe(verdict)
  })

  it('goes by identifiers in Established too where that is asked for', () => {
    const rules = { routerId: 1, remoteRouterId: 2, detectEstablished: true, restarting: false }
    expect(resolveCollision(connection('open-sent', true, 2), connection('established', false, 1), rules)).toBe('dump-other')
  })

  it('takes a peer back that has restarted and asked to be waited for (RFC 4724 §4.2)', () => {
    const rules = { routerId: 2, remoteRouterId: 1, detectEstablished: false, restarting: false }
    const verdict = (connectedAt: number, restarting = false, gracefulRestart = true): CollisionVerdict =>
      resolveCollision(connection('open-sent', true, connectedAt), connection('established', false, 5, gracefulRestart), {
        ...rules,
        restarting,
      })
    expect(verdict(7)).toBe('peer-restarted')
    expect(verdict(4)).toBe('dump-new')
    // connected before the session was up at 6: the other half of a simultaneous start
    expect(verdict(5.5)).toBe('dump-new')
    expect(verdict(5.5, true)).toBe('peer-restarted')
    expect(verdict(7, true, false)).toBe('dump-new')
  })
})
