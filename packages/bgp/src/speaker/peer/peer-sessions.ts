import type { Connection } from '@heddle/io'
import type { FsmEvent } from '../../fsm/event.js'
import type { FsmStateName } from '../../fsm/state.js'
import type { Session } from '../../session/session.js'

/** The connections to one peer: one, and a second beside it while it is not clear which of them stays (RFC 4271 §6.8). */
export class PeerSessions {
  #primary: Session
  #secondary: Session | undefined

  /** @param make makes a session with the peer as it is configured now */
  constructor(private readonly make: () => Session) {
    this.#primary = make()
  }

  /** The one that counts. */
  get primary(): Session {
    return this.#primary
  }

  /** Whether no connection is there or under way, but for one that the peer might make. */
  get isResting(): boolean {
    const { state, connection } = this.#primary
    return this.#secondary === undefined && (state.name === 'idle' || (state.name === 'active' && connection === undefined))
  }

  /** The one beside it. */
  beside(session: Session): Session | undefined {
    return session === this.#primary ? this.#secondary : this.#primary
  }

  /** Another one takes the place of the first, which was stopped. */
  renew(): void {
    this.#primary = this.make()
  }

  stop(event: Extract<FsmEvent, { type: 'manual-stop' }>): void {
    this.#secondary?.handle(event)
    this.#primary.handle(event)
    this.#secondary = undefined
  }

  /** Takes a connection that the peer made. */
  accept(connection: Connection): void {
    if (this.#primary.state.name === 'idle') this.#primary.handle({ type: 'automatic-start-passive' })
    if (this.#primary.state.name === 'active' && this.#primary.connection === undefined) return this.#primary.accept(connection)
    this.#secondary?.handle({ type: 'manual-stop', silent: true })
    const session = this.make()
    this.#secondary = session
    session.handle({ type: 'automatic-start-passive' })
    return session.accept(connection)
  }

  /**
   * A session came to a state other than Idle.
   *
   * @returns whether that is how the peer is seen from here on
   */
  moved(session: Session, from: FsmStateName): boolean {
    const { name } = session.state
    if (session === this.#secondary && name === 'active' && from !== 'idle') {
      // a second connection that is lost is not made again: the first one goes on
      session.handle({ type: 'manual-stop', silent: true })
      return false
    }
    return session === this.#primary || name === 'established'
  }

  /** A session is up: it is the one that counts. */
  established(session: Session): void {
    const other = this.beside(session)
    this.#primary = session
    this.#secondary = undefined
    if (other === undefined || other.state.name === 'idle') return
    const { name } = other.state
    // an attempt without an answer is called off; a connection that is further gets to hear why when its OPEN comes
    if (name === 'connect' || name === 'active') other.handle({ type: 'manual-stop', silent: true })
    else this.#secondary = other
  }

  /**
   * A session has come to Idle.
   *
   * @returns the one that counts now, where that was the one
   */
  ended(session: Session): Session | undefined {
    if (session === this.#secondary) {
      this.#secondary = undefined
      return undefined
    }
    if (session !== this.#primary) return undefined
    if (this.#secondary !== undefined) {
      this.#primary = this.#secondary
      this.#secondary = undefined
    }
    return this.#primary
  }
}
