import type { Session } from '../../session/session.js'

/** What becomes of two connections to one peer; `peer-restarted`: the other is dead, and its routes wait for the peer. */
export type CollisionVerdict = 'keep-both' | 'dump-new' | 'dump-other' | 'peer-restarted'

/** What the decision depends on besides the connections. */
export interface CollisionRules {
  /** Our BGP identifier as a word. */
  readonly routerId: number
  /** The peer's, by the OPEN that has just come. */
  readonly remoteRouterId: number
  /** CollisionDetectEstablishedState. */
  readonly detectEstablished: boolean
  /** The OPEN has the R bit. */
  readonly restarting: boolean
}

/**
 * Decides when an OPEN has come on `fresh` while `other` is there (RFC 4271 §6.8): of two, the one that the speaker with the higher identifier
 * made stays. One that is up stays, unless the peer evidently has restarted and negotiated to be waited for (RFC 4724 §4.2): it says so, or
 * makes a connection although it had a session. One that it made before is the other half of a simultaneous start.
 */
export function resolveCollision(fresh: Session, other: Session, rules: CollisionRules): CollisionVerdict {
  const { name } = other.state
  if (name === 'established') {
    const isLater = fresh.incoming && fresh.connectedAt > other.establishedAt
    if (other.negotiated?.gracefulRestart !== undefined && (rules.restarting || isLater)) return 'peer-restarted'
    if (!rules.detectEstablished) return 'dump-new'
  } else if (name !== 'open-confirm') return 'keep-both'
  if (fresh.incoming === other.incoming) return 'dump-other' // the peer has given up the one that it made before
  const keepIncoming = rules.remoteRouterId > rules.routerId
  return fresh.incoming === keepIncoming ? 'dump-other' : 'dump-new'
}
