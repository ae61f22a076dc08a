import type { Clock, Connection, Logger, Random, Timer, Transport } from '@heddle/io'
import { IpAddress } from '@heddle/wire'
import { negotiate } from '../capability/negotiate.js'
import type { NegotiatedSession } from '../capability/negotiated-session.js'
import { decodeMessage } from '../decode.js'
import type { FsmEvent, NotificationSummary } from '../fsm/event.js'
import type { FsmStateName } from '../fsm/state.js'
import { CEASE, NOTIFICATION, OPEN_ERROR, SAFI } from '../iana.js'
import type { OpenMessage, RouteRefreshMessage } from '../message/message.js'
import { ROUTE_REFRESH_SUBTYPE, encodeRouteRefresh } from '../message/route-refresh.js'
import { RTC, type Family } from '../nlri/family.js'
import type { RouteSource } from '../policy/export-rules.js'
import { RouteTargetFilter } from '../policy/route-target-filter.js'
import { PATH, type RibTable } from '../rib/rib-table.js'
import { localOpen } from '../session/local-open.js'
import { Session, type DownCause, type SessionOwner } from '../session/session.js'
import { MESSAGE_TYPE } from '../iana.js'
import type { BgpError } from '../validate/bgp-error.js'
import { resolveCollision } from './collision.js'
import type { NeighborConfig } from './config.js'
import { Exporter } from './exporter.js'
import { Ingest } from './ingest.js'
import { count, newCounters } from './message-counters.js'
import type { NeighborView, NotificationView } from './neighbor-view.js'
import type { PeerConfig, SpeakerIdentity } from './peer-config.js'
import type { RestartDeferral } from './restart-deferral.js'
import type { Scheduler, Task } from './scheduler.js'
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
  tableOf(family: Family): RibTable
  sourceOf(peer: number): RouteSource
  /** Destinations of the table may be dirty. */
  touched(table: RibTable): void
  stateChanged(peer: Peer): void
  endOfRib(peer: Peer, family: Family): void
  malformed(peer: Peer, errors: readonly BgpError[], message: Uint8Array): void
}

/** Messages of one peer that are processed before others get their turn. */
const INGEST_PIECE = 32
/** Seconds that VPN routes wait for the peer's memberships: with a peer that will mark their end (RFC 4684 §6), and with one that may not. */
const MEMBERSHIP_WAIT = { marked: 60, unmarked: 2 } as const

/** A neighbor: its sessions (two during a collision), its routes in and out. */
export class Peer implements SessionOwner {
  #config: PeerConfig
  #primary: Session
  #secondary: Session | undefined
  /** The session that is established. */
  #up: Session | undefined
  #ingest: Ingest | undefined
  #exporter: Exporter | undefined
  #filter: RouteTargetFilter | undefined
  #membershipTimer: Timer | undefined
  readonly #disabled = new Set<number>()
  readonly #stale: StaleRoutes
  readonly #ingestTask: Task = { work: 'ingest', run: () => this.#ingestPiece() }
  readonly #exportTask: Task = { work: 'export', run: () => this.#exportPiece() }
  readonly #filterTask: Task = { work: 'decide', run: () => this.#refilter() }
  readonly #sent = newCounters()
  readonly #received = newCounters()
  #started = false
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
      removed: (families) => this.#touched(families),
    })
  }

  get config(): PeerConfig {
    return this.#config
  }

  get name(): string {
    return this.#config.name
  }

  get peerType(): 'ibgp' | 'ebgp' {
    return this.#config.neighbor.as === this.context.identity.as ? 'ibgp' : 'ebgp'
  }

  get negotiated(): NegotiatedSession | undefined {
    return this.#up?.negotiated
  }

  get exporter(): Exporter | undefined {
    return this.#exporter
  }

  start(): void {
    this.#started = true
    this.#primary.handle({ type: this.#config.fsm.passive ? 'manual-start-passive' : 'manual-start' })
  }

  /** Ends everything with the peer; its routes go, unless the stop is silent. */
  stop(event: Extract<FsmEvent, { type: 'manual-stop' }>): void {
    this.#started = false
    this.#secondary?.handle(event)
    this.#primary.handle(event)
    this.#secondary = undefined
    this.#stale.clear()
    this.#membershipTimer?.cancel()
  }

  /** Ends the session and begins anew, with another configuration where one is given. */
  reset(config: PeerConfig, subcode: number): void {
    this.stop({ type: 'manual-stop', subcode })
    this.#config = config
    this.#primary = this.#newSession()
    this.start()
  }

  /** Takes over what needs no new session. */
  reconfigure(config: PeerConfig): void {
    this.#config = config
  }

  /** Takes a connection that the peer made. @returns whether it was wanted */
  accept(connection: Connection): boolean {
    if (!this.#started) return false
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

  /** The best path of a destination is another one. */
  changed(table: RibTable, destination: number): void {
    if (this.#exporter === undefined) return
    this.#exporter.changed(table, destination)
    this.context.scheduler.wake(this.#exportTask)
  }

  /** What held a family back may be over. */
  resume(): void {
    if (this.#exporter !== undefined) this.context.scheduler.wake(this.#exportTask)
  }

  /** Asks the peer for its routes again. @returns whether it can be asked */
  requestRefresh(family: Family): boolean {
    const session = this.#up
    if (session?.negotiated?.routeRefresh !== true || !this.#exchanges(family)) return false
    session.write(encodeRouteRefresh({ type: 'route-refresh', family, subtype: ROUTE_REFRESH_SUBTYPE.request }))
    return true
  }

  view(): NeighborView {
    const { neighbor, families } = this.#config
    const local = this.#up?.connection?.local.address
    return {
      address: this.name,
      as: neighbor.as,
      ...(neighbor.description === undefined ? {} : { description: neighbor.description }),
      config: neighbor,
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
          sent: this.#exporter?.sent(family) ?? 0,
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
    return localOpen({
      as: identity.as,
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
    const other = session === this.#primary ? this.#secondary : this.#primary
    if (other !== undefined) {
      const verdict = resolveCollision(session, other, {
        routerId: this.context.identity.routerId.w0,
        remoteRouterId: open.routerId.w0,
        detectEstablished: this.#config.neighbor.collisionDetectEstablished ?? false,
      })
      if (verdict === 'dump-new') return 'dump'
      if (verdict === 'dump-other') {
        const restarted = other.state.name === 'established' && other.negotiated?.gracefulRestart !== undefined
        other.handle(restarted ? { type: 'tcp-connection-fails' } : { type: 'open-collision-dump' })
      }
    }
    const negotiated = negotiate(session.localOpen ?? this.localOpen(), open)
    if (negotiated.families.length === 0) return { error: { code: NOTIFICATION.open, subcode: OPEN_ERROR.unsupportedCapability } }
    return { negotiated }
  }

  stateChanged(session: Session, from: FsmStateName): void {
    const { name } = session.state
    if (name === 'idle') this.#ended(session)
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
    this.#disabled.clear()
    this.routerId = negotiated.remoteRouterId
    this.#stale.up(negotiated)
    this.#expectEndOfRib(negotiated)
    this.#openFlows(session, negotiated)
    this.context.logger.info('established', { peer: this.name, families: negotiated.families.map(({ name }) => name) })
  }

  down(session: Session, cause: DownCause): void {
    if (this.#up !== session) return
    this.#up = undefined
    this.#membershipTimer?.cancel()
    this.#exporter?.close()
    this.#exporter = undefined
    this.#ingest = undefined
    this.#filter = undefined
    const { negotiated } = session
    const graceful = this.#started && negotiated !== undefined && isGraceful(cause, negotiated)
    this.#stale.down(this.#config.families, negotiated, graceful)
    this.context.logger.info('down', { peer: this.name, cause: describe(cause), graceful })
  }

  arrived(): void {
    this.context.scheduler.wake(this.#ingestTask)
  }

  writable(): void {
    this.resume()
  }

  counted(direction: 'sent' | 'received', type: number): void {
    count(direction === 'sent' ? this.#sent : this.#received, type)
  }

  #newSession(): Session {
    const { clock, random, transport, logger } = this.context
    const { fsm, address, port, localAddress } = this.#config
    return new Session({
      clock,
      random,
      transport,
      logger,
      config: fsm,
      remote: { address, port },
      ...(localAddress === undefined ? {} : { localAddress }),
      owner: this,
    })
  }

  /** What is wrong with the peer's OPEN (RFC 4271 §6.2, RFC 6286 §2.2). */
  #judge(open: OpenMessage): NotificationSummary | undefined {
    const { identity } = this.context
    if (open.as !== this.#config.neighbor.as) return { code: NOTIFICATION.open, subcode: OPEN_ERROR.badPeerAs }
    if (open.as === identity.as && open.routerId.equals(identity.routerId)) {
      return { code: NOTIFICATION.open, subcode: OPEN_ERROR.badIdentifier }
    }
    return undefined
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
    if (this.#started) session.handle({ type: this.#config.fsm.passive ? 'automatic-start-damped-passive' : 'automatic-start-damped' })
  }

  #report(state: FsmStateName): void {
    if (state === this.#state) return
    this.#state = state
    this.context.stateChanged(this)
  }

  /** Whether the family is exchanged in the session that is up. */
  #exchanges(family: Family): boolean {
    return this.negotiated?.families.some(({ key }) => key === family.key) === true && !this.#disabled.has(family.key)
  }

  #expectEndOfRib({ families, gracefulRestart }: NegotiatedSession): void {
    for (const family of this.#config.families) {
      const silent = gracefulRestart === undefined || gracefulRestart.restarting || !families.some(({ key }) => key === family.key)
      if (silent) this.context.deferral.done(this.name, family.key)
    }
  }

  #openFlows(session: Session, negotiated: NegotiatedSession): void {
    const { identity } = this.context
    const { asn4, addPath, extendedMessage, peerType } = negotiated
    this.#ingest = new Ingest({
      peer: this.index,
      options: { asn4, addPath: addPath.receive, peerType, extended: extendedMessage },
      self: { as: identity.as, routerId: identity.routerId.w0, clusterId: identity.clusterId.w0 },
      tableOf: (family) => (this.#exchanges(family) ? this.context.tableOf(family) : undefined),
    })
    const { neighbor } = this.#config
    const localAddress = session.connection?.local.address ?? identity.routerId
    this.#waitForMemberships(negotiated)
    this.#exporter = new Exporter(
      inOrder(negotiated.families).map((family) => this.context.tableOf(family)),
      {
        peer: this.index,
        signature: {
          peerType,
          client: neighbor.routeReflectorClient ?? false,
          localAs: identity.as,
          routerId: identity.routerId,
          clusterId: identity.clusterId,
          localAddress: localAddress.unmapped(),
          nextHop: neighbor.nextHop ?? 'auto',
          extendedNextHop: new Set(negotiated.extendedNextHop.map(({ family }) => family.key)),
        },
        encode: { asn4, addPath: addPath.send, extended: extendedMessage },
        enhancedRefresh: negotiated.enhancedRouteRefresh,
        sourceOf: (peer) => this.context.sourceOf(peer),
        held: (family) =>
          this.#disabled.has(family.key) ||
          this.context.deferral.holds(family) ||
          (this.#membershipTimer !== undefined && isFiltered(family)),
        filter: () => this.#filter,
        write: (message) => session.write(message),
        failed: (family, error) =>
          this.context.logger.warn('routes not announced', { peer: this.name, family: family.name, error: error.message }),
      },
    )
    this.context.scheduler.wake(this.#exportTask)
  }

  /** VPN routes wait for what the peer wants (RFC 4684 §6). */
  #waitForMemberships({ families, gracefulRestart }: NegotiatedSession): void {
    this.#membershipTimer?.cancel()
    this.#membershipTimer = undefined
    if (!families.includes(RTC)) return
    this.#refilter()
    const seconds = gracefulRestart === undefined ? MEMBERSHIP_WAIT.unmarked : MEMBERSHIP_WAIT.marked
    this.#membershipTimer = this.context.clock.setTimer(seconds * 1000, () => this.#membershipsKnown())
  }

  #membershipsKnown(): void {
    if (this.#membershipTimer === undefined) return
    this.#membershipTimer.cancel()
    this.#membershipTimer = undefined
    this.resume()
  }

  /** Reads the peer's memberships again, and looks at every VPN route again. */
  #refilter(): boolean {
    const table = this.context.tableOf(RTC)
    const memberships = [...table.peerPaths(this.index)].map((path) => table.nlriOf(path))
    this.#filter = new RouteTargetFilter(memberships.flatMap((nlri) => (nlri.kind === 'rtc' ? [nlri] : [])))
    for (const family of this.#config.families) if (isFiltered(family)) this.#exporter?.reconsider(family, false)
    this.resume()
    return false
  }

  #ingestPiece(): boolean {
    const session = this.#up
    if (session === undefined) return false
    for (let done = 0; done < INGEST_PIECE; done++) {
      const item = session.inbox.shift()
      if (item === undefined) return false
      if (item.kind !== 'message') session.process(item)
      else if (item.bytes[18] === MESSAGE_TYPE.update) this.#update(session, item.bytes)
      else this.#refresh(session, item.bytes)
      if (this.#up !== session) return false
    }
    return session.inbox.length > 0
  }

  #update(session: Session, bytes: Uint8Array): void {
    if (this.#ingest === undefined) return
    const { errors, reset, disable, endOfRib, touched } = this.#ingest.take(bytes)
    if (errors.length > 0) {
      this.context.logger.warn('malformed update', { peer: this.name, codes: errors.map(({ code }) => code) })
      this.context.malformed(this, errors, bytes.slice())
    }
    if (reset !== undefined) return session.refuse(reset)
    for (const family of disable ?? []) this.#disable(family)
    this.#touched(touched)
    if (touched.includes(RTC) && this.#exchanges(RTC)) this.context.scheduler.wake(this.#filterTask)
    if (endOfRib !== undefined && this.#exchanges(endOfRib)) this.#endOfRib(endOfRib)
  }

  #endOfRib(family: Family): void {
    this.#stale.finish(family)
    this.context.deferral.done(this.name, family.key)
    if (family.key === RTC.key) {
      this.#refilter()
      this.#membershipsKnown()
    }
    this.context.endOfRib(this, family)
  }

  /** RFC 7606 §2: nothing of the family is exchanged any more until the next session. */
  #disable(family: Family): void {
    this.#disabled.add(family.key)
    this.context.tableOf(family).removePeer(this.index)
    this.context.deferral.done(this.name, family.key)
    this.#touched([family])
  }

  #refresh(session: Session, bytes: Uint8Array): void {
    const result = decodeMessage(bytes)
    if (!result.ok) return session.refuse(result.error)
    const { family, subtype } = result.message as RouteRefreshMessage
    if (!this.#exchanges(family)) return undefined
    const table = this.context.tableOf(family)
    switch (subtype) {
      case ROUTE_REFRESH_SUBTYPE.request:
        this.#exporter?.refresh(family)
        return this.resume()
      case ROUTE_REFRESH_SUBTYPE.begin:
        return table.markPeer(this.index, PATH.refreshing)
      case ROUTE_REFRESH_SUBTYPE.end:
        table.removePeer(this.index, PATH.refreshing)
        return this.#touched([family])
      default:
        return undefined
    }
  }

  #exportPiece(): boolean {
    if (this.#up === undefined || this.#up.blocked) return false
    return this.#exporter?.run() ?? false
  }

  #touched(families: readonly Family[]): void {
    for (const family of families) this.context.touched(this.context.tableOf(family))
  }
}

/** Families whose routes go by membership. */
function isFiltered({ safi }: Family): boolean {
  return safi === SAFI.vpn || safi === SAFI.evpn
}

/** Memberships first, so that the peer can send what we want while we send the rest. */
function inOrder(families: readonly Family[]): Family[] {
  return [...families].sort((a, b) => Number(b.safi === SAFI.rtc) - Number(a.safi === SAFI.rtc))
}

/** Configuration whose change needs a new session. */
export function needsReset(before: NeighborConfig, after: NeighborConfig): boolean {
  const rest = ({ description: _description, ...config }: NeighborConfig): string =>
    JSON.stringify(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)))
  return rest(before) !== rest(after)
}

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
