import type { Clock, Connection, Logger, Random, StreamAuthentication, Timer, Transport } from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import { negotiate } from '../capability/negotiate.js'
import type { NegotiatedSession } from '../capability/negotiated-session.js'
import type { FsmEvent, NotificationSummary } from '../fsm/event.js'
import type { FsmStateName } from '../fsm/state.js'
import { CEASE, NOTIFICATION, OPEN_ERROR } from '../iana.js'
import type { OpenMessage } from '../message/message.js'
import type { Family } from '../nlri/family.js'
import type { ImportRules } from '../policy/import-rules.js'
import type { RouteSource } from '../policy/export-rules.js'
import type { RibTable } from '../rib/rib-table.js'
import { localOpen } from '../session/local-open.js'
import { Session, type DownCause, type SessionOwner } from '../session/session.js'
import type { BgpError } from '../validate/bgp-error.js'
import type { BfdSource, BfdWatch } from './bfd-source.js'
import type { PrefixLevel } from './max-prefixes.js'
import { resolveCollision } from './collision.js'
import type { NeighborConfig } from './config.js'
import { Flows } from './flows.js'
import type { MessageTrace } from './message-trace.js'
import { localAsFor } from './session-rules.js'
import { rolesMatch } from '../policy/roles.js'
import { count, newCounters } from './message-counters.js'
import type { MessageCounters, NeighborView, NotificationView } from './neighbor-view.js'
import type { PeerConfig, SpeakerIdentity } from './peer-config.js'
import type { ExportGroups } from './export-groups.js'
import type { RestartDeferral } from './restart-deferral.js'
import type { Scheduler } from './scheduler.js'
import { StaleRoutes, isGraceful } from './stale-routes.js'

/** What a peer shares with the rest of the speaker. */
export interface PeerContext {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly logger: Logger
  readonly scheduler: Scheduler
  readonly identity: SpeakerIdentity
  readonly deferral: RestartDeferral
  readonly groups: ExportGroups
  /** State of a route's origin (RFC 6811), where origins are validated. */
  readonly validate: ImportRules['validate']
  tableOf(family: Family): RibTable
  sourceOf(peer: number): RouteSource
  /** Destinations of the table may be dirty. */
  touched(table: RibTable): void
  /** Something was written to a peer, or need not be any more. */
  exported(): void
  stateChanged(peer: Peer): void
  /** Nothing waits for a peer without a session any more. */
  settled(peer: Peer): void
  maxPrefixes(peer: Peer, family: Family, count: number, limit: number, level: PrefixLevel): void
  /** Where it is told whether the way to the peer works. */
  readonly bfd: BfdSource | undefined
  endOfRib(peer: Peer, family: Family): void
  malformed(peer: Peer, errors: readonly BgpError[], message: Uint8Array): void
}

/** A neighbor: its sessions (two during a collision), its routes in and out. */
export class Peer implements SessionOwner {
  #config: PeerConfig
  #primary: Session
  #secondary: Session | undefined
  /** The session that is established. */
  #up: Session | undefined
  #flows: Flows | undefined
  readonly #stale: StaleRoutes
  readonly #sent = newCounters()
  readonly #received = newCounters()
  readonly #traces = new Set<MessageTrace>()
  #started = false
  #stays = false
  #stayTimer: Timer | undefined
  #bfd: BfdWatch | undefined
  #established = 0
  #since = 0
  #state: FsmStateName = 'idle'
  #lastNotification: NotificationView | undefined
  #lastError: string | undefined
  /** Memory of the last session, for who asks after it is over. */
  routerId = IpAddress.v4(0)

  constructor(
    config: PeerConfig,
    readonly index: number,
    private readonly context: PeerContext,
  ) {
    this.#config = config
    this.#primary = this.#newSession()
    this.#stale = new StaleRoutes({
      clock: context.clock,
      peer: index,
      staleTime: context.identity.staleTime,
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

  get peerType(): 'ibgp' | 'ebgp' {
    return this.#config.relation === 'internal' ? 'ibgp' : 'ebgp'
  }

  /** The state of its session, or of the one that is furthest. */
  get state(): FsmStateName {
    return this.#state
  }

  get messages(): { readonly sent: Readonly<MessageCounters>; readonly received: Readonly<MessageCounters> } {
    return { sent: this.#sent, received: this.#received }
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
    this.#watch()
    this.#primary.handle({ type: this.#config.fsm.passive ? 'manual-start-passive' : 'manual-start' })
  }

  /** Ends everything with the peer; its routes go, unless the stop is silent. */
  stop(event: Extract<FsmEvent, { type: 'manual-stop' }>): void {
    this.#started = false
    this.#stayTimer?.cancel()
    this.#bfd?.stop()
    this.#bfd = undefined
    this.#secondary?.handle(event)
    this.#primary.handle(event)
    this.#secondary = undefined
    this.#stale.clear()
  }

  /** Ends the session and begins anew, with another configuration where one is given. */
  reset(config: PeerConfig, subcode: number): void {
    this.stop({ type: 'manual-stop', subcode })
    this.#config = config
    this.#primary = this.#newSession()
    this.start()
  }

  /** The next end of the session is no pause: the peer stays down for some seconds, or for good. */
  stay(seconds: number | undefined): void {
    this.#stays = true
    if (seconds !== undefined) this.#stayTimer = this.context.clock.setTimer(seconds * 1000, () => this.start())
  }

  /** Whether a session is under way, routes wait for the peer, or it is kept down. */
  get isNeeded(): boolean {
    const waits = this.#primary.state.name === 'idle' || (this.#primary.state.name === 'active' && this.#primary.connection === undefined)
    return this.#stays || !waits || this.#secondary !== undefined || this.#stale.families.length > 0
  }

  /** Takes over what needs no new session. */
  reconfigure(config: PeerConfig): void {
    this.#config = config
    this.#flows?.reconfigure(config)
    if (this.#started && this.#stays) this.start()
  }

  /** Takes a connection that the peer made. @returns whether it was wanted */
  accept(connection: Connection): boolean {
    if (!this.#started || this.#stays) return false
    const { name } = this.#primary.state
    if (name === 'idle') this.#primary.handle({ type: 'automatic-start-passive' })
    if (this.#primary.state.name === 'active' && this.#primary.connection === undefined) {
      this.#primary.accept(connection)
      return true
    }
    if (this.#secondary !== undefined) this.#secondary.handle({ type: 'manual-stop', silent: true })
    const session = this.#newSession()
    this.#secondary = session
    session.handle({ type: 'automatic-start-passive' })
    session.accept(connection)
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
      uptime: this.#up === undefined ? 0 : (this.context.clock.now() - this.#since) / 1000,
      established: this.#established,
      ...(local === undefined ? {} : { localAddress: local }),
      ...(this.negotiated === undefined ? {} : { negotiated: this.negotiated }),
      messages: { sent: { ...this.#sent }, received: { ...this.#received } },
      families: families.map((family) => {
        const table = this.context.tableOf(family)
        return {
          family: family.name,
          received: table.peerCount(this.index),
          stale: table.peerStaleCount(this.index),
          sent: this.#flows?.sent(family) ?? 0,
        }
      }),
      ...(this.#lastNotification === undefined ? {} : { lastNotification: this.#lastNotification }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    }
  }

  /* What sessions tell. */

  localOpen(): OpenMessage {
    const { identity, deferral } = this.context
    const { fsm, families, gracefulRestart } = this.#config
    const restarting = identity.restarting && deferral.active
    const { neighbor } = this.#config
    return localOpen({
      as: localAsFor(this.#config, identity),
      ...(neighbor.role === undefined ? {} : { role: neighbor.role }),
      ...(neighbor.addPath === undefined ? {} : { addPath: neighbor.addPath }),
      ...(gracefulRestart === undefined ? {} : { longLived: gracefulRestart.longLived }),
      routerId: identity.routerId,
      holdTime: fsm.holdTime,
      families,
      ...(gracefulRestart === undefined
        ? {}
        : {
            gracefulRestart: {
              restarting,
              notification: gracefulRestart.notification,
              restartTime: gracefulRestart.restartTime,
              families: families.map((family) => ({
                family,
                // a process that took nobody's place has preserved nothing before its first session (RFC 4724 §3)
                forwardingPreserved: gracefulRestart.forwardingPreserved && (identity.restarting || this.#established > 0),
              })),
            },
          }),
    })
  }

  openReceived(session: Session, open: OpenMessage): ReturnType<SessionOwner['openReceived']> {
    const refused = this.#judge(open)
    if (refused !== undefined) return { error: refused }
    const negotiated = negotiate(session.localOpen ?? this.localOpen(), open)
    if (negotiated.families.length === 0) return { error: { code: NOTIFICATION.open, subcode: OPEN_ERROR.unsupportedCapability } }
    const other = session === this.#primary ? this.#secondary : this.#primary
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

  stateChanged(session: Session, from: FsmStateName): void {
    const { name } = session.state
    if (name === 'idle') this.#ended(session)
    // a second connection that is lost is not made again: the first one goes on
    else if (session === this.#secondary && name === 'active' && from !== 'idle') session.handle({ type: 'manual-stop', silent: true })
    else if (session === this.#primary || name === 'established') this.#report(name)
    this.context.logger.debug('state', { peer: this.name, from, to: name })
  }

  established(session: Session): void {
    const other = session === this.#primary ? this.#secondary : this.#primary
    this.#primary = session
    this.#secondary = undefined
    if (other !== undefined && other.state.name !== 'idle') {
      const { name } = other.state
      // an attempt without an answer is called off; a connection that is further gets to hear why when its OPEN comes
      if (name === 'connect' || name === 'active') other.handle({ type: 'manual-stop', silent: true })
      else this.#secondary = other
    }
    const { negotiated } = session
    if (negotiated === undefined) return
    this.#up = session
    this.#established++
    this.#since = this.context.clock.now()
    this.#lastError = undefined
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
    this.context.logger.info('down', { peer: this.name, cause: describe(cause), graceful })
  }

  arrived(): void {
    this.#flows?.arrived()
  }

  writable(): void {
    this.#flows?.resume()
  }

  counted(direction: 'sent' | 'received', message: Uint8Array): void {
    count(direction === 'sent' ? this.#sent : this.#received, message[18])
    for (const trace of this.#traces) trace({ neighbor: this.name, direction, at: this.context.clock.now(), message: message.slice() })
  }

  /** Has `trace` told each message both ways, until the returned function is called. */
  trace(trace: MessageTrace): () => void {
    this.#traces.add(trace)
    return () => this.#traces.delete(trace)
  }

  /** RFC 5882 §3.2, RFC 9384: a path that is down ends the session; one that nobody watches any more says nothing. */
  #watch(): void {
    const { neighbor, address, localAddress } = this.#config
    if (neighbor.bfd !== true || this.#bfd !== undefined) return
    const path = {
      remote: address,
      multihop: neighbor.multihop !== undefined,
      ...(localAddress === undefined ? {} : { local: localAddress }),
    }
    this.#bfd = this.context.bfd?.watch(path, (state) => {
      if (state === 'down') this.#up?.handle({ type: 'automatic-stop', subcode: CEASE.bfdDown })
    })
  }

  #newSession(): Session {
    const { clock, random, transport, logger } = this.context
    const { fsm, address, port, localAddress, protection } = this.#config
    return new Session({
      clock,
      random,
      transport,
      logger,
      config: fsm,
      remote: { address, port },
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(protection === undefined ? {} : { protection }),
      owner: this,
    })
  }

  /** What is wrong with the peer's OPEN (RFC 4271 §6.2, RFC 6286 §2.2). */
  #judge(open: OpenMessage): NotificationSummary | undefined {
    const { identity } = this.context
    if (open.as !== this.#config.neighbor.as) return { code: NOTIFICATION.open, subcode: OPEN_ERROR.badPeerAs }
    if (this.#config.relation === 'internal' && open.routerId.equals(identity.routerId)) {
      return { code: NOTIFICATION.open, subcode: OPEN_ERROR.badIdentifier }
    }
    return this.#judgeRole(open) ? undefined : { code: NOTIFICATION.open, subcode: OPEN_ERROR.roleMismatch }
  }

  /** Whether the peer's role goes with ours (RFC 9234 §4.2). */
  #judgeRole({ capabilities }: OpenMessage): boolean {
    const { role, roleStrict = false } = this.#config.neighbor
    if (role === undefined) return true
    const theirs = new Set(capabilities.flatMap((capability) => (capability.kind === 'role' ? [capability.role] : [])))
    if (theirs.size === 0) return !roleStrict
    return theirs.size === 1 && [...theirs].every((other) => rolesMatch(role, other))
  }

  /** A session has come to Idle: the other one goes on, or it starts again after a while. */
  #ended(session: Session): void {
    const { cause } = session
    if (cause.kind === 'notification-sent') this.#lastNotification = { direction: 'sent', ...cause.notification }
    if (cause.kind === 'notification-received') this.#lastNotification = { direction: 'received', ...cause.notification }
    if (session === this.#secondary) {
      this.#secondary = undefined
      return
    }
    if (session !== this.#primary) return
    if (cause.kind !== 'closed') this.#lastError = describe(cause)
    if (this.#secondary !== undefined) {
      this.#primary = this.#secondary
      this.#secondary = undefined
      this.#report(this.#primary.state.name)
      return
    }
    this.#report('idle')
    if (this.#started && !this.#stays)
      session.handle({ type: this.#config.fsm.passive ? 'automatic-start-damped-passive' : 'automatic-start-damped' })
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

/** Keys are for the transport alone. */
function withoutKeys(neighbor: NeighborConfig): NeighborConfig {
  const { authentication, ...rest } = neighbor
  if (authentication === undefined) return neighbor
  const hidden: StreamAuthentication =
    authentication.kind === 'tcp-md5'
      ? { kind: 'tcp-md5', key: HIDDEN }
      : { kind: 'tcp-ao', keys: authentication.keys.map((key) => ({ ...key, key: HIDDEN })) }
  return { ...rest, authentication: hidden }
}

const HIDDEN = '(hidden)'

function describe(cause: DownCause): string {
  switch (cause.kind) {
    case 'connection-lost':
      return cause.message
    case 'closed':
      return 'closed'
    default: {
      const { code, subcode, shutdown } = cause.notification
      const direction = cause.kind === 'notification-sent' ? 'sent' : 'received'
      return `NOTIFICATION ${code}/${subcode} ${direction}${shutdown === undefined ? '' : `: ${shutdown}`}`
    }
  }
}

/** Cease for a neighbor that is no longer configured (RFC 4486 §4). */
export const DECONFIGURED = CEASE.peerDeconfigured
