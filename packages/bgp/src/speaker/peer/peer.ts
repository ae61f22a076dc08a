import type { Connection, Timer } from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import { negotiate } from '../../capability/negotiate.js'
import type { NegotiatedSession } from '../../capability/negotiated-session.js'
import type { FsmEvent } from '../../fsm/event.js'
import type { FsmStateName } from '../../fsm/state.js'
import { CEASE, NOTIFICATION, OPEN_ERROR } from '../../iana.js'
import type { OpenMessage } from '../../message/message.js'
import type { Family } from '../../nlri/family.js'
import { localOpen } from '../../session/local-open.js'
import { Session, type DownCause, type SessionOwner } from '../../session/session.js'
import { resolveCollision } from './collision.js'
import type { NeighborConfig } from '../config.js'
import { describeCause } from './down-cause.js'
import { Flows } from './flows.js'
import type { MessageTrace } from './message-trace.js'
import { sessionView, withoutKeys, type MessageCounters, type NeighborView } from './neighbor-view.js'
import { openFault } from './open-check.js'
import { PeerAddress } from './peer-address.js'
import { PeerBfd } from './peer-bfd.js'
import type { PeerConfig } from './peer-config.js'
import type { PeerContext } from './peer-context.js'
import { PeerHistory } from './peer-history.js'
import { PeerSessions } from './peer-sessions.js'
import { openOptions } from './session-rules.js'
import { StaleRoutes, isGraceful } from '../ingest/stale-routes.js'

/** A neighbor: its sessions (two during a collision), its routes in and out. */
export class Peer implements SessionOwner {
  #config: PeerConfig
  readonly #sessions: PeerSessions
  /** The session that is established. */
  #up: Session | undefined
  #flows: Flows | undefined
  readonly #stale: StaleRoutes
  readonly #history: PeerHistory
  #started = false
  #stays = false
  #stayTimer: Timer | undefined
  readonly #address: PeerAddress
  readonly #bfd: PeerBfd
  #state: FsmStateName = 'idle'
  /** Memory of the last session, for who asks after it is over. */
  routerId = IpAddress.v4(0)

  constructor(
    config: PeerConfig,
    readonly index: number,
    private readonly context: PeerContext,
  ) {
    this.#config = config
    this.#history = new PeerHistory(context.clock, context.transport, context.failed)
    this.#address = new PeerAddress(config, context.routerDiscovery, { isUp: () => this.#up !== undefined, moved: () => this.#moved() })
    this.#sessions = new PeerSessions(() => this.#newSession())
    // RFC 9384
    this.#bfd = new PeerBfd(
      () => context.bfd,
      () => this.#up?.handle({ type: 'automatic-stop', subcode: CEASE.bfdDown }),
    )
    this.#stale = new StaleRoutes({
      clock: context.clock,
      peer: index,
      staleTime: () => this.#config.staleTime,
      tableOf: (family) => context.tableOf(family),
      removed: (families) => {
        this.#touched(families)
        this.#flows?.lost(families)
        if (this.#state === 'idle' || this.#state === 'active') this.context.settled(this)
      },
    })
  }

  get config(): PeerConfig {
    return this.#config
  }

  get name(): string {
    return this.#config.name
  }

  /** Where it is, once that is known. */
  get address(): IpAddress | undefined {
    return this.#address.current
  }

  get peerType(): 'ibgp' | 'ebgp' {
    return this.#config.relation === 'internal' ? 'ibgp' : 'ebgp'
  }

  /** The state of its session, or of the one that is furthest. */
  get state(): FsmStateName {
    return this.#state
  }

  get messages(): { readonly sent: Readonly<MessageCounters>; readonly received: Readonly<MessageCounters> } {
    return this.#history
  }

  get negotiated(): NegotiatedSession | undefined {
    return this.#up?.negotiated
  }

  /** Routes in and out, while a session is established. */
  get flows(): Flows | undefined {
    return this.#flows
  }

  start(): void {
    this.#started = true
    this.#stayTimer?.cancel()
    this.#stayTimer = undefined
    this.#stays = false
    this.#address.follow(this.#config)
    this.#bfd.follow(this.#config, this.address)
    this.#history.looksFor(this.#config)
    this.#sessions.primary.handle({ type: this.#config.fsm.passive ? 'manual-start-passive' : 'manual-start' })
  }

  /** Ends everything with the peer; its routes go, unless the stop is silent. */
  stop(event: Extract<FsmEvent, { type: 'manual-stop' }>): void {
    this.#started = false
    this.#stayTimer?.cancel()
    this.#bfd.stop()
    this.#address.stop()
    this.#history.stop()
    this.#sessions.stop(event)
    this.#stale.clear()
  }

  /** Ends the session and begins anew, with another configuration where one is given. */
  reset(config: PeerConfig, subcode: number): void {
    this.stop({ type: 'manual-stop', subcode })
    this.#config = config
    this.#sessions.renew()
    this.start()
  }

  /** The next end of the session is no pause: the peer stays down for some seconds, or for good. */
  stay(seconds: number | undefined): void {
    this.#stays = true
    if (seconds !== undefined) this.#stayTimer = this.context.clock.setTimer(seconds * 1000, () => this.start())
  }

  /** Whether a session is under way, routes wait for the peer, or it is kept down. */
  get isNeeded(): boolean {
    return this.#stays || !this.#sessions.isResting || this.#stale.families.length > 0
  }

  /** Whether the stream of the session takes the key of another configuration, which is one of the same kind. */
  canRekey({ authentication }: NeighborConfig): boolean {
    return authentication?.kind === this.#config.neighbor.authentication?.kind && this.#up?.connection?.rekey !== undefined
  }

  /** Takes over what needs no new session. */
  reconfigure(config: PeerConfig): void {
    const { authentication } = config.neighbor
    const rekeyed = authentication !== undefined && this.canRekey(config.neighbor)
    this.#config = config
    // the session that waits to be started has been made for the configuration before
    if (!this.#started) this.#sessions.renew()
    if (rekeyed) this.#up?.connection?.rekey?.(authentication)
    this.#flows?.reconfigure(config)
    if (this.#started) this.#bfd.follow(config, this.address)
    if (this.#started && this.#stays) this.start()
  }

  /** Takes a connection that the peer made. @returns whether it was wanted */
  accept(connection: Connection): boolean {
    if (!this.#started || this.#stays) return false
    this.#sessions.accept(connection)
    return true
  }

  view(): NeighborView {
    const { neighbor, families } = this.#config
    const local = this.#up?.connection?.local.address
    return {
      address: this.name,
      as: neighbor.as,
      ...(neighbor.description === undefined ? {} : { description: neighbor.description }),
      config: withoutKeys(neighbor),
      state: this.#state,
      ...(local === undefined ? {} : { localAddress: local }),
      ...(this.address === undefined ? {} : { remoteAddress: this.address }),
      ...(this.#bfd.state === undefined ? {} : { bfd: this.#bfd.state }),
      ...(this.negotiated === undefined ? {} : { negotiated: this.negotiated }),
      ...sessionView(this.#up),
      ...this.#history.view(this.#up !== undefined),
      families: families.map((family) => {
        const table = this.context.tableOf(family)
        return {
          family: family.name,
          received: table.peerCount(this.index),
          stale: table.peerStaleCount(this.index),
          sent: this.#flows?.sent(family) ?? 0,
        }
      }),
    }
  }

  /* What sessions tell. */

  localOpen(): OpenMessage {
    const { identity, deferral } = this.context
    // a process that took nobody's place has preserved nothing before its first session (RFC 4724 §3)
    const preserved = identity.restarting || this.#history.established > 0
    return localOpen(openOptions(this.#config, identity, { restarting: identity.restarting && deferral.active, preserved }))
  }

  openReceived(session: Session, open: OpenMessage): ReturnType<SessionOwner['openReceived']> {
    const refused = openFault(open, this.#config, this.context.identity)
    if (refused !== undefined) return { error: refused }
    const negotiated = negotiate(session.localOpen ?? this.localOpen(), open)
    if (negotiated.families.length === 0) return { error: { code: NOTIFICATION.open, subcode: OPEN_ERROR.unsupportedCapability } }
    const other = this.#sessions.beside(session)
    if (other !== undefined) {
      const verdict = resolveCollision(session, other, {
        routerId: this.context.identity.routerId.w0,
        remoteRouterId: open.routerId.w0,
        detectEstablished: this.#config.neighbor.collisionDetectEstablished ?? false,
        restarting: open.capabilities.some((capability) => capability.kind === 'graceful-restart' && capability.restarting),
      })
      if (verdict === 'dump-new') return 'dump'
      if (verdict === 'dump-other') other.handle({ type: 'open-collision-dump' })
      if (verdict === 'peer-restarted') other.abandon('the peer has restarted')
    }
    return { negotiated }
  }

  unanswered(): void {
    this.#history.unanswered(this.#config, this.address)
  }

  stateChanged(session: Session, from: FsmStateName): void {
    const { name } = session.state
    if (name === 'idle') this.#ended(session)
    else if (this.#sessions.moved(session, from)) this.#report(name)
    this.context.logger.debug('state', { peer: this.name, from, to: name })
  }

  established(session: Session): void {
    this.#sessions.established(session)
    const { negotiated } = session
    if (negotiated === undefined) return
    this.#up = session
    this.#history.up()
    this.routerId = negotiated.remoteRouterId
    this.#stale.up(negotiated)
    this.#expectEndOfRib(negotiated)
    this.#flows = new Flows({ peer: this, config: this.#config, context: this.context, stale: this.#stale, session, negotiated })
    this.context.logger.info('established', { peer: this.name, families: negotiated.families.map(({ name }) => name) })
  }

  down(session: Session, cause: DownCause): void {
    if (this.#up !== session) return
    this.#up = undefined
    this.#flows?.close()
    this.#flows = undefined
    const { negotiated } = session
    const graceful = this.#started && negotiated !== undefined && isGraceful(cause, negotiated)
    this.#stale.down(this.#config.families, negotiated, graceful)
    this.#address.released()
    if (this.#started) this.#history.looksFor(this.#config)
    this.context.logger.info('down', { peer: this.name, cause: describeCause(cause), graceful })
  }

  arrived(): void {
    this.#flows?.arrived()
  }

  writable(): void {
    this.#flows?.resume()
  }

  counted(direction: 'sent' | 'received', bytes: Uint8Array, from: number, to: number): void {
    this.#history.counted(this.name, direction, bytes, from, to)
  }

  /** Has `trace` told each message both ways, until the returned function is called. */
  trace(trace: MessageTrace): () => void {
    return this.#history.trace(trace)
  }

  #newSession(): Session {
    const { clock, random, transport, logger } = this.context
    const { fsm, zone, port, localAddress } = this.#config
    return new Session({
      clock,
      random,
      transport,
      logger,
      config: fsm,
      remote: () => {
        const { address } = this
        return address === undefined ? this.#address.missing : { address, port, ...(zone === undefined ? {} : { zone }) }
      },
      ...(localAddress === undefined ? {} : { localAddress }),
      protection: () => this.#config.protection,
      owner: this,
    })
  }

  /** A session has come to Idle: the other one goes on, or it starts again after a while. */
  #ended(session: Session): void {
    const { cause } = session
    this.#history.noticed(cause)
    const left = this.#sessions.ended(session)
    if (left === undefined) return
    this.#history.ended(cause)
    if (left !== session) return this.#report(left.state.name)
    this.#report('idle')
    if (this.#started && !this.#stays)
      session.handle({ type: this.#config.fsm.passive ? 'automatic-start-damped-passive' : 'automatic-start-damped' })
  }

  #moved(): void {
    if (this.#started) this.#bfd.follow(this.#config, this.address)
    try {
      this.context.moved()
    } catch (error) {
      // the streams that it opens are refused; those to it say why themselves
      this.#history.failed(error)
    }
  }

  #report(state: FsmStateName): void {
    if (state === this.#state) return
    this.#state = state
    this.context.stateChanged(this)
  }

  /** Whose End-of-RIB will not come is not waited for (RFC 4724 §4.1). */
  #expectEndOfRib({ families, gracefulRestart }: NegotiatedSession): void {
    for (const family of this.#config.families) {
      const silent = gracefulRestart === undefined || gracefulRestart.restarting || !families.some(({ key }) => key === family.key)
      if (silent) this.context.deferral.done(this.name, family.key)
    }
  }

  #touched(families: readonly Family[]): void {
    for (const family of families) this.context.touched(this.context.tableOf(family))
  }
}
