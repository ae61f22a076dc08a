import { ByteWriter } from '@heddle/wire'
import type { NegotiatedSession } from '../../capability/negotiated-session.js'
import { decodeMessage } from '../../decode.js'
import { CEASE, MESSAGE_TYPE, SAFI } from '../../iana.js'
import { typeAt } from '../../message/header.js'
import type { RouteRefreshMessage } from '../../message/message.js'
import { ROUTE_REFRESH_SUBTYPE, encodeRouteRefresh } from '../../message/route-refresh.js'
import { RTC, isFlowspecFamily, type Family } from '../../nlri/family.js'
import type { Session } from '../../session/session.js'
import { AdvertisementInterval } from '../export/advertisement-interval.js'
import type { ExportMember, MemberPeer } from '../export/export-member.js'
import type { Done } from '../flush.js'
import type { ExportGroup } from '../export/export-group.js'
import { Ingest } from '../ingest/ingest.js'
import { PrefixLimits } from '../ingest/max-prefixes.js'
import { Memberships, isFiltered } from '../export/memberships.js'
import { Outbox } from '../export/outbox.js'
import type { PeerConfig } from './peer-config.js'
import type { Peer } from './peer.js'
import type { PeerContext } from './peer-context.js'
import type { PrefixCover } from '../prefix-cover.js'
import { RefreshRounds } from '../ingest/refresh-rounds.js'
import type { Task } from '../scheduler.js'
import { exportSignatureFor, importRulesFor } from './session-rules.js'
import type { StaleRoutes } from '../ingest/stale-routes.js'

/** Messages of one peer that are processed before others get their turn. */
const INGEST_PIECE = 32
/** Octets of them: a message that withdraws is a thousand routes. */
const INGEST_OCTETS = 8192

/** What the flows of one session are made of. */
export interface FlowsOptions {
  readonly peer: Peer
  readonly config: PeerConfig
  readonly context: PeerContext
  readonly stale: StaleRoutes
  readonly session: Session
  readonly negotiated: NegotiatedSession
}

/** The routes of one established session, in and out. */
export class Flows {
  readonly #ingest: Ingest
  #config: PeerConfig
  readonly #limits: PrefixLimits
  readonly #outbox: Outbox
  readonly #members = new Map<number, ExportMember>()
  readonly #memberships: Memberships
  readonly #refreshes: RefreshRounds
  #closed = false
  readonly #interval: AdvertisementInterval
  /** UPDATEs went out since the last wait. */
  #burst = false
  /** Keys of the families that are exchanged. */
  readonly #exchanged: Set<number>
  /** Families of which routes were taken in that the tables may not know yet. */
  readonly #taken: Family[] = []
  readonly #ingestTask: Task = { work: 'ingest', run: () => this.#ingestPiece() }
  readonly #filterTask: Task = { work: 'decide', run: () => this.#refilter() }

  constructor(private readonly options: FlowsOptions) {
    const { session, negotiated, context } = options
    const { asn4, addPath, extendedMessage, peerType } = negotiated
    const { neighbor, relation } = options.config
    this.#config = options.config
    this.#exchanged = new Set(negotiated.families.map(({ key }) => key))
    this.#limits = new PrefixLimits(neighbor.maxPrefixes ?? {})
    this.#ingest = new Ingest({
      peer: options.peer.index,
      // to another member AS attributes go as within the AS (RFC 5065 §5.1)
      options: { asn4, addPath: addPath.receive, peerType: relation === 'member' ? 'ibgp' : peerType, extended: extendedMessage },
      rules: importRulesFor(options.config, context.identity, context.validation()),
      tableOf: (family) => (this.exchanges(family) ? context.tableOf(family) : undefined),
    })
    this.#interval = new AdvertisementInterval(context.clock, context.random, neighbor.advertisementInterval ?? 0, () => this.resume())
    this.#outbox = new Outbox(session)
    const { index: peer } = options.peer
    this.#memberships = new Memberships(
      peer,
      negotiated,
      () => context.tableOf(RTC),
      context.clock,
      () => this.resume(),
    )
    this.#refreshes = new RefreshRounds({
      clock: context.clock,
      peer,
      limit: () => this.#config.staleTime,
      tableOf: (family) => context.tableOf(family),
      removed: (family) => {
        this.lost([family])
        this.#touched([family])
      },
    })
    const member = this.#member()
    for (const family of inOrder(negotiated.families)) this.#members.set(family.key, this.#group(family).join(member))
  }

  /** Another configuration that needs no new session: what it changes for the paths in and out is done. */
  reconfigure(config: PeerConfig): void {
    const { context, negotiated } = this.options
    this.#config = config
    this.#limits.use(config.neighbor.maxPrefixes ?? {})
    this.#ingest.use(importRulesFor(config, context.identity, context.validation()))
    for (const family of negotiated.families) {
      this.#ingest.reimport(context.tableOf(family))
      // whether rules are validated is asked when they are decided
      if (isFlowspecFamily(family)) context.tableOf(family).redecide()
      const member = this.#members.get(family.key)
      const group = this.#group(family)
      if (member !== undefined && member.group !== group) this.#members.set(family.key, group.take(member))
    }
    this.#touched(negotiated.families)
    for (const family of negotiated.families) if (!this.#checkCount(family)) return
  }

  /** What the validation of origins says is something else now. @param changed of routes in these prefixes alone */
  revalidate(changed: PrefixCover | undefined): void {
    const { context, negotiated, peer } = this.options
    if (peer.config.importPolicy?.looksAtValidation !== true) return
    for (const family of negotiated.families) this.#ingest.reimport(context.tableOf(family), changed)
    this.#touched(negotiated.families)
  }

  /** What held a family or the connection back may be over. */
  resume(): void {
    if (this.#closed) return
    if (this.#outbox.pump()) this.options.context.exported()
    if (this.#outbox.open) for (const { group } of this.#members.values()) group.wake()
  }

  /** What waits for the advertisement interval goes out now. */
  hurry(): void {
    this.#interval.end()
    this.resume()
  }

  /** Something is in the session's inbox. */
  arrived(): void {
    this.options.context.scheduler.wake(this.#ingestTask)
  }

  /** Asks the peer for its routes again. @returns whether it can be asked */
  requestRefresh(family: Family): boolean {
    const { negotiated } = this.options
    if (!negotiated.routeRefresh || !this.exchanges(family)) return false
    this.#write(encodeRouteRefresh({ type: 'route-refresh', family, subtype: ROUTE_REFRESH_SUBTYPE.request }))
    return true
  }

  /** Paths of the family that the peer holds. */
  sent(family: Family): number {
    const member = this.#members.get(family.key)
    return member?.group.out.sent(member.index) ?? 0
  }

  /** Octets that wait, by direction. */
  get queued(): { readonly received: number; readonly outgoing: number } {
    return { received: this.options.session.inbox.octets, outgoing: this.#outbox.octets }
  }

  /** The peer's place among those that are told the same of the family. */
  member(family: Family): ExportMember | undefined {
    return this.#members.get(family.key)
  }

  /** @returns tells whether what waits now has been handed to the connection, as far as it may be sent at all */
  backlog(): Done {
    const packed = [...this.#members.values()].map((member) => member.group.backlog(member))
    let goal: number | undefined
    return () => {
      if (this.#closed) return true
      if (goal === undefined && packed.every((isPacked) => isPacked())) goal = this.#outbox.queued
      return goal !== undefined && this.#outbox.written >= goal
    }
  }

  /** What the peer has told us of the families has changed by other means than an UPDATE. */
  lost(families: readonly Family[]): void {
    if (families.includes(RTC) && this.exchanges(RTC)) this.options.context.scheduler.wake(this.#filterTask)
  }

  /** The session is over. */
  close(): void {
    this.#closed = true
    this.#memberships.stop()
    this.#refreshes.stop()
    this.#interval.end()
    for (const member of this.#members.values()) member.group.leave(member)
    this.#members.clear()
    this.options.context.exported()
  }

  /** Reads the peer's memberships again, and looks at every VPN route again. */
  #refilter(): boolean {
    if (this.#closed) return false
    this.#memberships.read(this.options.context.tableOf(RTC))
    for (const member of this.#members.values())
      if (isFiltered(member.group.table.family)) member.group.walk(member, member.walk?.forced ?? false)
    this.resume()
    return false
  }

  #ingestPiece(): boolean {
    if (this.#closed) return false
    try {
      return this.#takeSome()
    } catch (error) {
      // of which families its routes are that came before the fault, a message does not tell any more
      this.#taken.push(...this.options.negotiated.families)
      throw error
    } finally {
      this.#apply()
    }
  }

  /** @returns whether something is left */
  #takeSome(): boolean {
    const { session } = this.options
    const enough = session.inbox.octets - INGEST_OCTETS
    for (let done = 0; done < INGEST_PIECE && session.inbox.octets > enough; done++) {
      const item = session.inbox.shift()
      if (item === undefined) return false
      if (item.kind === 'message' && typeAt(item.bytes, item.from) === MESSAGE_TYPE.update)
        this.#update(session, item.bytes, item.from, item.to)
      else {
        this.#apply()
        if (item.kind === 'message') this.#refresh(session, item.bytes.subarray(item.from, item.to))
        else session.process(item)
      }
      if (this.#closed) return false
    }
    return !session.inbox.empty
  }

  #update(session: Session, bytes: Uint8Array, from: number, to: number): void {
    const { errors, reset, disable, endOfRib, touched } = this.#ingest.take(bytes, from, to)
    if (errors.length > 0) {
      this.options.context.logger.warn('malformed update', { peer: this.options.peer.name, codes: errors.map(({ code }) => code) })
      this.options.context.malformed(this.options.peer, errors, bytes.slice(from, to))
    }
    // by index, here and below: a table is a hundred thousand messages
    for (let at = 0; at < touched.length; at++) if (!this.#taken.includes(touched[at])) this.#taken.push(touched[at])
    if (reset !== undefined || disable !== undefined || endOfRib !== undefined) this.#apply()
    if (reset !== undefined) return session.refuse(reset)
    if (disable !== undefined) for (const family of disable) this.#disable(family)
    for (let at = 0; at < touched.length; at++) if (!this.#checkCount(touched[at])) return
    if (endOfRib !== undefined && this.exchanges(endOfRib)) this.#endOfRib(endOfRib)
  }

  /** Has the tables know all that was taken in, and those who wait for it. */
  #apply(): void {
    this.#ingest.apply()
    if (this.#taken.length === 0) return
    this.#touched(this.#taken)
    this.lost(this.#taken)
    this.#taken.length = 0
  }

  /** @returns false when the peer has sent too many routes and the session is over (RFC 4486 §4) */
  #checkCount(family: Family): boolean {
    const { context, peer, session } = this.options
    const limit = this.#limits.of(family)
    if (limit === undefined) return true
    this.#apply()
    const count = context.tableOf(family).peerCount(peer.index)
    const level = this.#limits.check(family, count)
    if (level === undefined) return true
    context.maxPrefixes(peer, family, count, limit.limit, level)
    if (level !== 'exceeded' || limit.warnOnly === true) return true
    peer.stay(limit.restart)
    const data = new ByteWriter(7).u16(family.afi).u8(family.safi).u32(limit.limit).finish()
    session.handle({ type: 'automatic-stop', subcode: CEASE.maximumPrefixes, data })
    return false
  }

  #endOfRib(family: Family): void {
    this.options.stale.finish(family)
    this.options.context.deferral.done(this.options.peer.name, family.key)
    if (family.key === RTC.key) {
      this.#refilter()
      this.#memberships.known()
    }
    this.options.context.endOfRib(this.options.peer, family)
  }

  /** RFC 7606 §2: nothing of the family is exchanged any more until the next session. */
  #disable(family: Family): void {
    this.#exchanged.delete(family.key)
    this.options.context.tableOf(family).removePeer(this.options.peer.index)
    this.options.context.deferral.done(this.options.peer.name, family.key)
    this.#touched([family])
  }

  #refresh(session: Session, bytes: Uint8Array): void {
    const result = decodeMessage(bytes)
    if (!result.ok) return session.refuse(result.error)
    const { family, subtype } = result.message as RouteRefreshMessage
    if (!this.exchanges(family)) return undefined
    switch (subtype) {
      case ROUTE_REFRESH_SUBTYPE.request:
        return this.#answerRefresh(family)
      case ROUTE_REFRESH_SUBTYPE.begin:
        return this.#refreshes.begin(family)
      case ROUTE_REFRESH_SUBTYPE.end:
        return this.#refreshes.end(family)
      default:
        return undefined
    }
  }

  /** The group of peers that are sent the same of the family. */
  #group(family: Family): ExportGroup {
    const { context, negotiated, session } = this.options
    const { asn4, addPath, extendedMessage } = negotiated
    const localAddress = session.connection?.local.address ?? context.identity.routerId
    const signature = exportSignatureFor(this.#config, context.identity, negotiated, localAddress)
    return context.groups.find(context.tableOf(family), signature, { asn4, addPath: addPath.send, extended: extendedMessage })
  }

  #answerRefresh(family: Family): void {
    const member = this.#members.get(family.key)
    member?.group.refresh(member)
  }

  /** This peer as its export groups see it. */
  #member(): MemberPeer {
    const { peer, context, negotiated } = this.options
    const held = (family: Family): boolean =>
      !this.#exchanged.has(family.key) || context.deferral.holds(family) || this.#memberships.awaited(family)
    return {
      peer: peer.index,
      enhancedRefresh: negotiated.enhancedRouteRefresh,
      filter: () => this.#memberships.filter,
      held,
      ready: (family) => !this.#closed && this.#outbox.open && !this.#interval.waits && !held(family),
      write: (messages) => this.#write(messages),
      idle: () => this.#rest(),
    }
  }

  #write(messages: Uint8Array): void {
    if (this.#closed) return
    this.#burst ||= typeAt(messages, 0) === MESSAGE_TYPE.update
    this.#outbox.push(messages)
    this.#outbox.pump()
  }

  /** A burst is over when nothing is left to be packed. */
  #rest(): void {
    if (!this.#burst || this.options.session.blocked) return
    for (const { done, peer, group } of this.#members.values()) if (!done && !peer.held(group.table.family)) return
    this.#burst = false
    this.#interval.begin()
  }

  /** Whether the family is exchanged in the session that is up. */
  exchanges(family: Family): boolean {
    return this.#exchanged.has(family.key)
  }

  #touched(families: readonly Family[]): void {
    const { context } = this.options
    for (let at = 0; at < families.length; at++) context.touched(context.tableOf(families[at]))
  }
}

/** Memberships first, so that the peer can send what we want while we send the rest. */
function inOrder(families: readonly Family[]): Family[] {
  return [...families].sort((a, b) => Number(b.safi === SAFI.rtc) - Number(a.safi === SAFI.rtc))
}
